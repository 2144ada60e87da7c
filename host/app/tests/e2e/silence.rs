//! A silence of 30 s: the broker ends the session and publishes the will.

use std::time::Duration;

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;

const FAULTS: &str = r#"
[[fault]]
kind = "silence"
every = "20s"
probability = 1.0
for = "30s"
device = "heartbeat-0"
"#;

#[test]
fn the_broker_ends_a_silent_session_and_the_device_reconnects() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().expect("a folder");
    let faults = folder.path().join("silence.toml");
    std::fs::write(&faults, FAULTS).expect("a file");
    let subscriber = broker.subscribe("wasmote/#");
    let fleet = Fleet::run(&[
        "--broker",
        &broker.url(),
        "--devices",
        "2",
        // With this seed the silence starts after 4.5 s, when both devices have received messages.
        "--seed",
        "1",
        "--keepalive",
        "5s",
        "--device-config",
        "interval=500ms",
        "--faults",
        faults.to_str().expect("a path"),
    ]);
    // Mosquitto ends the session after 1.5 times the keepalive without any packet.
    broker
        .log
        .wait(1, DEFAULT_TIMEOUT, |line| line.contains("heartbeat-0") && line.contains("exceeded timeout"));
    subscriber.lines.wait(1, DEFAULT_TIMEOUT, |line| line == "wasmote/heartbeat-0/state offline");
    let beats =
        |n: u32| subscriber.lines.count(|line| line.starts_with(&format!("wasmote/heartbeat-{n}/heartbeat")));
    let silent = beats(0);
    let status = fleet.get("/devices/heartbeat-0");
    assert!(status.to_string().contains("silent"), "{status}");
    // The other device keeps running, and its table reports the silent device as lost.
    let heard = beats(1);
    subscriber
        .lines
        .wait(heard + 10, DEFAULT_TIMEOUT, |line| line.starts_with("wasmote/heartbeat-1/heartbeat"));
    subscriber.lines.wait(1, DEFAULT_TIMEOUT, |line| {
        line.starts_with("wasmote/heartbeat-1/peers") && line.contains("lost")
    });
    assert_eq!(beats(0), silent, "a silent device sends nothing");
    // The device reconnects after the silence.
    subscriber.lines.wait(2, Duration::from_secs(60), |line| line == "wasmote/heartbeat-0/state online");
    subscriber
        .lines
        .wait(silent + 1, DEFAULT_TIMEOUT, |line| line.starts_with("wasmote/heartbeat-0/heartbeat"));
}
