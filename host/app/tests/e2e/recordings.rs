//! Recorded data from files, as Mosquitto's clients see it.

use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;

#[test]
fn recorded_rows_are_published_and_sensors_report_recorded_values() {
    let broker = Mosquitto::start();
    let replayed = broker.subscribe("plant/b");
    let reports = broker.subscribe("wasmote/+/telemetry");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("disk space");
    write(
        "rows.ndjson",
        "{\"t\": 0, \"to\": \"plant/a\", \"body\": \"AP8i\"}\n{\"t\": 0.1, \"to\": \"plant/b\", \"body\": \"aGk=\"}\n",
    );
    let meter: String =
        (0..200_000).map(|row| format!("{};{}\n", row / 10, 9_007_199_254_740_993_u64 + row)).collect();
    write("meter.csv", &format!("time;meter\n{meter}"));
    write(
        "fleet.toml",
        r#"
faults = "none"
[[group]]
behaviour = "replay"
config = { data = { "$data" = "rows.ndjson" }, topic_column = "to", payload_column = "body", payload_encoding = "base64", retain = true }
[[group]]
behaviour = "sensor"
count = 50
[group.config]
report_interval = "200ms"
sample_interval = "100ms"
channels = [{ name = "meter", kind = "csv", csv = { "$data" = "meter.csv" }, separator = ";", between = "step", speed = 100 }]
"#,
    );
    let file = folder.path().join("fleet.toml");
    let fleet = Fleet::run(&["--config", file.to_str().expect("a path"), "--broker", &broker.url()]).ready();
    assert_eq!(replayed.wait(1, "plant/b", DEFAULT_TIMEOUT)[0].1, "hi");
    let bytes = broker.subscribe_hex("plant/a");
    assert_eq!(bytes.wait(1, "plant/a", DEFAULT_TIMEOUT)[0].1, "00ff22");
    for (_, report) in reports.wait(50, "/telemetry", DEFAULT_TIMEOUT) {
        // As text, because a double would round it: 9007199254740993 is odd.
        let report: Value = serde_json::from_str(&report).expect("JSON");
        let meter = report["values"]["meter"].as_u64().unwrap_or_else(|| panic!("{report}"));
        assert!((9_007_199_254_740_993..9_007_199_254_940_993).contains(&meter), "{report}");
        assert_eq!(
            (meter - 9_007_199_254_740_993) % 10,
            9,
            "the last row of a second has the value: {report}"
        );
    }
    let view = fleet.get("/devices/replay-0/app/");
    assert_eq!((&view["sent"], &view["ended"]), (&json!(2), &json!(true)), "{view}");
}

#[test]
fn a_file_that_changes_during_a_run_is_told_in_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = folder.path().join("rows.csv");
    let text: String = (0..1_000).map(|row| format!("{row},{row}\n")).collect();
    std::fs::write(&rows, format!("time,n\n{text}")).expect("disk space");
    let data = format!("data={}", json!({"$data": rows}));
    let fleet = Fleet::run(&[
        "replay",
        "--devices",
        "1",
        "--faults",
        "none",
        "--device-config",
        &data,
        "--device-config",
        "speed=100",
    ])
    .ready();
    std::fs::write(&rows, "time,n\n0,0\n").expect("disk space");
    let line = fleet.stderr.wait_for("the replay ends: the file");
    assert!(line.contains("rows.csv") && line.contains("changed during the run: it had"), "{line}");
}
