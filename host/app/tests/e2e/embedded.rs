//! The embedded broker: fleets without an external broker and with a low limit of open files.

use std::collections::BTreeSet;

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::{free_port, subscribe, topic};

const DEVICES: usize = 2_000;

/// A pause that is longer than the test.
const PAUSE: &str =
    r#"{"fault": [{"kind": "broker_pause", "every": "100ms", "probability": 1.0, "for": "1h"}]}"#;

#[test]
fn a_paused_broker_resumes_when_the_initial_faults_are_restored() {
    let port = free_port();
    let broker = format!("embedded:{port}");
    let args = ["--broker", &broker, "--devices", "2", "--faults", "none"];
    let fleet = Fleet::run(&[&args[..], &["--device-config", "interval=200ms"]].concat()).ready();
    let subscriber = subscribe(port, "wasmote/+/heartbeat", || {});
    subscriber.lines.wait_for("heartbeat-1");
    for round in 1..=2 {
        assert_eq!(fleet.send("PUT", "/faults", PAUSE).0, 200);
        fleet.stderr.wait(round, DEFAULT_TIMEOUT, |line| line.contains("is paused: fault `broker_pause`"));
        // After 20 more messages, all messages from before the pause have arrived.
        let sent = |fleet: &Fleet| fleet.get("/metrics")["sent"].as_u64();
        let then = sent(&fleet).map(|sent| sent + 20);
        fleet.wait_until("devices send more messages", DEFAULT_TIMEOUT, |fleet| sent(fleet) > then);
        let heard = subscriber.lines.all().len();
        let later = sent(&fleet).map(|sent| sent + 10);
        fleet.wait_until("devices send more messages", DEFAULT_TIMEOUT, |fleet| sent(fleet) > later);
        assert_eq!(subscriber.lines.all().len(), heard, "the paused broker delivers nothing");

        assert_eq!(fleet.send("DELETE", "/faults", "").0, 200);
        fleet.stderr.wait(round, DEFAULT_TIMEOUT, |line| line.contains("resumes: fault `broker_pause`"));
        // The queued messages and new ones arrive.
        subscriber.lines.wait(heard + 40, DEFAULT_TIMEOUT, |line| line.contains("heartbeat-"));
        assert_eq!(fleet.get("/faults")["document"]["fault"].as_array().map(Vec::len), Some(0));
    }
    let account = &fleet.get("/metrics")["broker"];
    assert_eq!(account["account_closes"], true, "{account}");
}

#[test]
fn two_thousand_devices_run_where_a_process_may_open_256_files() {
    let port = free_port();
    let fleet = Fleet::run_within(
        256,
        &[
            "--broker",
            &format!("embedded:{port}"),
            "--devices",
            &DEVICES.to_string(),
            "--faults",
            "none",
            "--device-config",
            "interval=2s",
            "--device-config",
            "peers=0",
        ],
    );
    let subscriber = subscribe(port, "wasmote/+/heartbeat", || {});
    let fleet = fleet.ready();
    let heard =
        || subscriber.lines.all().iter().map(|line| topic(line).to_owned()).collect::<BTreeSet<_>>().len();
    fleet.wait_until("a client from outside hears every device", 2 * DEFAULT_TIMEOUT, |_| heard() == DEVICES);
    let broker = &fleet.get("/metrics")["broker"];
    assert_eq!(broker["connected"], DEVICES + 1, "{broker}");
    assert_eq!(broker["account_closes"], true, "{broker}");
    let (_, text) = fleet.curl(&["-H", "accept: text/plain"], "/metrics");
    assert!(text.contains("wasmote_broker_messages_dropped_total{reason=\"slow_consumer\"}"), "{text}");
    let printed = fleet.stop();
    assert!(printed[0].starts_with("2000 devices"), "{printed:?}");
}
