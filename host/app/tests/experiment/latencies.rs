//! Latency from the actual and from the intended time of publication, in the results.

use crate::workspace::{Workspace, json, text};

/// Sensors hang for 5 s: their timers are due, and their messages are published later.
const PLAN: &str = r#"
name = "hanging"
duration = "60s"

[faults]
fault = [{ kind = "hang", group = "sensor", every = "20s", probability = 1, for = "5s" }]

[[group]]
behaviour = "sensor"
count = 3
config = { report_interval = "1s", qos = 1 }

[[group]]
behaviour = "aggregator"
"#;

#[test]
fn the_latency_from_the_intended_time_includes_what_the_other_one_hides() {
    let workspace = Workspace::with_plan(PLAN);
    let summary = json(&workspace.run(&["plan.toml"], 0).join("summary.json"));
    let max = |field: &str| summary[field]["max"].as_f64().unwrap();
    assert!(max("intended_latency_seconds") > max("latency_seconds") + 1.0, "{summary}");
    assert_eq!(summary["intended_latency_seconds"]["count"], summary["latency_seconds"]["count"]);
    // Thresholds can use either.
    let thresholds = r#"thresholds=["group sensor: intended_latency_seconds max < 0.5"]"#;
    let output = workspace.call(&["run", "plan.toml", "--set", thresholds]);
    assert_eq!(output.status.code(), Some(99), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("from the intended times: latency p50"),
        "{}",
        text(&output.stdout)
    );
    // The report and the tables show both.
    let page = std::fs::read_to_string(workspace.run(&["plan.toml"], 0).join("report.html")).unwrap();
    for shown in ["intended latency p95", "p99 intended", "Intended latency counts from"] {
        assert!(page.contains(shown), "{shown}");
    }
    // Without a delay there is only one latency.
    let folder = workspace.run(&["plan.toml", "--set", "faults=none"], 0);
    assert!(json(&folder.join("summary.json"))["intended_latency_seconds"].is_null());
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(!page.to_lowercase().contains("intended"), "nothing was late");
    let rows = std::fs::read_to_string(folder.join("latency.csv")).unwrap();
    let mut rows = rows.lines().map(|row| row.split(',').collect::<Vec<_>>());
    assert_eq!(rows.next().unwrap(), ["group", "upper_bound_s", "count", "intended_count"]);
    assert!(rows.all(|row| row[2] == row[3]), "no message was late");
}
