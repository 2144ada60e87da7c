use crate::Heartbeat;
use std::time::Duration;
use wasmote_sdk::bench::{Fleet, refusal};
use wasmote_sdk::json::Value;
use wasmote_sdk::{Outgoing, Request};

const SECOND: Duration = Duration::from_secs(1);

fn fleet(count: usize, config: &str) -> Fleet<Heartbeat> {
    Fleet::of("heartbeat", count).config(config).start()
}

fn alive(fleet: &mut Fleet<Heartbeat>, index: usize) -> f64 {
    fleet.get(index, "/").get("peers_alive").and_then(Value::number).unwrap()
}

#[test]
fn a_heartbeat_has_device_time_and_uptime() {
    let mut fleet = fleet(1, "{}");
    fleet.run_for(12 * SECOND);
    let beats = fleet.published("wasmote/heartbeat-0/heartbeat");
    let first = beats[0].json();
    let names: Vec<&str> = first.members().unwrap().iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["device", "type", "ts", "seq", "uptime_s"]);
    assert_eq!(first.get("device").unwrap().text(), Some("heartbeat-0"));
    assert_eq!(beats[1].number("seq"), 2.0);
    assert!(beats[0].number("ts") > 1_767_225_600.0);
    assert!((beats[0].number("uptime_s") - beats[0].at.as_secs_f64()).abs() < 0.001);
    assert!(fleet.logged(0, "heartbeat 2 published"));
}

