//! `verify` finds changed files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::{Workspace, text};

const PLAN: &str = r#"
name = "checked"
duration = "2m"
faults = "realistic"

[[group]]
behaviour = "heartbeat"
count = 5
config = { interval = "1s" }
"#;

fn finished_run() -> (Workspace, PathBuf) {
    let workspace = Workspace::with_plan(PLAN);
    let folder = workspace.run(&["plan.toml"], 0);
    (workspace, folder)
}

fn verify(workspace: &Workspace, folder: &Path) -> (Option<i32>, String) {
    let output = workspace.call(&["verify", folder.to_str().unwrap()]);
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn change(file: &Path, from: &str, to: &str) {
    let before = fs::read_to_string(file).unwrap();
    let after = before.replacen(from, to, 1);
    assert_ne!(before, after, "{}", file.display());
    fs::write(file, after).unwrap();
}

#[test]
fn unchanged_results_are_the_same() {
    let (workspace, folder) = finished_run();
    let (code, printed) = verify(&workspace, &folder);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("1 of 1 runs are the same, to the byte"), "{printed}");
}

#[test]
fn a_changed_event_or_digest_or_component_is_found() {
    let (workspace, folder) = finished_run();
    change(&folder.join("events.ndjson"), "\"latency_s\":0.", "\"latency_s\":1.");
    let (code, printed) = verify(&workspace, &folder);
    assert_eq!(code, Some(1));
    assert!(printed.contains("events.ndjson: line ") && printed.contains("\"latency_s\":1."), "{printed}");

    let (workspace, folder) = finished_run();
    change(&folder.join("manifest.json"), "\"digest\": \"", "\"digest\": \"0");
    let (code, printed) = verify(&workspace, &folder);
    assert_eq!(code, Some(1));
    assert!(printed.contains("digest: recorded 0"), "{printed}");

    let (workspace, folder) = finished_run();
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../behaviours/built/sensor.wasm");
    fs::copy(other, folder.join("components/heartbeat.wasm")).unwrap();
    let (code, printed) = verify(&workspace, &folder);
    assert_eq!(code, Some(1));
    assert!(printed.contains("another file than the one that was run"), "{printed}");
}

#[test]
fn the_first_divergent_event_is_named() {
    let (workspace, folder) = finished_run();
    // A changed history: one event differs, and so do all digests after it.
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    let line = events.lines().filter(|line| line.contains("\"kind\":\"received\"")).nth(400).unwrap();
    let step: serde_json::Value = serde_json::from_str(line).unwrap();
    let step = step["step"].as_u64().unwrap();
    let other = line.replace("\"kind\":\"received\"", "\"kind\":\"dropped\"");
    fs::write(folder.join("events.ndjson"), events.replace(line, &other)).unwrap();
    let chain = fs::read_to_string(folder.join("chain.ndjson")).unwrap();
    let diverged = |line: &str| {
        let checkpoint: serde_json::Value = serde_json::from_str(line).unwrap();
        match checkpoint["step"].as_u64().unwrap() >= step {
            true => line.replace("\"digest\":\"", "\"digest\":\"f"),
            false => line.to_owned(),
        }
    };
    let chain: String = chain.lines().map(|line| diverged(line) + "\n").collect();
    fs::write(folder.join("chain.ndjson"), chain).unwrap();

    let (code, printed) = verify(&workspace, &folder);
    assert_eq!(code, Some(1));
    let named = format!("the first divergent event: recorded {other}, found {line}");
    assert!(printed.contains(&named), "{printed}\nexpected: {named}");
}

#[test]
fn null_in_a_payload_is_kept() {
    let payload = r#"timeline=[{"at": "30s", "publish": {"topic": "wasmote/all/message", "payload": {"a": null, "b": 1}}}]"#;
    let workspace = Workspace::with_plan(PLAN);
    let folder = workspace.run(&["plan.toml", "--set", payload, "--set", "log_messages=on"], 0);
    let kept = fs::read_to_string(folder.join("plan.toml")).unwrap();
    assert!(kept.contains(r#"payload = '{"a":null,"b":1}'"#), "{kept}");
    let (code, printed) = verify(&workspace, &folder);
    assert_eq!(code, Some(0), "{printed}");
}

#[test]
fn a_changed_plan_or_seed_or_report_or_an_unexpected_file_is_found() {
    let (workspace, folder) = finished_run();
    let found = |expected: &str| {
        let (code, printed) = verify(&workspace, &folder);
        assert!(code == Some(1) && printed.contains(expected), "{printed}\nexpected: {expected}");
    };
    let plan = fs::read_to_string(folder.join("plan.toml")).unwrap();
    fs::write(folder.join("plan.toml"), format!("description = \"another\"\n{plan}")).unwrap();
    found("plan.toml: it is another plan than the one that was run: its SHA-256 is ");
    fs::write(folder.join("plan.toml"), plan).unwrap();

    change(&folder.join("manifest.json"), "\"seed\": 1", "\"seed\": 7");
    found("seed: the manifest has 7, and the plan makes 1");
    change(&folder.join("manifest.json"), "\"seed\": 7", "\"seed\": 1");

    fs::write(folder.join("logs/evil.log"), "boo").unwrap();
    found("logs/evil.log: it does not belong to these results");
    found("1 of 1 runs are the same, to the byte; 1 other difference, listed above");
    fs::remove_file(folder.join("logs/evil.log")).unwrap();

    change(&folder.join("report.html"), "Experiment report", "Experiment rapport");
    found("report.html: it is not what this version makes of these results");
    change(&folder.join("report.html"), "Experiment rapport", "Experiment report");
    change(&folder.join("plots/delivery-over-time.svg"), "<svg", "<svg ");
    found("plots/delivery-over-time.svg: it is not what this version makes");
    change(&folder.join("plots/delivery-over-time.svg"), "<svg ", "<svg");

    change(&folder.join("manifest.json"), "\"wasmote_version\": \"", "\"wasmote_version\": \"0.0.");
    let (code, printed) = verify(&workspace, &folder);
    assert!(code == Some(0) && printed.contains("these results are of Wasmote 0.0."), "{printed}");
}

#[test]
fn a_renamed_folder_with_several_runs_is_the_same() {
    let workspace = Workspace::with_plan(PLAN);
    let folder = workspace.run(&["plan.toml", "--seeds", "2"], 0);
    let moved = folder.with_file_name("moved");
    fs::rename(&folder, &moved).unwrap();
    let (code, printed) = verify(&workspace, &moved);
    assert!(code == Some(0) && printed.contains("2 of 2 runs are the same, to the byte"), "{printed}");

    // A shell expands `results/*` to several folders.
    let other = workspace.run(&["plan.toml"], 0);
    change(&other.join("events.ndjson"), "\"latency_s\":0.", "\"latency_s\":1.");
    let output = workspace.call(&["verify", moved.to_str().unwrap(), other.to_str().unwrap()]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("2 of 2 runs are the same") && printed.contains("0 of 1 runs are the same"),
        "{printed}"
    );
}
