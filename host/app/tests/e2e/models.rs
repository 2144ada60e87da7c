//! Fault model components in a live fleet, counted by an independent client.

use serde_json::Value;

use crate::fleet::Fleet;
use crate::guests::models::with_judge;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;

/// `rain-fade` with a loss of one half: no retries, attenuation at the margin, and one frame for each message.
const HALF: &str = r#"
[[fault]]
kind = "component"
id = "rain"
file = "rain-fade"
config = { median_db = 10, spread = 0, margin_db = 10, retries = 0, frame_bytes = 65536 }
"#;

#[test]
fn the_broker_receives_what_the_example_model_passes() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/+/heartbeat");
    let folder = tempfile::tempdir().expect("a folder");
    let faults = folder.path().join("faults.toml");
    std::fs::write(&faults, HALF).expect("a file");
    let faults = faults.to_str().expect("UTF-8");
    let (devices, config) = ("--devices", "--device-config");
    let fleet = Fleet::run(&[
        "--broker",
        &broker.url(),
        "--faults",
        faults,
        "--seed",
        "3",
        devices,
        "5",
        config,
        "interval=50ms",
    ]);
    subscriber.wait(200, "/heartbeat", DEFAULT_TIMEOUT);
    let metrics = fleet.get("/metrics");
    let rain = &metrics["faults"]["rain"];
    let (lost, sent) = (number(&rain["dropped_out"]), number(&metrics["sent"]));
    // Tolerance of 5 standard deviations.
    let all = lost + sent;
    assert!((lost - all / 2.0).abs() < 5.0 * (all / 4.0).sqrt(), "{lost} lost of {all}");
    assert_eq!((number(&rain["traps"]), &metrics["ledger_closes"]), (0.0, &Value::Bool(true)));
}

#[test]
fn a_hostile_model_is_disabled_and_loses_no_message() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/+/heartbeat");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("loop.wasm"), with_judge(crate::guests::models::LOOP)).expect("a file");
    let faults = folder.path().join("faults.toml");
    std::fs::write(&faults, "[[fault]]\nkind = \"component\"\nid = \"mad\"\nfile = \"loop.wasm\"\n")
        .expect("a file");
    let faults = faults.to_str().expect("UTF-8");
    let (devices, config) = ("--devices", "--device-config");
    let fleet =
        Fleet::run(&["--broker", &broker.url(), "--faults", faults, devices, "2", config, "interval=100ms"]);
    fleet.stderr.wait(2, DEFAULT_TIMEOUT, |line| line.contains("it is put aside"));
    subscriber.wait(20, "/heartbeat", DEFAULT_TIMEOUT);
    let mad = &fleet.get("/metrics")["faults"]["mad"];
    assert_eq!((number(&mad["traps"]), number(&mad["dropped_out"])), (6.0, 0.0));
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number, not {value}"))
}
