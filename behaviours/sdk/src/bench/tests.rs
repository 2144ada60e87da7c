use super::{Fleet, device_with, refusal};
use crate::{
    Behaviour, ConnectionChange, Device, Duration, Failure, Message, Outgoing, Qos, Request, Response,
    StartCause, StopReason,
};

/// Publishes a count every second, and counts received messages.
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
        fleet.faults(
            r#"{"fault": [
                {"kind": "loss", "direction": "in", "probability": 0.5},
                {"kind": "delay", "direction": "in", "max": "1s"}
            ]}"#,
        );
        fleet.run_for(30 * SECOND);
        (0..5).map(|index| fleet.behaviour(index).heard.join("|")).collect::<Vec<_>>()
    };
    assert_eq!(story(3), story(3));
    assert_ne!(story(3), story(4));
}

#[test]
fn a_partitioned_device_neither_sends_nor_receives() {
    let mut fleet = Fleet::<Echo>::of("echo", 2).start();
    fleet.partition(0);
    fleet.run_for(Duration::from_millis(1_500));
    assert_eq!(fleet.behaviour(0).heard.len(), 0);
    assert_eq!(fleet.behaviour(1).heard, ["wasmote/echo-1/echo 1"]);
    fleet.heal(0);
    fleet.run_for(SECOND);
    assert_eq!(fleet.behaviour(0).heard.len(), 2);
}

#[test]
fn a_cut_goes_one_way() {
    let mut fleet = Fleet::<Echo>::of("echo", 2).start();
    fleet.cut(0, 1);
    fleet.run_for(Duration::from_millis(1_500));
    assert_eq!(fleet.behaviour(0).heard.len(), 2);
    assert_eq!(fleet.behaviour(1).heard, ["wasmote/echo-1/echo 1"]);
}

#[test]
fn the_will_speaks_for_a_crash_and_the_store_survives_it() {
    let mut fleet = Fleet::<Echo>::of("echo", 1).start();
    fleet.run_for(3 * SECOND);
    fleet.crash(0);
    assert_eq!(fleet.retained("wasmote/echo-0/state").unwrap().text(), Some("offline"));
    fleet.run_for(5 * SECOND);
    fleet.restart(0);
    assert_eq!(fleet.retained("wasmote/echo-0/state").unwrap().text(), Some("online"));
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
    fleet.disconnect(0, Duration::from_millis(500));
    fleet.send_message(Outgoing::new("wasmote/all/notice", "tea").retained());
    fleet.send("wasmote/all/notice", "unheard");
    fleet.run_for(Duration::from_millis(510));
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

#[test]
fn a_fault_document_of_the_simulator_applies_to_the_fleet() {
    let mut fleet = Fleet::<Echo>::of("echo", 2)
        .faults(
            r#"
            [[fault]]
            kind = "silence"
            device = "echo-0"
            every = "10s"
            probability = 1
            for = "9s"
            "#,
        )
        .start();
    fleet.run_for(15 * SECOND);

    assert!(fleet.published("wasmote/echo-0/echo").len() < 10);
    assert!(fleet.published("wasmote/echo-1/echo").len() >= 14);
    fleet.faults("none");
    fleet.run_for(5 * SECOND);
    assert_eq!(fleet.last("wasmote/echo-0/echo").text(), fleet.last("wasmote/echo-1/echo").text());
    fleet.faults(
        r#"{"fault": [{"kind": "broker_restart", "every": "1s", "probability": 1, "for": "900ms"}]}"#,
    );
    fleet.run_for(2 * SECOND);
    assert!(!fleet.logged(0, "panic"));
    assert!(fleet.retained("wasmote/echo-0/state").is_none(), "a broker that is not persistent forgets");
}

#[test]
#[should_panic(expected = "fault[0].probability")]
fn an_invalid_fault_document_fails_the_test() {
    Fleet::<Echo>::of("echo", 1).start().faults("[[fault]]\nkind = \"loss\"\nprobability = 2\n");
}

/// Asks a server for a number, and publishes it.
struct Client;

impl Behaviour for Client {
    fn start(device: &mut Device, _: StartCause) -> Result<Self, String> {
        device.set_timer(1, SECOND);
        Ok(Client)
    }

    fn on_timer(&mut self, device: &mut Device, _: u32) {
        device.send_http(&Request::get("http://example.org/number"), SECOND).unwrap();
    }

    fn on_http_reply(&mut self, device: &mut Device, id: u64, reply: Result<Response, Failure>) {
        let text = reply.map(|response| String::from_utf8(response.body).unwrap());
        let text = text.unwrap_or_else(|failure| format!("{failure:?}"));
        device.send(&Outgoing::new(device.topic("number"), format!("{id}: {text}")));
    }
}

#[test]
fn a_test_answers_outbound_requests() {
    let mut fleet = Fleet::<Client>::of("client", 1).start();
    fleet.run_for(2 * SECOND);
    assert_eq!(fleet.requests(0)[0].url, "http://example.org/number");
    let response = Response { status: 200, headers: Vec::new(), body: b"42".to_vec() };
    fleet.reply(0, 1, Ok(response));
    assert_eq!(fleet.last("wasmote/client-0/number").text(), "1: 42");
}

#[test]
fn the_limits_are_those_of_the_simulator() {
    let mut device = device_with(1, "{}");
    assert!(device.state_set("key", &vec![0; 64 << 10]).is_err(), "the store holds 64 KiB with its keys");
    assert!(device.state_set("key", &vec![0; (64 << 10) - 3]).is_ok());
    let message = Outgoing::new("t", vec![0; (128 << 10) + 1]);
    assert!(device.publish(&message).is_err());
}

#[test]
fn an_integer_of_64_bits_is_read_with_all_its_digits() {
    let device = device_with(1, r#"{"meter": 18446744073709551615, "even": 9007199254740993, "less": -1}"#);
    let config = device.config();
    assert_eq!(config.unsigned("meter", 0, ..), Ok(u64::MAX));
    assert_eq!(config.unsigned("even", 0, ..), Ok(9_007_199_254_740_993));
    assert_eq!(config.integer("even", 0, ..), Ok(9_007_199_254_740_993));
    assert_eq!(config.unsigned("none", 7, ..), Ok(7));
    assert!(config.unsigned("less", 0, ..).unwrap_err().contains("less: expected 0 or more, found -1"));
    assert!(config.unsigned("meter", 0, ..10).unwrap_err().contains("meter: expected less than 10"));
}

#[test]
fn the_layout_of_a_configuration_applies_to_the_messages_of_a_fleet() {
    let config = r#"{"layout": {"topics": {"echo": "plant/{group}/{device}/up", "state": "/{device}"},
                                "payloads": {"echo": {"encoding": "cbor"}}}}"#;
    let mut fleet = Fleet::<Echo>::of("echo", 2).config(config).start();
    fleet.run_for(3 * SECOND);
    assert_eq!(fleet.last("plant/echo/echo-1/up").message.payload, [3]);
    assert_eq!(fleet.retained("/echo-0").unwrap().payload, b"online");
    assert!(fleet.subscriptions(0).contains(&"plant/+/+/up".to_owned()));
    let heard = fleet.behaviour(0).heard.clone();
    assert!(heard.contains(&"wasmote/echo-1/echo 2".to_owned()), "{heard:?}");
    let problem = refusal::<Echo>(r#"{"layout": {"topics": {"echo": "{devise}"}}}"#);
    assert!(
        problem.contains("configuration: layout.topics.echo: `{devise}`: there is no placeholder"),
        "{problem}"
    );
}
