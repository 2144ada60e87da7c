//! Fault components: found next to their document, stored with the results, and deterministic across processes.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::workspace::{Workspace, json, reproducible_files, text};

const PLAN: &str = r#"
name = "rainy"
duration = "10m"
seeds = [1, 2]
faults = "weather/rain.toml"

[[group]]
behaviour = "sensor"
count = 4
config = { report_interval = "1s" }

[[timeline]]
at = "3m"
ramp = { field = "rain.config.margin_db", from = 10, to = 1, over = "3m", steps = 5 }

[[timeline]]
at = "8m"
group = "sensor"
faults = { fault = [{ kind = "component", id = "storm", file = "weather/mine.wasm", config = { median_db = 40 } }] }
"#;

/// Fault document whose file path is relative to its own folder, not to the plan's.
const RAIN: &str = r#"
[[fault]]
kind = "component"
id = "rain"
file = "mine.wasm"
direction = "both"
config = { median_db = 3, memory = "30s" }
"#;

fn workspace() -> Workspace {
    let workspace = Workspace::with_plan(PLAN);
    let weather = workspace.0.path().join("weather");
    fs::create_dir(&weather).unwrap();
    fs::write(weather.join("rain.toml"), RAIN).unwrap();
    fs::copy(built("rain-fade"), weather.join("mine.wasm")).unwrap();
    workspace
}

fn built(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../behaviours/built/{name}.wasm"))
}

#[test]
fn a_fault_component_gives_the_same_bytes_in_another_process_and_folder() {
    let (here, there) = (workspace(), workspace());
    let one = here.run(&["plan.toml", "--workers", "1"], 0);
    let two = there.run(&["plan.toml", "--workers", "4", "--out", "a/b"], 0);
    let (left, right) = (reproducible_files(&one), reproducible_files(&two));
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    for (file, bytes) in &left {
        assert!(*bytes == right[file], "{} differs", file.display());
    }
    let runs = json(&one.join("manifest.json"))["runs"].as_array().unwrap().clone();
    assert_ne!(runs[0]["digest"], runs[1]["digest"], "seeds give different draws");
    for run in runs {
        let folder = one.join(run["path"].as_str().unwrap());
        let (summary, ledger) = (json(&folder.join("summary.json")), json(&folder.join("ledger.json")));
        assert_eq!((&summary["ledger_closes"], &ledger["closes"]), (&json!(true), &json!(true)));
        for fault in ["rain", "storm"] {
            let counts = &ledger["total"]["faults"][fault];
            assert!(counts["dropped_out"].as_u64() > Some(0), "{fault}: {counts}");
            assert_eq!(counts["traps"], 0);
        }
        let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
        assert!(
            events.contains("fault `rain`: the link fades: rain takes"),
            "the model's log lines are recorded"
        );
    }
}

#[test]
fn results_contain_the_model_and_verify_without_the_original() {
    let workspace = workspace();
    let folder = workspace.run(&["plan.toml", "--seeds", "1"], 0);
    let manifest = json(&folder.join("manifest.json"));
    let entries = manifest["components"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["role"] == "fault model").expect("the model is listed");
    assert_eq!((&entry["name"], &entry["file"]), (&json!("mine"), &json!("components/faults/mine.wasm")));
    assert_eq!(entry["sha256"].as_str().map(str::len), Some(64));
    assert!(
        entries.iter().any(|entry| entry["role"] == "behaviour" && entry["name"] == "sensor"),
        "{entries:?}"
    );

    fs::remove_dir_all(workspace.0.path().join("weather")).unwrap();
    let verify = || workspace.call(&["verify", folder.to_str().unwrap()]);
    let output = verify();
    assert!(output.status.success(), "{}", text(&output.stdout) + &text(&output.stderr));

    // A replaced model is detected. An additional section changes the file but not its behaviour.
    let kept = folder.join("components/faults/mine.wasm");
    let mut bytes = fs::read(&kept).unwrap();
    bytes.extend([0, 2, 1, b'x']);
    fs::write(&kept, bytes).unwrap();
    let output = verify();
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stdout) + &text(&output.stderr);
    assert!(
        printed.contains("components/faults/mine.wasm: it is another file than the one that was run"),
        "{printed}"
    );
}

#[test]
fn a_sweep_can_set_the_configuration_of_a_model() {
    let workspace = workspace();
    let sweep = r#"sweep={"faults.rain.config.median_db": [0, 30]}"#;
    let folder = workspace.run(&["plan.toml", "--seeds", "1", "--set", "timeline=[]", "--set", sweep], 0);
    let manifest = json(&folder.join("manifest.json"));
    let lost = manifest["runs"].as_array().unwrap().iter().map(|run| {
        let ledger = json(&folder.join(run["path"].as_str().unwrap()).join("ledger.json"));
        ledger["total"]["faults"]["rain"]["dropped_out"].as_u64().unwrap()
    });
    let lost: Vec<u64> = lost.collect();
    assert!(lost[0] == 0 && lost[1] > 100, "{lost:?}");
}

#[test]
fn an_invalid_model_is_reported_with_field_and_file() {
    let workspace = workspace();
    let printed = |set: &str| {
        let output = workspace.call(&["run", "plan.toml", "--set", set]);
        assert_eq!(output.status.code(), Some(2));
        text(&output.stderr)
    };
    let found = printed("faults.rain.config.margin=5");
    assert!(
        found.contains(
            "--set faults.rain.config.margin=5: fault[0].config: configuration: margin: unknown field; known are \
             median_db"
        ),
        "{found}"
    );
    let found = printed("faults.rain.file=weather/rain.toml");
    assert!(
        found.contains("fault[0].file: `weather/rain.toml` cannot be used: this is no WebAssembly"),
        "{found}"
    );
    let found = printed("faults.rain.file=rainfade");
    assert!(found.contains("fault[0].file: there is no file `rainfade`"), "{found}");
    assert!(found.contains("did you mean `rain-fade`?"), "{found}");
    fs::copy(built("heartbeat"), workspace.0.path().join("weather/mine.wasm")).unwrap();
    let output = workspace.call(&["run", "plan.toml"]);
    let found = text(&output.stderr);
    assert!(
        found.contains(
            "weather/rain.toml: fault[0].file: `weather/mine.wasm` cannot be used: it is a behaviour"
        ),
        "{found}"
    );
}
