//! Latencies that cannot be right are counted apart, live, with messages of an independent client.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;

fn publish_with_stamp(port: u16, topic: &str, stamp: &str) {
    let sent = Command::new("mosquitto_pub")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-q",
            "1",
            "-V",
            "mqttv5",
            "-t",
            topic,
            "-m",
            "{}",
        ])
        .args(["-D", "publish", "user-property", "wasmote-stamp", stamp])
        .status()
        .expect("mosquitto_pub is installed");
    assert!(sent.success());
}

#[test]
fn a_peer_with_a_wrong_clock_is_named_once_and_left_out_of_the_mean() {
    let broker = Mosquitto::start();
    let quiet = ["--devices", "1", "--faults", "none", "--device-config", "interval=1h"];
    let fleet = Fleet::run(&[&["--broker", &broker.url()], &quiet[..]].concat()).ready();
    broker.log.wait_for("Sending SUBACK to heartbeat-0");
    let topic = "wasmote/peer-9/heartbeat";
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let payload = |ts: String| format!(r#"{{"device":"peer-9","type":"heartbeat","ts":{ts},"seq":1}}"#);
    // Five seconds ahead: as a stamp of a peer, and in a payload.
    for _ in 0..3 {
        publish_with_stamp(broker.port, topic, &format!("peer-9/1/{}", ((now() + 5.0) * 1e9) as u64));
        broker.publish(topic, &payload(format!("{}", now() + 5.0)));
    }
    // Seconds in the place of nanoseconds, and a text that is no time.
    publish_with_stamp(broker.port, topic, &format!("peer-9/1/{}", now() as u64));
    broker.publish(topic, &payload("\"noon\"".into()));
    // A second ago, as a number in quotes, and in ISO 8601.
    broker.publish(topic, &payload(format!("\"{}\"", now() - 1.0)));
    let ago = humantime::format_rfc3339_millis(SystemTime::now() - Duration::from_secs(1));
    broker.publish(topic, &payload(format!("\"{ago}\"")));
    fleet.wait_until("all messages are received", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/metrics")["received"].as_u64() >= Some(11)
    });
    let metrics = fleet.get("/metrics");
    assert_eq!(metrics["latency_implausible"], serde_json::json!({"negative": 6, "too_large": 2}));
    // The device receives its own first heartbeat, too.
    assert_eq!((&metrics["latency"]["count"], &metrics["latency_intended"]["count"]), (&3.into(), &3.into()));
    let samples: Vec<f64> =
        metrics["latency_samples"].as_array().expect("a list").iter().flat_map(|it| it.as_f64()).collect();
    assert_eq!(samples.iter().filter(|latency| **latency >= 1.0).count(), 2, "{metrics}");
    let (_, text) = fleet.curl(&["-H", "Accept: application/openmetrics-text"], "/metrics");
    assert!(text.contains("wasmote_message_latencies_implausible_total{reason=\"negative\"} 6"), "{text}");
    assert!(text.contains("wasmote_message_intended_latency_seconds_count 3"), "{text}");
    assert_eq!(fleet.stderr.count(|line| line.contains("the clock of its sender is ahead")), 1);
    let warning = fleet.stderr.wait_for("heartbeat-0 received a message of peer-9 that is ");
    assert!(warning.contains("s from the future"), "{warning}");
    let printed = fleet.stop();
    assert!(
        printed[0].contains(
            " without 8 of implausible age (6 from the future, 2 more than a year off or unreadable)"
        ),
        "{printed:?}"
    );
}

#[test]
fn only_the_intended_latency_shows_that_the_host_stood_still() {
    let broker = Mosquitto::start();
    let broker_url = broker.url();
    let mut args = vec!["--broker", &broker_url, "--devices", "3", "--faults", "none"];
    for value in ["interval=200ms", "jitter=0", "qos=1"] {
        args.extend(["--device-config", value]);
    }
    let fleet = Fleet::run(&args).ready();
    let count = |fleet: &Fleet| fleet.get("/metrics")["latency"]["count"].as_u64().unwrap_or(0);
    let received = |more: u64| {
        let before = count(&fleet);
        fleet
            .wait_until("more messages are received", DEFAULT_TIMEOUT, |fleet| count(fleet) >= before + more);
    };
    let sums = || {
        let metrics = fleet.get("/metrics");
        let sum = |field: &str| metrics[field]["sum"].as_f64().expect("a number");
        (sum("latency"), sum("latency_intended"))
    };
    received(9);
    let before = sums();
    fleet.signal("STOP");
    // The time for which the host stands still is what is measured.
    std::thread::sleep(Duration::from_secs(3));
    fleet.signal("CONT");
    received(18);
    let after = sums();
    let (actual, intended) = (after.0 - before.0, after.1 - before.1);
    // Three devices are late by almost three seconds, and each of their messages is received by all three.
    assert!(intended - actual > 9.0, "{actual} {intended}");
    let (_, text) = fleet.curl(&["-H", "Accept: application/openmetrics-text"], "/metrics");
    let sum =
        text.lines().find_map(|line| line.strip_prefix("wasmote_message_intended_latency_seconds_sum "));
    assert!(sum.and_then(|sum| sum.parse::<f64>().ok()).is_some_and(|sum| sum > 9.0), "{sum:?}");
    let printed = fleet.stop();
    assert!(printed[0].contains(" s from the intended times)"), "{printed:?}");
    assert!(!printed[0].contains("implausible"), "the devices have one clock: {printed:?}");
}
