//! Layouts of topics and payloads, as Mosquitto's clients see them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;
use crate::program::wasmote;

const FLEET: &str = r#"
faults = "none"
[[group]]
name = "pumps"
behaviour = "sensor"
count = 2
[group.config]
report_interval = "200ms"
sample_interval = "100ms"
channels = [{ name = "flow", value = 21.5, alarm = { high = 20 } }]
[group.config.layout]
topic = "plant/{group}/{device}/{name}"
topics = { telemetry = "/v1/{index:04}/up", cmd = "plant/{group}/{device}/down", alarm = "$aws/rules/alarm/{device}" }
[group.config.layout.payloads.telemetry]
encoding = "cbor"
fields = [{ from = "values.flow", as = "f", scale = 2 }, "device", { value = 18446744073709551615, as = "id" }]
[group.config.layout.payloads.alarm]
template = "{device} {state} {value} {ts}"
time = "iso8601"
[group.config.layout.payloads.state]
fields = [{ from = "payload", as = "up", map = { online = true, offline = false } }]

[[group]]
behaviour = "aggregator"
count = 1
[group.config]
window = "1s"
lateness = "0s"
[group.config.layout]
topics = { telemetry = "/v1/{index:04}/up", aggregate = "sums" }
payload = { encoding = "messagepack" }
[group.config.layout.payloads.telemetry]
encoding = "cbor"
fields = [{ from = "values.flow", as = "f", scale = 2 }, "device"]
"#;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_subscriber_sees_topics_encodings_and_integers_as_configured() {
    let broker = Mosquitto::start();
    let all = broker.subscribe_hex("#");
    let aws = broker.subscribe("$aws/#");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fleet.json");
    // In JSON, because TOML has no integers beyond 63 bits.
    let fleet = FLEET.replace("18446744073709551615", "\"64 bits\"");
    let mut fleet: Value = toml::from_str(&fleet).expect("TOML");
    fleet["group"][0]["config"]["layout"]["payloads"]["telemetry"]["fields"][2]["value"] = json!(u64::MAX);
    std::fs::write(&file, fleet.to_string()).expect("disk space");
    let fleet = Fleet::run(&["--config", file.to_str().expect("a path"), "--broker", &broker.url()]).ready();

    let telemetry = [
        &b"\xa3\x61f\xfb"[..],
        &43.0_f64.to_be_bytes(),
        b"\x66device\x67pumps-1\x62id\x1b",
        &u64::MAX.to_be_bytes(),
    ];
    let reports = all.wait(1, "/v1/0001/up", DEFAULT_TIMEOUT);
    assert_eq!(reports[0].1, hex(&telemetry.concat()));
    let alarm = &aws.wait(1, "$aws/rules/alarm/pumps-0", DEFAULT_TIMEOUT)[0].1;
    let (text, time) = alarm.rsplit_once(' ').expect("a time");
    assert_eq!(text, "pumps-0 high 21.5");
    assert!(time.starts_with("20") && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
    assert_eq!(all.wait(1, "plant/pumps/pumps-0/state", DEFAULT_TIMEOUT)[0].1, hex(br#"{"up":true}"#));
    // The aggregator reads CBOR and writes MessagePack: the mean of both channels is in it.
    let sums = all.wait(2, "sums", Duration::from_secs(20));
    let mean = [b"\xa4mean\xcb".as_slice(), &21.5_f64.to_be_bytes()].concat();
    assert!(sums[1].1.contains(&hex(&mean)), "{}", sums[1].1);

    broker.publish("plant/pumps/pumps-1/down", r#"{"id": 9007199254740993, "cmd": "reset"}"#);
    let ack = &all.wait(1, "plant/pumps/pumps-1/ack", DEFAULT_TIMEOUT)[0].1;
    assert!(ack.contains(&hex(br#""id":9007199254740993,"cmd":"reset","ok":true"#)), "{ack}");

    let body = json!({"topic": "any/bytes", "payload_base64": "AP8AIg==", "device": "pumps-0"});
    let (status, answer) = fleet.send("POST", "/publish", &body.to_string());
    assert_eq!((status, &answer["bytes"]), (200, &json!(4)), "{answer}");
    assert_eq!(all.wait(1, "any/bytes", DEFAULT_TIMEOUT)[0].1, "00ff0022");
    let body = json!({"topic": "any/number", "message": {"id": u64::MAX}});
    assert_eq!(fleet.send("POST", "/publish", &body.to_string()).0, 200);
    assert_eq!(all.wait(1, "any/number", DEFAULT_TIMEOUT)[0].1, hex(br#"{"id":18446744073709551615}"#));
    drop(fleet);
    assert_eq!(all.wait(2, "plant/pumps/pumps-0/state", DEFAULT_TIMEOUT)[1].1, hex(br#"{"up":false}"#));
}

#[test]
fn heartbeats_with_a_layout_find_their_peers_and_a_message_to_all() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("beats/#");
    let layout = json!({
        "topic": "beats/{device}/{name}",
        "payloads": {"heartbeat": {"encoding": "csv", "separator": ";", "time": "epoch_ns", "fields": ["ts", "seq", "device"]}},
    });
    let fleet = Fleet::run(&[
        "heartbeat",
        "--devices",
        "3",
        "--broker",
        &broker.url(),
        "--faults",
        "none",
        "--device-config",
        "interval=200ms",
        "--device-config",
        &format!("layout={layout}"),
    ])
    .ready();
    let beats = subscriber.wait(3, "/heartbeat", DEFAULT_TIMEOUT);
    let cells: Vec<&str> = beats[0].1.split(';').collect();
    assert_eq!((cells.len(), cells[0].len()), (3, 19), "{}", beats[0].1);
    fleet.wait_until("all peers are found", DEFAULT_TIMEOUT, |fleet| {
        (0..3).all(|index| fleet.get(&format!("/devices/heartbeat-{index}/app/"))["peers_alive"] == 2)
    });
    let (status, _) = fleet.send("POST", "/publish", r#"{"message": "Hello network!"}"#);
    assert_eq!(status, 200);
    subscriber.wait(1, "heartbeat-0/message", DEFAULT_TIMEOUT);
    fleet.stderr.wait_for("message from heartbeat-0: Hello network!");
}

#[test]
fn an_invalid_layout_is_refused_before_the_start_with_its_field() {
    for (setting, words) in [
        (
            "layout.topics.telemetry=plant/{devise}/up",
            "--device-config.layout.topics.telemetry: `plant/{devise}/up`: there is no placeholder `{devise}`; did you mean \
             `{device}`?",
        ),
        ("layout.topics.telemtry=x", "the behaviour has no topic `telemtry`; did you mean `telemetry`?"),
        ("layout.payload.encoding=xml", "--device-config.layout.payload.encoding: there is no `xml`"),
        ("layout.payloads.alarm.template={staet}", "the message has no field `staet`; did you mean `state`?"),
        ("layout=x", "--device-config.layout: expected an object, found \"x\""),
    ] {
        let output = wasmote(&["run", "sensor", "--device-config", setting]).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
}
