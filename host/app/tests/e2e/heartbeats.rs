//! Heartbeat fleets on Mosquitto, counted by an independent subscriber.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::{Mosquitto, topic};

#[test]
fn an_independent_client_receives_the_heartbeats_of_all_nine() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/+/heartbeat");
    let _fleet =
        Fleet::run(&["--broker", &broker.url(), "--faults", "none", "--device-config", "interval=1s"]);
    let beats = subscriber.wait(27, "/heartbeat", DEFAULT_TIMEOUT);
    let mut devices = BTreeSet::new();
    for (topic, payload) in &beats {
        let beat: Value = serde_json::from_str(payload).expect("JSON");
        let device = beat["device"].as_str().expect("a name");
        assert_eq!(*topic, format!("wasmote/{device}/heartbeat"));
        assert_eq!(beat["type"], "heartbeat");
        assert!(beat["seq"].is_u64() && beat["ts"].is_number() && beat["uptime_s"].is_number(), "{beat}");
        devices.insert(device.to_owned());
    }
    let wanted: BTreeSet<String> = (0..9).map(|n| format!("heartbeat-{n}")).collect();
    assert_eq!(devices, wanted);
}

/// Runs a fleet with the preset `realistic` and compares its ledger with the messages that the broker delivered.
/// After the end of the fleet, no more messages are in flight.
fn counts_agree(version: &str) {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/#");
    let fleet = Fleet::run(&[
        "--broker",
        &broker.url(),
        "--mqtt",
        version,
        "--seed",
        "11",
        "--devices",
        "20",
        "--device-config",
        "interval=100ms",
        "--log-messages",
        "off",
        "--log",
        "text",
        "--duration",
        "20s",
    ]);
    let (status, printed) = fleet.end();
    assert!(status.success());
    let line = printed.last().expect("a line of totals");
    let number = |name: &str| {
        let at = line.find(name).unwrap_or_else(|| panic!("`{name}` is in: {line}")) + name.len();
        let digits: String = line[at..].chars().skip(1).take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().unwrap_or_else(|_| panic!("a number after `{name}` in: {line}"))
    };
    let (sent, lost) = (number("sent"), number("loss"));
    // The broker itself publishes the wills of devices that left without DISCONNECT.
    let left = |line: &str| line.contains("exceeded timeout") || line.contains("closed its connection");
    let ended = |line: &str| left(line) || line.contains("disconnected.");
    let of_ours = |line: &str| line.contains("heartbeat-");
    let came = broker.log.count(|line| line.contains("New client connected") && of_ours(line));
    broker.log.wait(came, DEFAULT_TIMEOUT, |line| ended(line) && of_ours(line));
    let wills = broker.log.count(|line| left(line) && line.contains("heartbeat-"));
    // At its end the run discards the retained messages of its devices by empty ones.
    let has_payload = |line: &str| line.trim_end().contains(' ');
    let seen = subscriber.lines.wait(sent + wills, DEFAULT_TIMEOUT, has_payload).len();
    assert_eq!(seen, sent + wills, "the broker delivered all sent messages");
    // 10 % of the messages outside of silences are lost; tolerance of 4 standard deviations.
    let offered = (sent + lost) as f64;
    let deviation = (lost as f64 - offered * 0.1).abs() / (offered * 0.09).sqrt();
    assert!(deviation < 4.0, "{lost} lost of {offered}");
    assert!(sent > 2_000, "{line}");
}

#[test]
fn sent_messages_arrive_with_realistic_faults_on_mqtt_5() {
    counts_agree("5");
}

#[test]
fn sent_messages_arrive_with_realistic_faults_on_mqtt_3_1_1() {
    counts_agree("3.1.1");
}

#[test]
fn peers_receive_messages_with_the_latency_of_the_delay() {
    let broker = Mosquitto::start();
    for version in ["5", "3.1.1"] {
        let fleet = Fleet::run(&[
            "--broker",
            &broker.url(),
            "--mqtt",
            version,
            "--devices",
            "3",
            "--device-config",
            "interval=200ms",
        ]);
        fleet.wait_until("a hundred messages were received", DEFAULT_TIMEOUT, |fleet| {
            fleet.get("/metrics")["received"].as_u64() > Some(100)
        });
        // Uniform from 10 to 500 ms: the mean is 255 ms, and that of a hundred samples is within 100 ms of it. On
        // a busy machine, this takes more samples.
        fleet.wait_until("the latency is that of the delay", DEFAULT_TIMEOUT, |fleet| {
            let metrics = fleet.get("/metrics");
            let mean = metrics["avg_latency"].as_f64().expect("a mean");
            let samples = metrics["latency_samples"].as_array().expect("samples").iter();
            let samples: Vec<f64> = samples.map(|sample| sample.as_f64().expect("seconds")).collect();
            assert!(mean > 0.15 && samples.len() == 10, "{mean} s, {samples:?} on MQTT {version}");
            assert!(samples.iter().all(|sample| *sample > 0.01), "{samples:?} on MQTT {version}");
            mean < 0.36 && samples.iter().all(|sample| *sample < 1.0)
        });
    }
}

#[test]
fn an_overloaded_fleet_is_warned_with_its_rate_and_advice() {
    let fleet = Fleet::run(&["--devices", "300", "--faults", "none", "--device-config", "interval=2s"]);
    let warnings = fleet.stderr.wait(1, DEFAULT_TIMEOUT, |line| line.contains("peers="));
    assert!(!warnings.is_empty());
    // 300 × 299 / 2 s, or 300 × 300 / 2 s with the device's own messages.
    let stderr = fleet.stderr.all().join("\n");
    assert!(
        stderr.contains("44850")
            || stderr.contains("45000")
            || stderr.contains("44,850")
            || stderr.contains("45,000"),
        "{stderr}"
    );
}

#[test]
fn devices_in_a_ring_receive_from_two_neighbours_on_each_side() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/+/heartbeat");
    let fleet = Fleet::run(&[
        "--broker",
        &broker.url(),
        "--faults",
        "none",
        "--devices",
        "7",
        "--device-config",
        "peers=2",
        "--device-config",
        "interval=200ms",
    ]);
    subscriber.wait(70, "/heartbeat", Duration::from_secs(60));
    let table = || fleet.get("/devices/heartbeat-0/app/peers").to_string();
    fleet.wait_until("the device has received from its neighbours", DEFAULT_TIMEOUT, |_| {
        let table = table();
        ["heartbeat-1", "heartbeat-2", "heartbeat-5", "heartbeat-6"].iter().all(|one| table.contains(one))
    });
    let table = table();
    for other in ["heartbeat-3", "heartbeat-4"] {
        assert!(!table.contains(other), "{table}");
    }
    assert!(subscriber.lines.all().iter().all(|line| topic(line).starts_with("wasmote/heartbeat-")));
}