#[test]
fn intervals_keep_within_their_jitter_and_do_not_drift() {
    let mut fleet = fleet(1, r#"{"interval": "2s", "jitter": 0.25}"#);
    fleet.run_for(2_000 * SECOND);
    let beats = fleet.published("wasmote/+/heartbeat");
    for pair in beats.windows(2) {
        let interval = (pair[1].at - pair[0].at).as_secs_f64();
        assert!((1.499..2.501).contains(&interval), "{interval}");
    }
    // A thousand intervals with a standard deviation of 0.29 s each: five standard deviations of the sum are
    // 46 s, or 23 heartbeats.
    assert!((977..=1_023).contains(&beats.len()), "{}", beats.len());
}

#[test]
fn every_device_tracks_all_peers() {
    let mut fleet = fleet(9, "{}");
    fleet.run_for(10 * SECOND);
    for index in 0..9 {
        assert_eq!(alive(&mut fleet, index), 8.0);
    }
    assert_eq!(fleet.get(3, "/peers").get("peers").unwrap().list().unwrap().len(), 8);
}

#[test]
fn a_number_of_peers_means_ring_neighbours_on_each_side() {
    let fleet = fleet(9, r#"{"peers": 2}"#);
    let heartbeats: Vec<_> =
        fleet.subscriptions(0).into_iter().filter(|filter| filter.ends_with("heartbeat")).collect();
    let ids = ["1", "2", "7", "8"].map(|index| format!("wasmote/heartbeat-{index}/heartbeat"));
    assert!(ids.iter().all(|id| heartbeats.contains(id)), "{heartbeats:?}");
    assert_eq!(heartbeats.len(), 4);
}

#[test]
fn a_small_ring_has_no_duplicate_neighbours() {
    let mut fleet = fleet(3, r#"{"peers": 5}"#);
    fleet.run_for(10 * SECOND);
    assert_eq!(alive(&mut fleet, 0), 2.0);
}

#[test]
fn without_peers_no_heartbeat_is_received() {
    let mut fleet = fleet(3, r#"{"peers": 0}"#);
    fleet.run_for(20 * SECOND);
    assert_eq!(alive(&mut fleet, 0), 0.0);
    assert_eq!(fleet.counter("heartbeats_received_total"), 0.0);
}

#[test]
fn a_silent_peer_is_lost_and_comes_back() {
    let mut fleet = fleet(3, "{}");
    fleet.run_for(10 * SECOND);
    fleet.partition(1);
    fleet.run_for(35 * SECOND);
    let lost = fleet.last("wasmote/heartbeat-0/peers").json();
    assert_eq!(lost.get("event").unwrap().text(), Some("lost"));
    assert_eq!(lost.get("peer").unwrap().text(), Some("heartbeat-1"));
    assert_eq!(lost.get("alive").unwrap().number(), Some(1.0));
    assert!(fleet.logged(0, "peer heartbeat-1 lost: silent for 28 s"));
    fleet.heal(1);
    fleet.run_for(10 * SECOND);
    assert_eq!(fleet.last("wasmote/heartbeat-0/peers").json().get("event").unwrap().text(), Some("back"));
    assert_eq!(alive(&mut fleet, 0), 2.0);
}

#[test]
fn one_in_ten_lost_and_delays_do_not_raise_false_alarms() {
    let mut fleet = fleet(9, "{}");
    fleet.faults(
        r#"
        [[fault]]
        kind = "loss"
        direction = "in"
        probability = 0.1

        [[fault]]
        kind = "delay"
        direction = "in"
        min = "10ms"
        max = "500ms"
        "#,
    );
    fleet.run_for(600 * SECOND);
    // 8,640 heartbeats are sent; the expected number of five losses in a row is 0.08.
    assert_eq!(fleet.published("wasmote/+/peers").len(), 0);
    let missed = fleet.get(0, "/peers");
    let rows = missed.get("peers").unwrap().list().unwrap();
    let missed: f64 = rows.iter().map(|row| row.get("missed").unwrap().number().unwrap()).sum();
    assert!((50.0..150.0).contains(&missed), "about a tenth of 960 are missed: {missed}");
}

#[test]
fn the_will_reports_a_loss_immediately() {
    let mut fleet = fleet(2, "{}");
    fleet.run_for(10 * SECOND);
    fleet.crash(1);
    fleet.run_for(SECOND);
    assert!(fleet.logged(0, "peer heartbeat-1 lost: its state is offline"));
    assert_eq!(fleet.retained("wasmote/heartbeat-1/state").unwrap().text(), Some("offline"));
}

#[test]
fn own_disconnection_does_not_mark_peers_lost() {
    let mut fleet = fleet(2, "{}");
    fleet.run_for(10 * SECOND);
    fleet.disconnect(0, 100 * SECOND);
    fleet.run_for(120 * SECOND);
    assert_eq!(fleet.published("wasmote/heartbeat-0/peers").len(), 0);
}

#[test]
fn a_crash_does_not_reset_the_sequence_number() {
    let mut fleet = fleet(1, "{}");
    fleet.run_for(22 * SECOND);
    let before = fleet.last("wasmote/+/heartbeat").number("seq");
    fleet.crash(0);
    fleet.restart(0);
    fleet.run_for(6 * SECOND);
    assert_eq!(fleet.last("wasmote/+/heartbeat").number("seq"), before + 1.0);
}

#[test]
fn a_swap_keeps_the_schedule_and_the_table() {
    let mut fleet = fleet(3, r#"{"jitter": 0}"#);
    fleet.run_for(12 * SECOND);
    fleet.swap(0);
    assert_eq!(alive(&mut fleet, 0), 2.0);
    fleet.run_for(20 * SECOND);
    let beats = fleet.published("wasmote/heartbeat-0/heartbeat");
    assert!(beats.windows(2).all(|pair| pair[1].at - pair[0].at == 5 * SECOND), "{beats:?}");
    assert!(fleet.published("wasmote/heartbeat-0/state").iter().all(|state| state.text() == "online"));
}

#[test]
fn messages_of_peers_are_logged_in_one_line() {
    let mut fleet = fleet(2, "{}");
    fleet.send("wasmote/heartbeat-1/message", r#"{"device":"heartbeat-1","message":"Hello network!"}"#);
    fleet.send("wasmote/all/message", r#"{"device":"lab","message":{"a":1}}"#);
    fleet.send("wasmote/heartbeat-1/message", "two\nlines");
    fleet.run_for(SECOND);
    assert!(fleet.logged(0, "message from heartbeat-1: Hello network!"));
    assert!(fleet.logged(0, "message from lab: {\"a\":1}"));
    assert!(fleet.logged(0, "message from heartbeat-1: two lines"));
    assert!(!fleet.logged(1, "Hello network!"), "its own message is no news to it");
}

#[test]
fn a_command_is_acknowledged_or_refused() {
    let mut fleet = fleet(1, "{}");
    fleet.send("wasmote/heartbeat-0/cmd", r#"{"id":7,"cmd":"beat"}"#);
    fleet.run_for(Duration::from_millis(5));
    let ack = fleet.last("wasmote/heartbeat-0/ack").json();
    assert_eq!((ack.get("id").unwrap().unsigned(), ack.get("ok").unwrap().boolean()), (Some(7), Some(true)));
    assert_eq!(fleet.published("wasmote/heartbeat-0/heartbeat").len(), 1);
    fleet.send("wasmote/heartbeat-0/cmd", r#"{"cmd":"explode"}"#);
    fleet.run_for(Duration::from_millis(5));
    let error = fleet.last("wasmote/heartbeat-0/ack").json();
    assert_eq!(error.get("error").unwrap().text(), Some("cmd: expected \"beat\""));
}

#[test]
fn hostile_input_does_not_panic() {
    let mut fleet = fleet(2, "{}");
    fleet.run_for(6 * SECOND);
    let hostile: [&[u8]; 8] = [
        b"",
        b"{",
        b"\xff\xfe",
        br#"{"seq":-1}"#,
        br#"{"seq":1e300}"#,
        br#"{"seq":9007199254740992}"#,
        br#"{"cmd":null,"id":[[[[]]]]}"#,
        &[b'['; 5_000],
    ];
    for leaf in ["heartbeat", "state", "message", "cmd", "nonsense"] {
        for payload in hostile {
            for device in ["heartbeat-0", "heartbeat-1", "stranger"] {
                fleet.send(&format!("wasmote/{device}/{leaf}"), payload);
            }
        }
    }
    fleet.run_for(60 * SECOND);
    for path in ["", "/", "//", "/peers?x", "/peers/../..", "\u{0}"] {
        fleet.request(0, Request::get(path));
        fleet.request(0, Request::new("DELETE", path));
    }
    fleet.get(0, "/peers");
}

#[test]
fn the_table_of_peers_is_bounded() {
    let mut fleet = fleet(1, "{}");
    for stranger in 0..2_000 {
        fleet.send_message(Outgoing::new(format!("wasmote/s{stranger}/heartbeat"), r#"{"seq":1}"#));
    }
    fleet.run_for(SECOND);
    assert_eq!(alive(&mut fleet, 0), 1_024.0);
    assert_eq!(fleet.counter("peers_not_tracked_total"), 976.0);
    fleet.swap(0);
    assert_eq!(alive(&mut fleet, 0), 1_024.0);
}

#[test]
fn an_invalid_configuration_is_rejected_by_field() {
    for (config, problem) in [
        (r#"{"interval": "0s"}"#, "configuration: interval: expected at least 0.01 s, found 0 s"),
        (r#"{"jitter": 2}"#, "configuration: jitter: expected at least 0 and at most 1, found 2"),
        (
            r#"{"peers": "some"}"#,
            "configuration: peers: expected \"all\" or a number of neighbours on each side",
        ),
        (r#"{"peers": -1}"#, "configuration: peers: expected at least 0 and at most 1000, found -1"),
        (r#"{"qos": 3}"#, "configuration: qos: expected at least 0 and at most 2, found 3"),
        (
            r#"{"intervall": 1}"#,
            "configuration: intervall: unknown field; known are interval, jitter, qos, peers, lost_after",
        ),
    ] {
        assert_eq!(refusal::<Heartbeat>(config), problem);
    }
}

/// Layouts with which a fleet of heartbeats works as without one.
const LAYOUTS: [&str; 5] = [
    r#"{"topic": "plant/{group}/{device}/{name}", "payload": {"encoding": "messagepack", "time": "epoch_ms"}}"#,
    r#"{"topic": "/v1/{name}/{index:04}/{device}", "payload": {"encoding": "cbor", "time": "iso8601"}}"#,
    r#"{"topics": {"heartbeat": "$aws/rules/beat/{device}", "state": "d-{device}/s"},
        "payloads": {"heartbeat": {"encoding": "csv", "fields": ["device", {"from": "ts", "time": "epoch_ns"}, "seq"]},
                     "state": {"fields": [{"from": "payload", "as": "up", "map": {"online": true, "offline": false}}]}}}"#,
    r#"{"payloads": {"heartbeat": {"template": "{seq}@{device} {uptime_s}"}, "state": {"template": "<{payload}>"}}}"#,
    r#"{"topics": {"heartbeat": "beats", "state": "states"},
        "payloads": {"heartbeat": {"fields": ["device", "seq"]}, "state": {"fields": ["device", "payload"]}}}"#,
];

#[test]
fn peers_are_found_and_lost_under_every_layout() {
    for layout in LAYOUTS {
        let mut fleet = fleet(3, &format!(r#"{{"interval": "1s", "layout": {layout}}}"#));
        fleet.run_for(5 * SECOND);
        let alive = alive(&mut fleet, 0);
        assert_eq!(alive, 2.0, "{layout}");
        assert_eq!(fleet.counter("heartbeats_malformed_total"), 0.0, "{layout}");
        fleet.partition(2);
        fleet.run_for(30 * SECOND);
        assert!(fleet.logged(0, "peer heartbeat-2 lost"), "{layout}");
    }
}

#[test]
fn commands_and_their_answers_have_the_layout() {
    let layout = r#"{"topics": {"cmd": "to/{device}", "ack": "from/{device}"},
                     "payloads": {"ack": {"template": "{id}={ok}"}, "cmd": {"template": "{id} {cmd}"}}}"#;
    let mut fleet = fleet(2, &format!(r#"{{"layout": {layout}}}"#));
    fleet.send("to/heartbeat-1", "18446744073709551615 beat");
    fleet.run_for(SECOND);
    assert_eq!(fleet.last("from/heartbeat-1").text(), "18446744073709551615=true");
    let layout = r#"{"payload": {"encoding": "cbor"}}"#;
    let mut fleet =
        Fleet::<Heartbeat>::of("heartbeat", 1).config(&format!(r#"{{"layout": {layout}}}"#)).start();
    // {"id": 9007199254740993, "cmd": "beat"} in CBOR, and then in JSON, which is understood, too.
    let id = [0x1b, 0, 0x20, 0, 0, 0, 0, 0, 1];
    let command = [&[0xa2, 0x62][..], b"id", &id, &[0x63], b"cmd", &[0x64], b"beat"].concat();
    for command in [command, br#"{"id": 9007199254740993, "cmd": "beat"}"#.to_vec()] {
        fleet.send("wasmote/heartbeat-0/cmd", command);
        fleet.run_for(SECOND);
        let ack = fleet.last("wasmote/heartbeat-0/ack").message.payload;
        assert!(ack.windows(id.len()).any(|bytes| bytes == id), "{ack:?}");
    }
    assert_eq!(fleet.published("wasmote/heartbeat-0/ack").len(), 2);
}

#[test]
fn topics_that_the_behaviour_could_not_tell_apart_are_refused() {
    let problem =
        refusal::<Heartbeat>(r#"{"layout": {"topics": {"heartbeat": "p/{device}", "state": "p/{device}"}}}"#);
    assert!(problem.contains("gives `heartbeat` and `state` the same topic, `p/+`"), "{problem}");
}
