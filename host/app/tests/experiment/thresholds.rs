//! Thresholds, and the exit codes of the program.

use std::fs;

use crate::workspace::{Workspace, json, text};

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
fn a_missed_threshold_is_reported_and_ends_with_99() {
    let workspace = Workspace::with_plan(PLAN);
    let output = workspace.call(&["run", "plan.toml", "--junit", "out/junit.xml"]);
    assert_eq!(output.status.code(), Some(99), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.contains("✓ delivery_ratio >= 0.1  (0."), "{printed}");
    assert!(printed.contains("✗ group heartbeat: delivery_ratio > 0.99  (0."), "{printed}");
    assert!(printed.contains("✓ phase late: generated > 0"), "{printed}");
    let junit = fs::read_to_string(workspace.0.path().join("out/junit.xml")).unwrap();
    assert!(junit.contains("tests=\"4\" skipped=\"0\" failures=\"1\""), "{junit}");
}

#[test]
fn a_missed_threshold_can_end_the_run() {
    let plan =
        PLAN.replace("\"delivery_ratio >= 0.1\",", "{ check = \"delivery_ratio >= 0.9\", abort = true },");
    let workspace = Workspace::with_plan(&plan.replace("\"phase late: generated > 0\",", ""));
    let folder = workspace.run(&["plan.toml"], 99);
    let summary = json(&folder.join("summary.json"));
    assert_eq!(summary["aborted"], true);
    // The first interval is complete when the second has ended.
    assert_eq!(summary["duration_s"], 10.0);
    assert_eq!(json(&folder.join("manifest.json"))["complete"], true);
}

/// Plan whose threshold is missed in the first complete interval, and holds at the end because of later messages.
const RECOVERING: &str = r#"
name = "made-up-for"
duration = "10m"
thresholds = [{ check = "delivery_ratio >= 0.7", abort = true }]
faults = { fault = [{ kind = "loss", probability = 0.19 }] }

[[group]]
behaviour = "heartbeat"
count = 8
"#;

#[test]
fn a_threshold_that_ended_the_run_is_missed_even_if_it_holds_at_the_end() {
    let workspace = Workspace::with_plan(RECOVERING);
    let output = workspace.call(&["run", "plan.toml", "--junit", "junit.xml"]);
    assert_eq!(output.status.code(), Some(99), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let ended = "it ended the run at 10 s: 0.6172, of the first 5 s";
    assert!(printed.contains(&format!("✗ delivery_ratio >= 0.7  (0.7031 in the end; {ended})")), "{printed}");
    let folder =
        workspace.0.path().join(printed.lines().find_map(|line| line.strip_prefix("results  ")).unwrap());
    let verdict = &json(&folder.join("summary.json"))["thresholds"][0];
    assert_eq!(verdict["ok"], false);
    assert_eq!(verdict["breached"]["at_s"], 10.0);
    assert_eq!(verdict["breached"]["value"], 0.6171875);
    let junit = fs::read_to_string(workspace.0.path().join("junit.xml")).unwrap();
    assert!(junit.contains("<failure message=\"found 0.703125; it ended the run at 10 s"), "{junit}");
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains(ended) && page.contains("missed; found 0.7031 in the end"), "{page}");
}

#[test]
fn swept_thresholds_are_reported_for_their_own_runs() {
    let plan = "name = \"swept\"\nduration = \"20s\"\n\n[[group]]\nbehaviour = \"heartbeat\"\ncount = 3\n\n\
                [sweep]\nthresholds = [[\"sent > 1\"], [\"sent > 1000\"]]\n";
    let output = Workspace::with_plan(plan).call(&["run", "plan.toml"]);
    assert_eq!(output.status.code(), Some(99), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.contains("✓ sent > 1  (") && printed.contains("✗ sent > 1000  ("), "{printed}");
}
