//! Results of a run whose process is killed.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::workspace::{Workspace, json, text};

fn only_folder(out: &PathBuf) -> Option<PathBuf> {
    fs::read_dir(out).ok()?.next()?.ok().map(|entry| entry.path())
}

#[test]
fn results_of_a_killed_run_are_readable_and_marked_incomplete() {
    let workspace = Workspace::new();
    let args = ["run", "ten-nodes", "--set", "duration=1000h", "--set", "interval=10m", "--out", "out"];
    let mut child = workspace.command(&args).spawn().unwrap();
    let out = workspace.0.path().join("out");
    let began = Instant::now();
    let folder = loop {
        assert!(began.elapsed() < Duration::from_secs(60), "no results are written");
        let is_running = |folder: &PathBuf| {
            let events = fs::metadata(folder.join("events.ndjson")).map_or(0, |events| events.len());
            let rows = fs::read_to_string(folder.join("timeseries.csv")).unwrap_or_default();
            folder.join("manifest.json").is_file() && events > 200_000 && rows.lines().count() > 5
        };
        match only_folder(&out).filter(is_running) {
            Some(folder) => break folder,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    child.kill().unwrap();
    child.wait().unwrap();

    let manifest = json(&folder.join("manifest.json"));
    assert_eq!(manifest["complete"], false);
    assert!(manifest["runs"][0]["digest"].is_null());
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    assert!(events.ends_with('\n'), "there is no partial line");
    assert!(events.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    let versions = fs::read_to_string(folder.join("versions.csv")).unwrap();
    assert_eq!(versions.lines().count(), 11, "{versions}");
    let output = workspace.call(&["report", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("This experiment is incomplete.") && page.contains("delivery-over-time"));
    assert!(!folder.join("summary.json").exists(), "a summary is written only at the end");
    let output = workspace.call(&["verify", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("incomplete"), "{}", text(&output.stderr));
}
