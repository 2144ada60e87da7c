//! Hunts that are interrupted, and go on.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{hunt, planted, text};

#[test]
fn an_interrupted_hunt_goes_on_and_finds_what_a_whole_one_finds() {
    let workspace = planted("lock", false);
    let args = ["hunt", "plan.toml", "--runs", "1000000", "--jobs", "2", "--json"];
    let child = workspace.command(&args).stdout(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    let state = workspace.0.path().join("results/hunt_hunt-lock_seed1/hunt.json");
    while !state.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "the hunt writes no state");
        std::thread::sleep(Duration::from_millis(20));
    }
    let interrupt =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stdout));
    let first: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let done = first["runs"].as_u64().unwrap();
    assert!(first["interrupted"] == true && done < 1_000_000, "{first}");

    let goal = done + 5;
    let resumed = hunt(&workspace, &["--runs", &goal.to_string(), "--resume"], 0);
    assert_eq!((&resumed["runs"], &resumed["folder"]), (&goal.into(), &first["folder"]));
    // Nothing is left to do.
    let again = hunt(&workspace, &["--runs", &goal.to_string(), "--resume"], 0);
    assert_eq!(again["runs"], resumed["runs"]);
}

#[test]
fn a_resumed_hunt_keeps_its_findings_and_another_plan_starts_anew() {
    let workspace = planted("presence", true);
    let found = hunt(&workspace, &["--runs", "40"], 99);
    let resumed = hunt(&workspace, &["--runs", "40", "--resume"], 99);
    assert_eq!(resumed["findings"], found["findings"]);
    assert_eq!(resumed["folder"], found["folder"]);
    let plan = workspace.0.path().join("plan.toml");
    let changed = std::fs::read_to_string(&plan).unwrap().replace("duration = \"60s\"", "duration = \"50s\"");
    std::fs::write(&plan, changed).unwrap();
    let other = hunt(&workspace, &["--runs", "40", "--resume"], 99);
    assert_ne!(other["folder"], found["folder"]);
}
