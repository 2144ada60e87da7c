//! Built-in plans, and the commands for plans.

use std::path::Path;

use serde_json::Value;

use crate::workspace::{Workspace, json, shipped, text};

/// Arguments that run a plan for one minute, without the later actions of its timeline.
fn shortened(name: &str) -> Vec<String> {
    let mut words = vec![name.to_owned()];
    for set in ["duration=60s", "timeline=[]", "thresholds=[]", "warm_up=10s"] {
        words.extend(["--set".to_owned(), set.to_owned()]);
    }
    words.extend(["--seeds".to_owned(), "1".to_owned()]);
    words
}

#[test]
fn the_ledger_of_every_built_in_plan_closes() {
    let mut count = 0;
    for entry in std::fs::read_dir(shipped()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        count += 1;
        let words = shortened(path.to_str().unwrap());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let folder = Workspace::new();
        // The program fails if a ledger does not close.
        let results = folder.run(&words, 0);
        for run in json(&results.join("manifest.json"))["runs"].as_array().unwrap() {
            let run = results.join(run["path"].as_str().unwrap());
            let (summary, ledger) = (json(&run.join("summary.json")), json(&run.join("ledger.json")));
            assert_eq!(
                (&summary["ledger_closes"], &ledger["closes"]),
                (&Value::Bool(true), &Value::Bool(true))
            );
            assert!(summary["expected"].as_u64() > Some(0), "{}: {summary:#}", path.display());
            assert!(summary["delivered"].as_u64() <= summary["expected"].as_u64());
        }
    }
    assert!(count >= 6, "plans are missing");
}

#[test]
fn built_in_plans_need_no_file() {
    let workspace = Workspace::new();
    let output = workspace.call(&["list", "--json"]);
    let cards: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> = cards.iter().map(|card| card["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"ten-nodes") && names.contains(&"reconnect-storm"), "{names:?}");
    let words = shortened("ten-nodes");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let folder = workspace.run(&words, 0);
    assert!(folder.file_name().unwrap().to_str().unwrap().starts_with("experiment_10nodes_"));
    let command = json(&folder.join("manifest.json"))["command"].clone();
    assert!(
        command
            .as_str()
            .unwrap()
            .starts_with("wasmote experiment run ten-nodes --seeds 1 --set duration=60s")
    );
}

#[test]
fn a_plan_may_be_json_and_name_its_own_component() {
    let workspace = Workspace::new();
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../behaviours/built/heartbeat.wasm");
    std::fs::copy(built, workspace.0.path().join("mine.wasm")).unwrap();
    let plan = r#"{"name": "mine", "duration": "20s", "group": [{"behaviour": "mine.wasm", "count": 2}]}"#;
    std::fs::write(workspace.0.path().join("plan.json"), plan).unwrap();
    let folder = workspace.run(&["plan.json"], 0);
    assert_eq!(json(&folder.join("summary.json"))["groups"]["mine"]["devices"], 2);
    // Verification does not need the original component.
    std::fs::remove_file(workspace.0.path().join("mine.wasm")).unwrap();
    assert!(workspace.call(&["verify", folder.to_str().unwrap()]).status.success());
}

#[test]
fn the_schema_is_json() {
    let output = Workspace::new().call(&["schema"]);
    let schema: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(schema["required"], serde_json::json!(["name", "duration"]));
    // Groups may be given under either name.
    assert_eq!(schema["oneOf"], serde_json::json!([{"required": ["group"]}, {"required": ["groups"]}]));
}
