//! With equal plan and seeds, virtual and real runs agree within the intervals that `compare` prints.

use std::path::Path;

use serde_json::Value;

use crate::bench::{Bench, json, text};
use crate::mosquitto::{Mosquitto, free_port};

/// Twelve devices that hear each other, in a world where messages are late, lost and doubled.
const PLAN: &str = r#"
name = "both"
duration = "8s"
warm_up = "2s"
interval = "1s"
seeds = 3

[[group]]
behaviour = "heartbeat"
count = 12
config = { interval = "250ms", peers = "all" }

[[faults.fault]]
kind = "delay"
min = "20ms"
max = "200ms"

[[faults.fault]]
kind = "loss"
probability = 0.1

[[faults.fault]]
kind = "duplicate"
probability = 0.1
"#;

/// By how much this machine itself was late in a run, in seconds: how much later than they were due it woke its
/// devices, but for one in a hundred times. A message meets that once where it waits out its delay, and the way
/// through broker and threads once more.
fn lateness(folder: &Path) -> f64 {
    let runs = json(&folder.join("manifest.json"))["runs"].as_array().unwrap().clone();
    let late = runs.iter().map(|run| {
        let summary = json(&folder.join(run["path"].as_str().unwrap()).join("summary.json"));
        summary["late_seconds"]["p99"].as_f64().expect("a real run says how late its host was")
    });
    late.fold(0.0, f64::max)
}

fn agrees(bench: &Bench, broker: &str) {
    let http = format!("127.0.0.1:{}", free_port());
    let real = bench.run(&["plan.toml", "--time", "real", "--broker", broker, "--http", &http], 0);
    let computed = bench.run(&["plan.toml"], 0);
    let folders = [computed.to_str().unwrap(), real.to_str().unwrap()];
    let output = bench.call(&["compare", folders[0], folders[1], "--json"]);
    let compared: Value = serde_json::from_slice(&output.stdout).unwrap();
    let late = 2.0 * lateness(&real);
    for (metric, scheduling) in [
        // What is late at the end has not arrived by then: at most that part of the six seconds.
        ("delivery_ratio", late / 6.0),
        ("latency_seconds.mean", late),
        ("latency_seconds.p50", late),
        ("latency_seconds.p95", late),
    ] {
        let rows = compared["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["metric"] == metric).unwrap_or_else(|| panic!("{compared:#}"));
        let difference = &row["differences"][0];
        let (value, half) = (difference["value"].as_f64(), difference["half_width"].as_f64());
        let (value, half) = (value.unwrap(), half.expect("three seeds have an interval"));
        assert!(value.abs() <= half + scheduling, "{metric}: {value} ± {half}, {scheduling} for scheduling");
    }
    let told = text(&bench.call(&["compare", folders[0], folders[1]]).stdout);
    assert!(told.contains("virtual time") && told.contains("real time"), "{told}");

    equal_draws(&computed, &real);
}

/// The same seed draws the same faults for each device, so that equal messages meet equal ends.
fn equal_draws(computed: &Path, real: &Path) {
    for run in ["001-seed=1", "002-seed=2", "003-seed=3"] {
        let ledgers = [computed, real].map(|folder| json(&folder.join("runs").join(run).join("ledger.json")));
        assert!(ledgers.iter().all(|ledger| ledger["closes"] == true));
        let devices = ledgers.each_ref().map(|ledger| ledger["devices"].as_array().unwrap());
        for (left, right) in devices[0].iter().zip(devices[1]) {
            let count = |device: &Value, pointer: &str| device.pointer(pointer).unwrap().as_i64().unwrap();
            // The last one may or may not be before the end, and in real time devices take their leave.
            for (pointer, most) in [("/generated", 3), ("/faults/loss/dropped_out", 2)] {
                let (left, right) = (count(left, pointer), count(right, pointer));
                assert!(left.abs_diff(right) <= most, "{run} {pointer}: {left} and {right}");
            }
        }
    }
}

#[test]
fn with_the_embedded_broker() {
    agrees(&Bench::with_plan(PLAN), &format!("embedded:{}", free_port()));
}

#[test]
fn with_mosquitto() {
    agrees(&Bench::with_plan(PLAN), &Mosquitto::start().url());
}
