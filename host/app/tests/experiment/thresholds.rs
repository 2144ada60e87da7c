//! Thresholds, and how the program ends.

use std::fs;

use crate::bench::{Bench, json, text};

const PLAN: &str = r#"
name = "strict"
duration = "60s"
interval = "5s"
faults = { fault = [{ kind = "loss", probability = 0.5 }] }
thresholds = [
    "delivery_ratio >= 0.1",
    "group heartbeat: delivery_ratio > 0.99",
    "phase late: generated > 0",
]

[[group]]
behaviour = "heartbeat"
count = 5
config = { interval = "1s" }

[[timeline]]
at = "30s"
phase = "late"
"#;

#[test]
fn a_missed_threshold_is_told_and_ends_with_99() {
    let bench = Bench::with_plan(PLAN);
    let output = bench.call(&["run", "plan.toml", "--junit", "out/junit.xml"]);
    assert_eq!(output.status.code(), Some(99), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.contains("✓ delivery_ratio >= 0.1  (0."), "{told}");
    assert!(told.contains("✗ group heartbeat: delivery_ratio > 0.99  (0."), "{told}");
    assert!(told.contains("✓ phase late: generated > 0"), "{told}");
    let junit = fs::read_to_string(bench.0.path().join("out/junit.xml")).unwrap();
    assert!(junit.contains("tests=\"4\" failures=\"1\""), "{junit}");
}

#[test]
fn a_breach_can_end_the_run() {
    let plan =
        PLAN.replace("\"delivery_ratio >= 0.1\",", "{ check = \"delivery_ratio >= 0.9\", abort = true },");
    let bench = Bench::with_plan(&plan.replace("\"phase late: generated > 0\",", ""));
    let folder = bench.run(&["plan.toml"], 99);
    let summary = json(&folder.join("summary.json"));
    assert_eq!(summary["aborted"], true);
    // The first interval is settled when the second is over.
    assert_eq!(summary["duration_s"], 10.0);
    assert_eq!(json(&folder.join("manifest.json"))["complete"], true);
}
