//! Results hold all that their runs were made of.

use std::fs;
use std::path::Path;

use crate::bench::{Bench, another_heartbeat, json, text};

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

/// Everything in the folder but the results is gone; they still come out the same.
fn verify_alone(bench: &Bench, folder: &Path) {
    for entry in fs::read_dir(bench.0.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
    let output = bench.call(&["verify", folder.to_str().unwrap()]);
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("are the same, to the byte"), "{told}");
}

fn points(folder: &Path, field: &str) -> Vec<String> {
    let manifest = json(&folder.join("manifest.json"));
    let runs = manifest["runs"].as_array().unwrap().clone();
    runs.iter().map(|run| run["point"][field].as_str().unwrap().to_owned()).collect()
}

#[test]
fn behaviours_that_are_swept_come_with_the_results_and_are_told_as_they_were_written() {
    let plan = format!(
        "{HEARTBEATS}\n[sweep]\n\"group.g.behaviour\" = \
         [\"./other.wasm\", \"heartbeat\", {{ label = \"labelled\", value = \"./other.wasm\" }}]\n"
    );
    let bench = Bench::with_plan(&plan);
    fs::write(bench.0.path().join("other.wasm"), another_heartbeat()).unwrap();
    let folder = bench.run(&["plan.toml"], 0);
    assert_eq!(points(&folder, "group.g.behaviour"), ["./other.wasm", "heartbeat", "labelled"]);
    verify_alone(&bench, &folder);
}

#[test]
fn faults_that_are_swept_come_with_the_results() {
    let plan = format!("{HEARTBEATS}\n[sweep]\nfaults = [\"none\", \"lossy.toml\"]\n");
    let bench = Bench::with_plan(&plan);
    fs::write(bench.0.path().join("lossy.toml"), LOSSY).unwrap();
    let folder = bench.run(&["plan.toml"], 0);
    assert_eq!(points(&folder, "faults"), ["none", "lossy.toml"]);
    verify_alone(&bench, &folder);
}

#[test]
fn faults_that_are_set_on_the_command_line_are_written_out_and_can_be_set_further() {
    let bench = Bench::with_plan(HEARTBEATS);
    fs::write(bench.0.path().join("lossy.toml"), LOSSY).unwrap();
    let folder =
        bench.run(&["plan.toml", "--set", "faults=lossy.toml", "--set", "faults.loss.probability=1"], 0);
    let summary = json(&folder.join("summary.json"));
    assert_eq!(summary["sent"], 0, "all was lost: {summary}");
    verify_alone(&bench, &folder);
}

#[test]
fn a_plan_goes_by_its_whole_name_and_its_format_is_no_part_of_it() {
    let bench = Bench::new();
    let plans = bench.0.path().join("experiments");
    fs::create_dir(&plans).unwrap();
    for (name, count) in [("v1", "count = 3"), ("v1.2", "count = 7")] {
        fs::write(plans.join(format!("{name}.toml")), HEARTBEATS.replace("count = 3", count)).unwrap();
    }
    let group = r#"{"behaviour": "heartbeat", "count": 5}"#;
    let text_of = format!(r#"{{"name": "j", "duration": "5s", "group": [{group}]}}"#);
    fs::write(plans.join("j.json"), text_of).unwrap();
    for (name, devices) in [("v1", 3), ("v1.2", 7), ("j", 5)] {
        let folder = bench.run(&[name], 0);
        let shown = folder.file_name().unwrap().to_string_lossy().into_owned();
        assert!(shown.starts_with(&format!("experiment_{devices}nodes_")), "{name}: {shown}");
    }
    let output = bench.call(&["run", "v1.3"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("v1.2") && told.contains("did you mean"), "{told}");
}
