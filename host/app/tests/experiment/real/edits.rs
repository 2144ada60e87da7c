//! What users change over HTTP while a run lasts is kept, and can happen again.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bench::{Bench, json, text};
use crate::real::Running;

const PLAN: &str = r#"
name = "edited"
duration = "12s"
interval = "1s"

[[group]]
name = "west"
behaviour = "heartbeat"
count = 5
config = { interval = "200ms", peers = "all" }

[[timeline]]
at = "1s"
faults = "none"
"#;

/// How many messages a device published from then on.
fn sent_after(folder: &Path, device: &str, after: f64) -> usize {
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    let lines = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_it = lines.filter(|line| line["device"] == device && line["kind"] == "sent");
    of_it.filter(|line| line["t_s"].as_f64().unwrap() > after).count()
}

#[test]
fn what_curl_changes_is_in_all_files_and_happens_again_in_virtual_time() {
    let bench = Bench::with_plan(PLAN);
    let running = Running::begin(&bench, &[]);
    running.until(|status| status["states"]["connected"] == 5 && status["uptime_s"].as_f64() > Some(2.0));
    let changes = [
        (
            "PUT",
            "/faults",
            r#"{"fault": [{"kind": "loss", "probability": 0.9}]}"#,
            "the fleet: other faults, loss",
        ),
        ("PUT", "/devices/west-0/faults", r#""none""#, "west-0: other faults, none"),
        ("POST", "/devices/west-1/stop", "", "west-1 stopped"),
        ("POST", "/devices/west-2/crash", "", "west-2 crashed"),
        (
            "POST",
            "/devices/west-0/publish",
            r#"{"message": "by hand", "topic": "wasmote/west-0/heartbeat"}"#,
            "west-0 made to publish on wasmote/west-0/heartbeat",
        ),
        ("DELETE", "/faults", "", "the fleet: back to the faults before"),
    ];
    for (method, path, body, _) in changes {
        assert!(running.ask(method, path, body).is_some(), "{method} {path}");
    }
    let output = running.child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = bench.0.path().join(told["folder"].as_str().unwrap());

    let summary = json(&folder.join("summary.json"));
    let kept = summary["edits"].as_array().unwrap();
    let messages: Vec<&str> = kept.iter().map(|edit| edit["message"].as_str().unwrap()).collect();
    assert_eq!(messages, changes.map(|(_, _, _, message)| message));
    assert_eq!(json(&folder.join("manifest.json"))["runs"][0]["edits"], changes.len());
    assert_eq!(summary["ledger_closes"], true, "what a user published is accounted for");
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    assert_eq!(events.matches(r#""kind":"edited""#).count(), changes.len());
    let outages = fs::read_to_string(folder.join("outages.csv")).unwrap();
    assert!(
        outages.contains("west-1,west,http,stop,") && outages.contains("west-2,west,http,crash,"),
        "{outages}"
    );
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("west-1 stopped"), "the report tells of it");

    // The plan by which it happens again, in virtual time.
    let plan = folder.join("timeline-as-run.toml");
    let again = bench.run(&[plan.to_str().unwrap(), "--out", "again"], 0);
    let stopped = kept[2]["at_s"].as_f64().unwrap();
    for (device, silent) in [("west-1", true), ("west-4", false)] {
        let counts = [&folder, &again].map(|folder| sent_after(folder, device, stopped + 0.5));
        assert_eq!(counts.map(|count| count == 0), [silent; 2], "{device}: {counts:?}");
    }
    let by_hand =
        |folder: &Path| fs::read_to_string(folder.join("logs/west-0.log")).unwrap().contains("by hand");
    assert!(by_hand(&folder) && by_hand(&again));
    let why = text(&bench.call(&["verify", folder.to_str().unwrap()]).stderr);
    assert!(why.contains("timeline-as-run.toml"), "{why}");
}
