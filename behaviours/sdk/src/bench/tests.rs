use super::{Fleet, device_with, refusal};
use crate::{
    Behaviour, ConnectionChange, Device, Duration, Message, Outgoing, Qos, Request, Response, StartCause,
    StopReason,
};

/// Says each second how often it has done so, and counts what it hears.
struct Echo {
    said: u64,
    heard: Vec<String>,
}

const SECOND: Duration = Duration::from_secs(1);

impl Behaviour for Echo {
    fn start(device: &mut Device, cause: StartCause) -> Result<Self, String> {
        let pace = device.config().duration("pace", SECOND, Duration::from_millis(1)..)?;
        device.set_offline_will();
        device.subscribe(&device.topic_of("+", "echo"), Qos::AtMostOnce)?;
        device.subscribe(&device.topic_of("all", "#"), Qos::AtLeastOnce)?;
        device.set_timer(1, pace);
        device.info(format_args!("started: {cause:?}"));
        Ok(Echo { said: device.state_get_u64("said").unwrap_or(0), heard: Vec::new() })
    }

    fn on_timer(&mut self, device: &mut Device, token: u32) {
        self.said += 1;
        device.state_set_u64("said", self.said);
        device.send(&Outgoing::new(device.topic("echo"), self.said.to_string()));
        device.set_timer(token, SECOND);
        device.count("said_total", 1.0);
    }

    fn on_message(&mut self, _: &mut Device, message: Message) {
        self.heard.push(format!("{} {}", message.topic, message.text().unwrap_or("?")));
    }

    fn on_connection(&mut self, device: &mut Device, change: ConnectionChange) {
        if matches!(change, ConnectionChange::Up(_)) {
            device.publish_state(true);
        }
    }

    fn on_http_request(&mut self, _: &mut Device, request: Request) -> Response {
        Response::fallback(&request, &["/"])
    }

    fn stop(&mut self, device: &mut Device, _: StopReason) {
        device.publish_state(false);
    }

    fn snapshot(&mut self, _: &mut Device) -> Result<Vec<u8>, String> {
        Ok(self.said.to_le_bytes().to_vec())
    }

    fn restore(&mut self, _: &mut Device, saved: &[u8]) -> Result<(), String> {
        self.said = u64::from_le_bytes(saved.try_into().map_err(|_| "eight bytes expected")?);
        Ok(())
    }
}

#[test]
fn each_hears_each_and_itself() {
    let mut fleet = Fleet::<Echo>::of("echo", 2).start();
    fleet.run_for(Duration::from_millis(1_500));
    let heard = ["wasmote/echo-0/echo 1", "wasmote/echo-1/echo 1"];
    assert_eq!(fleet.behaviour(0).heard, heard);
    assert_eq!(fleet.behaviour(1).heard, heard);
    assert_eq!(fleet.counter("said_total"), 2.0);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = |seed| {
        let mut fleet = Fleet::<Echo>::of("echo", 5).seed(seed).start();
        fleet.bus().lose(0.5);
        fleet.bus().delay(Duration::ZERO, SECOND);
        fleet.run_for(30 * SECOND);
        (0..5).map(|index| fleet.behaviour(index).heard.join("|")).collect::<Vec<_>>()
    };
    assert_eq!(story(3), story(3));
    assert_ne!(story(3), story(4));
}

#[test]
fn a_silent_device_neither_speaks_nor_hears() {
    let mut fleet = Fleet::<Echo>::of("echo", 2).start();
    fleet.silence(0);
    fleet.run_for(Duration::from_millis(1_500));
    assert_eq!(fleet.behaviour(0).heard.len(), 0);
    assert_eq!(fleet.behaviour(1).heard, ["wasmote/echo-1/echo 1"]);
    fleet.unsilence(0);
    fleet.run_for(SECOND);
    assert_eq!(fleet.behaviour(0).heard.len(), 2);
}

#[test]
fn a_cut_goes_one_way() {
    let mut fleet = Fleet::<Echo>::of("echo", 2).start();
    fleet.bus().cut(0, 1);
    fleet.run_for(Duration::from_millis(1_500));
    assert_eq!(fleet.behaviour(0).heard.len(), 2);
    assert_eq!(fleet.behaviour(1).heard, ["wasmote/echo-1/echo 1"]);
}

#[test]
fn the_will_speaks_for_a_crash_and_the_store_survives_it() {
    let mut fleet = Fleet::<Echo>::of("echo", 1).start();
    fleet.run_for(3 * SECOND);
    fleet.crash(0);
    assert_eq!(fleet.bus().retained("wasmote/echo-0/state").unwrap().text(), "offline");
    fleet.run_for(5 * SECOND);
    fleet.restart(0);
    assert_eq!(fleet.bus().retained("wasmote/echo-0/state").unwrap().text(), "online");
    fleet.run_for(SECOND);
    assert_eq!(fleet.last("wasmote/echo-0/echo").text(), "4");
    assert!(fleet.logged(0, "started: StartCause::Restart"), "{:?}", fleet.log(0));
}

#[test]
fn a_clean_stop_says_goodbye_itself() {
    let mut fleet = Fleet::<Echo>::of("echo", 1).start();
    fleet.stop(0);
    let states: Vec<_> = fleet
        .published("wasmote/echo-0/state")
        .iter()
        .map(|entry| (entry.from, entry.text().to_owned()))
        .collect();
    assert_eq!(states, [(Some(0), "online".into()), (Some(0), "offline".into())]);
}

#[test]
fn a_swap_hands_over_what_was_saved() {
    let mut fleet = Fleet::<Echo>::of("echo", 1).start();
    fleet.run_for(3 * SECOND);
    fleet.swap(0);
    fleet.run_for(SECOND);
    assert_eq!(fleet.last("wasmote/echo-0/echo").text(), "4");
}

#[test]
fn retained_messages_wait_for_the_subscriber() {
    let mut fleet = Fleet::<Echo>::of("echo", 1).start();
    fleet.disconnect(0);
    fleet.send_message(Outgoing::new("wasmote/all/notice", "tea").retained());
    fleet.send("wasmote/all/notice", "unheard");
    fleet.reconnect(0);
    fleet.run_for(Duration::from_millis(10));
    assert_eq!(fleet.behaviour(0).heard, ["wasmote/all/notice tea"]);
}

#[test]
fn a_configuration_error_names_the_field() {
    assert_eq!(
        refusal::<Echo>(r#"{"pace": "often"}"#),
        "configuration: pace: expected a duration like \"5s\" or a number of seconds, found \"often\""
    );
    assert_eq!(
        refusal::<Echo>(r#"{"pace": 0}"#),
        "configuration: pace: expected at least 0.001 s, found 0 s"
    );
    let device = device_with(1, r#"{"list": [{"name": 5}], "typo": 1}"#);
    assert_eq!(
        device.config().text("/list/0/name").unwrap_err(),
        "configuration: list.0.name: expected a text, found 5"
    );
    assert_eq!(
        device.config().deny_unknown_fields(&["list"]).unwrap_err(),
        "configuration: typo: unknown field; known are list"
    );
}

#[test]
fn unknown_paths_and_methods_are_told_apart() {
    let mut fleet = Fleet::<Echo>::of("echo", 1).start();
    assert_eq!(fleet.request(0, Request::get("/nowhere?x=1")).status, 404);
    assert_eq!(fleet.request(0, Request::new("POST", "/")).status, 405);
}
