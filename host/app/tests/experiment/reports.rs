//! Reports that runs write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::workspace::{SMALL, Workspace, json, text};

const PLOTS: [&str; 4] =
    ["delivery-over-time", "latency-over-time", "latency-distribution", "devices-over-time"];

/// Syntax by which a page, a style or a script can load a resource.
const LOADS: [&str; 9] =
    ["src=", "<link", "@import", "url(", "fetch(", "XMLHttpRequest", "WebSocket", "<iframe", "import("];

fn page(folder: &Path) -> String {
    fs::read_to_string(folder.join("report.html")).unwrap()
}

#[test]
fn a_run_writes_its_report_and_prints_its_path() {
    let workspace = Workspace::new();
    let output = workspace.call(&[
        "run",
        "ten-nodes",
        "--set",
        "duration=60s",
        "--set",
        "thresholds=[]",
        "--seeds",
        "2",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let report =
        printed.lines().find_map(|line| line.strip_prefix("report   ")).expect("the output names the report");
    let page = fs::read_to_string(workspace.0.path().join(report)).unwrap();
    let plots = workspace.0.path().join(report).with_file_name("plots");
    for plot in PLOTS {
        assert!(page.contains(&format!("<figure id=\"{plot}\"")), "{plot}");
        let file = fs::read_to_string(plots.join(format!("{plot}.svg"))).unwrap();
        assert!(file.starts_with("<svg ") || file.starts_with("<?xml"), "{file}");
    }
    for load in LOADS {
        assert!(!page.contains(load), "the page must not load resources, but has `{load}`");
    }
    for address in ["http://", "https://"] {
        let elsewhere = page.split(address).skip(1).filter(|rest| !rest.starts_with("www.w3.org/2000/svg"));
        assert_eq!(elsewhere.count(), 0, "{address}");
    }
}

#[test]
fn a_report_can_be_written_again_and_is_the_same() {
    let workspace = Workspace::with_plan(SMALL);
    let folder = workspace.run(&["plan.toml"], 0);
    let before = page(&folder);
    fs::remove_file(folder.join("report.html")).unwrap();
    assert!(workspace.call(&["report", folder.to_str().unwrap()]).status.success());
    assert_eq!(page(&folder), before);
}

#[test]
fn a_missed_threshold_is_marked_in_the_report() {
    let plan = "name = \"strict\"\nduration = \"60s\"\n\
                faults = { fault = [{ kind = \"loss\", probability = 0.5 }] }\n\
                thresholds = [{ check = \"delivery_ratio >= 0.9\", abort = true }]\n\
                [[group]]\nbehaviour = \"heartbeat\"\ncount = 5\nconfig = { interval = \"1s\" }\n";
    let workspace = Workspace::with_plan(plan);
    let page = page(&workspace.run(&["plan.toml"], 99));
    assert!(page.contains("A missed threshold ended this run after 10"), "{page}");
}

/// Waits until the run has written enough events, and returns the only folder in `out`.
fn wait_for_events(out: &Path) -> PathBuf {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(60), "no results are written");
        let folder = fs::read_dir(out).ok().and_then(|mut it| it.next()).map(|entry| entry.unwrap().path());
        let written = |folder: &PathBuf| fs::metadata(folder.join("events.ndjson")).map_or(0, |it| it.len());
        match folder.filter(|folder| written(folder) > 200_000) {
            Some(folder) => return folder,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[test]
fn an_interrupted_run_has_a_report_marked_incomplete() {
    let workspace = Workspace::new();
    let words = ["run", "ten-nodes", "--set", "duration=10000h", "--set", "interval=1h", "--out", "out"];
    let child = workspace.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let folder = wait_for_events(&workspace.0.path().join("out"));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{printed}{}", text(&output.stderr));
    assert!(printed.contains("interrupted: 0 of 1 runs have ended"), "{printed}");
    let summary = json(&folder.join("summary.json"));
    assert_eq!((&summary["interrupted"], &summary["aborted"]), (&true.into(), &false.into()));
    assert_eq!(summary["ledger_closes"], true, "every message up to the interrupt is accounted for");
    assert_eq!(json(&folder.join("manifest.json"))["complete"], false);
    let page = page(&folder);
    assert!(page.contains("This experiment is incomplete.") && page.contains("delivery-over-time"));
}
