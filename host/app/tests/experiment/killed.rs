//! The process is killed in the middle of a run.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::workspace::{Workspace, json, text};

fn only_folder(out: &PathBuf) -> Option<PathBuf> {
    fs::read_dir(out).ok()?.next()?.ok().map(|entry| entry.path())
}

#[test]
fn what_is_on_disk_reads_and_says_that_it_is_incomplete() {
    let workspace = Workspace::new();
    let words = ["run", "ten-nodes", "--set", "duration=1000h", "--set", "interval=10m", "--out", "out"];
    let mut child = workspace.command(&words).spawn().unwrap();
    let out = workspace.0.path().join("out");
    let began = Instant::now();
    let folder = loop {
        assert!(began.elapsed() < Duration::from_secs(60), "it writes nothing");
        let under_way = |folder: &PathBuf| {
            let events = fs::metadata(folder.join("events.ndjson")).map_or(0, |events| events.len());
            let rows = fs::read_to_string(folder.join("timeseries.csv")).unwrap_or_default();
            folder.join("manifest.json").is_file() && events > 200_000 && rows.lines().count() > 5
        };
        match only_folder(&out).filter(under_way) {
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
    assert!(events.ends_with('\n'), "no line is there by half");
    assert!(events.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    let versions = fs::read_to_string(folder.join("versions.csv")).unwrap();
    assert_eq!(versions.lines().count(), 11, "{versions}");
    let output = workspace.call(&["report", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("This experiment is incomplete.") && page.contains("delivery-over-time"));
    assert!(!folder.join("summary.json").exists(), "a summary is there only when it is whole");
    let output = workspace.call(&["verify", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("incomplete"), "{}", text(&output.stderr));
}
