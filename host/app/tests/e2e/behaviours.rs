//! The built-in behaviours in fleets on Mosquitto, with realistic faults.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;

const A_MINUTE: Duration = Duration::from_secs(60);

#[test]
fn sensors_report_and_obey_commands() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/#");
    let config = ["--device-config", "sample_interval=100ms", "--device-config", "report_interval=500ms"];
    let args = ["sensor", "--broker", &broker.url(), "--faults", "none"];
    let _fleet = Fleet::run(&[&args[..], &config[..]].concat()).ready();
    let reports = subscriber.wait(18, "/telemetry", DEFAULT_TIMEOUT);
    let report: Value = serde_json::from_str(&reports[0].1).expect("JSON");
    assert_eq!(report["type"], "telemetry");
    assert!(report["values"].as_object().is_some_and(|values| !values.is_empty()), "{report}");
    broker.publish("wasmote/sensor-3/cmd", &json!({"id": 7, "cmd": "reset"}).to_string());
    let answers = subscriber.wait(1, "wasmote/sensor-3/ack", DEFAULT_TIMEOUT);
    let answer: Value = serde_json::from_str(&answers[0].1).expect("JSON");
    assert_eq!(answer["id"], 7, "{answer}");
    broker.publish("wasmote/sensor-3/cmd", &json!({"id": 8, "cmd": "dance"}).to_string());
    let answers = subscriber.wait(2, "wasmote/sensor-3/ack", DEFAULT_TIMEOUT);
    assert!(answers[1].1.contains("dance"), "the error names the invalid command: {}", answers[1].1);
}

#[test]
fn a_grid_routes_to_its_sink_despite_realistic_faults() {
    let broker = Mosquitto::start();
    let fleet = Fleet::run(&[
        "routing",
        "--broker",
        &broker.url(),
        "--device-config",
        "topology=grid",
        "--device-config",
        "data_interval=2s",
        "--log-messages",
        "off",
    ])
    .ready();
    fleet.wait_until("the sink has received data", A_MINUTE, |fleet| {
        let measured = &fleet.get("/metrics?device=routing-0")["behaviours"]["routing"];
        measured["data_delivered_total"]["sum"].as_f64() > Some(20.0)
    });
    fleet.wait_until("the corner has a route to the sink", A_MINUTE, |fleet| {
        fleet.get("/devices/routing-8/app/routes").to_string().contains("routing-0")
    });
}

const MIXED: &str = r#"
faults = "realistic"
[[group]]
behaviour = "heartbeat"
count = 3
config = { interval = "1s" }
[[group]]
behaviour = "sensor"
count = 4
config = { report_interval = "500ms", sample_interval = "100ms" }
[[group]]
behaviour = "routing"
count = 4
[[group]]
behaviour = "aggregator"
count = 1
config = { window = "2s" }
"#;

#[test]
fn a_mixed_fleet_aggregates_the_values_of_its_sensors() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/+/aggregate");
    let folder = tempfile::tempdir().expect("a folder");
    let plan = folder.path().join("mixed.toml");
    std::fs::write(&plan, MIXED).expect("a file");
    let fleet = Fleet::run(&["--broker", &broker.url(), "--config", plan.to_str().expect("a path")]);
    let windows = subscriber.wait(2, "/aggregate", A_MINUTE);
    assert!(windows.iter().any(|(_, payload)| payload.contains("mean")), "{windows:?}");
    assert_eq!(fleet.get("/status")["devices"]["total"].as_u64().unwrap_or(12), 12);
    fleet.stop();
}

#[test]
fn a_thousand_devices_run_in_one_process_on_the_embedded_broker() {
    let fleet = Fleet::run(&[
        "--devices",
        "1000",
        "--device-config",
        "peers=2",
        "--device-config",
        "interval=2s",
        "--faults",
        "none",
    ]);
    fleet.wait_until("all are connected", A_MINUTE, |fleet| fleet.status_of("/readyz") == 200);
    fleet.wait_until(
        "devices have sent messages and received those of their neighbours",
        A_MINUTE,
        |fleet| {
            let metrics = fleet.get("/metrics");
            metrics["sent"].as_u64() > Some(5_000) && metrics["received"].as_u64() > Some(16_000)
        },
    );
    fleet.stop();
}
