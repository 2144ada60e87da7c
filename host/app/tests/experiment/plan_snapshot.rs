//! Plan snapshots: results contain all inputs of their runs.

use std::fs;
use std::path::Path;

use crate::workspace::{Workspace, json, modified_heartbeat, text};

const HEARTBEATS: &str = r#"
name = "kept"
duration = "20s"

[[group]]
name = "g"
behaviour = "heartbeat"
count = 3
config = { interval = "1s" }
"#;

const LOSSY: &str = "[[fault]]\nkind = \"loss\"\nprobability = 0.5\n";

/// Verifies results after all other files of the workspace are deleted.
fn verify_alone(workspace: &Workspace, folder: &Path) {
    for entry in fs::read_dir(workspace.0.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
    let output = workspace.call(&["verify", folder.to_str().unwrap()]);
    let printed = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains("are the same, to the byte"), "{printed}");
}

fn points(folder: &Path, field: &str) -> Vec<String> {
    let manifest = json(&folder.join("manifest.json"));
    let runs = manifest["runs"].as_array().unwrap().clone();
    runs.iter().map(|run| run["point"][field].as_str().unwrap().to_owned()).collect()
}

#[test]
fn swept_behaviours_are_stored_under_their_written_names() {
    let plan = format!(
        "{HEARTBEATS}\n[sweep]\n\"group.g.behaviour\" = \
         [\"./other.wasm\", \"heartbeat\", {{ label = \"labelled\", value = \"./other.wasm\" }}]\n"
    );
    let workspace = Workspace::with_plan(&plan);
    fs::write(workspace.0.path().join("other.wasm"), modified_heartbeat()).unwrap();
    let folder = workspace.run(&["plan.toml"], 0);
    assert_eq!(points(&folder, "group.g.behaviour"), ["./other.wasm", "heartbeat", "labelled"]);
    verify_alone(&workspace, &folder);
}

#[test]
fn swept_faults_are_stored_with_the_results() {
    let plan = format!("{HEARTBEATS}\n[sweep]\nfaults = [\"none\", \"lossy.toml\"]\n");
    let workspace = Workspace::with_plan(&plan);
    fs::write(workspace.0.path().join("lossy.toml"), LOSSY).unwrap();
    let folder = workspace.run(&["plan.toml"], 0);
    assert_eq!(points(&folder, "faults"), ["none", "lossy.toml"]);
    verify_alone(&workspace, &folder);
}

#[test]
fn faults_set_on_the_command_line_are_expanded_and_can_be_changed() {
    let workspace = Workspace::with_plan(HEARTBEATS);
    fs::write(workspace.0.path().join("lossy.toml"), LOSSY).unwrap();
    let folder =
        workspace.run(&["plan.toml", "--set", "faults=lossy.toml", "--set", "faults.loss.probability=1"], 0);
    let summary = json(&folder.join("summary.json"));
    assert_eq!(summary["sent"], 0, "every message is lost: {summary}");
    verify_alone(&workspace, &folder);
}

#[test]
fn a_plan_is_found_by_its_name_without_the_file_extension() {
    let workspace = Workspace::new();
    let plans = workspace.0.path().join("experiments");
    fs::create_dir(&plans).unwrap();
    for (name, count) in [("v1", "count = 3"), ("v1.2", "count = 7")] {
        fs::write(plans.join(format!("{name}.toml")), HEARTBEATS.replace("count = 3", count)).unwrap();
    }
    let group = r#"{"behaviour": "heartbeat", "count": 5}"#;
    let text_of = format!(r#"{{"name": "j", "duration": "5s", "group": [{group}]}}"#);
    fs::write(plans.join("j.json"), text_of).unwrap();
    for (name, devices) in [("v1", 3), ("v1.2", 7), ("j", 5)] {
        let folder = workspace.run(&[name], 0);
        let shown = folder.file_name().unwrap().to_string_lossy().into_owned();
        assert!(shown.starts_with(&format!("experiment_{devices}nodes_")), "{name}: {shown}");
    }
    let output = workspace.call(&["run", "v1.3"]);
    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(printed.contains("v1.2") && printed.contains("did you mean"), "{printed}");
}

#[test]
fn names_of_devices_are_stored_with_the_results() {
    let plan = format!(
        "{HEARTBEATS}\n[group.identity]\nfile = \"devices.csv\"\n\n[[timeline]]\nat = \"5s\"\nadd = {{ group = \"g\", count = 2 }}\n"
    );
    let workspace = Workspace::with_plan(&plan);
    let rows = "name,client_id\npump-a,plant/a\npump-b,\nvalve:c,x y\npump-d,\npump-e,\n";
    fs::write(workspace.0.path().join("devices.csv"), rows).unwrap();
    let folder = workspace.run(&["plan.toml"], 0);
    for name in ["pump-a", "pump-b", "valve:c", "pump-d", "pump-e"] {
        assert!(folder.join(format!("logs/{name}.log")).exists(), "{name}");
    }
    verify_alone(&workspace, &folder);
}
