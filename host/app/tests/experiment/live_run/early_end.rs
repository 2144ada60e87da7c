//! Runs in real time that end early or do not start.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::live_run::Running;
use crate::mosquitto::free_port;
use crate::workspace::{Workspace, json, text};

const PLAN: &str = r#"
name = "long"
duration = "10m"
interval = "2s"
faults = { fault = [{ kind = "loss", probability = 0.9 }] }
thresholds = [{ check = "delivery_ratio >= 0.5", abort = true }]

[[group]]
behaviour = "heartbeat"
count = 3
config = { interval = "200ms", peers = "all" }
"#;

#[test]
fn a_missed_threshold_ends_the_run_and_the_program_with_99() {
    let workspace = Workspace::with_plan(PLAN);
    let (http, broker) = (format!("127.0.0.1:{}", free_port()), format!("embedded:{}", free_port()));
    let folder = workspace.run(&["plan.toml", "--time", "real", "--http", &http, "--broker", &broker], 99);
    let summary = json(&folder.join("summary.json"));
    assert_eq!((&summary["aborted"], &summary["duration_s"]), (&true.into(), &4.0.into()));
    assert_eq!(json(&folder.join("manifest.json"))["complete"], true);
}

#[test]
fn ctrl_c_ends_a_run_at_once_and_its_results_are_marked_incomplete() {
    let workspace = Workspace::with_plan(&PLAN.replace("interval = \"2s\"", "interval = \"5m\""));
    let running = Running::start(&workspace, &["--set", "thresholds=[]", "--seeds", "2"]);
    running.wait_until(|status| status["uptime_s"].as_f64() > Some(3.0));
    let pid = running.child.id().to_string();
    let asked = Instant::now();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = running.child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(asked.elapsed() < Duration::from_secs(30), "the end does not wait for the interval");

    let folder = fs::read_dir(workspace.0.path().join("out")).unwrap().next().unwrap().unwrap().path();
    let manifest = json(&folder.join("manifest.json"));
    assert_eq!(manifest["complete"], false);
    let run = folder.join(manifest["runs"][0]["path"].as_str().unwrap());
    let summary = json(&run.join("summary.json"));
    assert_eq!((&summary["interrupted"], &summary["ledger_closes"]), (&true.into(), &true.into()));
    assert!(summary["duration_s"].as_f64().unwrap() >= 3.0 && summary["generated"].as_u64().unwrap() > 0);
    assert_eq!(fs::read_to_string(run.join("timeseries.csv")).unwrap().lines().count(), 3, "up to there");
    let events = fs::read_to_string(run.join("events.ndjson")).unwrap();
    assert!(events.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    assert!(!folder.join(manifest["runs"][1]["path"].as_str().unwrap()).join("summary.json").exists());
    let verified = workspace.call(&["verify", folder.to_str().unwrap()]);
    assert!(text(&verified.stderr).contains("incomplete"));
}

#[test]
fn an_unreachable_broker_is_reported_before_any_run() {
    let workspace = Workspace::with_plan(PLAN);
    let broker = format!("mqtt://127.0.0.1:{}", free_port());
    let output =
        workspace.call(&["run", "plan.toml", "--time", "real", "--broker", &broker, "--http", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stderr);
    assert!(printed.contains(&format!("no broker answers at {broker}")), "{printed}");
    assert!(!workspace.0.path().join("results").exists());
}

#[test]
fn flags_of_the_other_time_mode_are_rejected() {
    let workspace = Workspace::with_plan(PLAN);
    for (words, flag) in [
        (["--broker", "embedded"].as_slice(), "--broker is for real time"),
        (&["--http", "5000"], "--http is for real time"),
        (&["--time", "real", "--workers", "2"], "--workers is for virtual time"),
    ] {
        let output = workspace.call(&[&["run", "plan.toml"], words].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(flag), "{}", text(&output.stderr));
    }
}
