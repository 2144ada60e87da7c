//! Hunts: the planted bugs are found, shrunk and replayed, and their correct versions survive.

mod errors;
mod resume;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::workspace::{Workspace, json, shipped, text};

/// Planted bugs: the plan, the invariant that it breaks, and the number of runs within which a hunt finds it.
const PLANTED: [(&str, &str, u64); 7] = [
    ("lock", "one-holder", 60),
    ("command", "once", 60),
    ("counter", "never-back", 60),
    ("route", "no-loop", 60),
    ("presence", "connected-is-online", 60),
    ("outbox", "no-gap", 60),
    ("leader", "one-leader", 60),
];

/// Number of runs that the correct versions survive in CI.
const SURVIVED: u64 = 40;

/// A planted system, with or without its defect, as `plan.toml`.
fn planted(name: &str, defect: bool) -> Workspace {
    let plan = fs::read_to_string(shipped().join("hunt").join(name).with_extension("toml")).unwrap();
    assert!(plan.contains("defect = true"), "{name} ships with its defect");
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../behaviours/built/planted.wasm");
    let built = built.canonicalize().unwrap_or_else(|_| panic!("run `make behaviours` first"));
    let plan = plan.replace("../../behaviours/built/planted.wasm", built.to_str().unwrap());
    Workspace::with_plan(&plan.replace("defect = true", &format!("defect = {defect}")))
}

/// Runs a hunt with these arguments, asserts the exit code, and returns its JSON.
fn hunt(workspace: &Workspace, args: &[&str], code: i32) -> Value {
    let args = [&["hunt", "plan.toml", "--json"], args].concat();
    let output = workspace.call(&args);
    assert_eq!(output.status.code(), Some(code), "{}{}", text(&output.stdout), text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Folder of the first finding.
fn finding(workspace: &Workspace, found: &Value) -> PathBuf {
    let folder = workspace.0.path().join(found["folder"].as_str().unwrap());
    folder.join(found["findings"][0]["folder"].as_str().unwrap())
}

#[test]
fn every_planted_bug_is_found_shrunk_and_replayed() {
    for (name, invariant, within) in PLANTED {
        let workspace = planted(name, true);
        let found = hunt(&workspace, &["--runs", &within.to_string(), "--junit", "hunt.xml"], 99);
        let finding_json = &found["findings"][0];
        assert_eq!(finding_json["failure"]["signature"]["of"], invariant, "{name}: {found}");
        let size = &finding_json["minimal"];
        let parts = size["faults"].as_u64().unwrap() + size["actions"].as_u64().unwrap();
        assert!(parts <= 3, "{name}: {found}");
        let junit = fs::read_to_string(workspace.0.path().join("hunt.xml")).unwrap();
        assert!(junit.contains("failures=\"1\"") && junit.contains(invariant), "{name}: {junit}");

        // Another user gets the folder of the finding alone.
        let folder = finding(&workspace, &found);
        let other = Workspace::new();
        for (file, bytes) in crate::workspace::files(&folder) {
            let path = other.0.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        drop(workspace);
        let results = other.run(&["minimal.toml"], 99);
        let summary = json(&results.join("summary.json"));
        let outcomes = summary["invariants"].as_array().unwrap();
        let broken: Vec<&Value> = outcomes.iter().filter(|outcome| outcome["ok"] == false).collect();
        assert_eq!(broken[0]["name"], invariant, "{name}");
        assert_eq!(
            broken[0]["first"]["message"], finding_json["failure"]["message"],
            "{name}: it fails in the same way"
        );

        let page = fs::read_to_string(other.0.path().join("report.html")).unwrap();
        let svg = fs::read_to_string(other.0.path().join("sequence.svg")).unwrap();
        let explained = other.call(&["explain", "run"]);
        let explained = text(&explained.stdout);
        assert!(explained.lines().count() > 1 && explained.contains(invariant), "{name}: {explained}");
        let device = finding_json["failure"]["devices"][0].as_str().unwrap();
        assert!(page.contains(invariant) && page.contains(&svg), "{name}");
        assert!(svg.contains(device) && svg.contains("broker"), "{name}: {svg}");
    }
}

#[test]
fn the_correct_versions_survive() {
    for (name, ..) in PLANTED {
        let workspace = planted(name, false);
        let found = hunt(&workspace, &["--runs", &SURVIVED.to_string()], 0);
        assert_eq!((&found["runs"], &found["verdict"]), (&SURVIVED.into(), &"done".into()), "{name}");
    }
}

#[test]
fn findings_do_not_depend_on_the_number_of_jobs() {
    let workspace = planted("presence", true);
    let with_jobs = |jobs: &str| {
        let found = hunt(&workspace, &["--runs", "40", "--seed", "3", "--jobs", jobs, "--out", jobs], 99);
        let minimal = fs::read_to_string(finding(&workspace, &found).join("minimal.toml")).unwrap();
        (found["runs"].clone(), found["findings"].clone(), minimal)
    };
    let one = with_jobs("1");
    assert_eq!(one, with_jobs("2"));
    assert_eq!(one, with_jobs("5"));
}

/// A plan without a table of its own: the default pools, and a threshold that few runs can meet.
const PLAIN: &str = r#"
name = "plain"
duration = "30s"
thresholds = ["delivery_ratio >= 0.999"]

[[group]]
behaviour = "heartbeat"
count = 4
config = { interval = "1s" }
"#;

#[test]
fn coverage_grows_in_the_same_way_with_any_number_of_jobs() {
    let workspace = planted("leader", false);
    let with_jobs = |jobs: &str| {
        let found = hunt(&workspace, &["--runs", "40", "--jobs", jobs, "--out", jobs], 0);
        (found["covered"].clone(), found["growth"].clone())
    };
    let one = with_jobs("1");
    let growth: Vec<u64> =
        one.1.as_array().unwrap().iter().map(|growth| growth["covered"].as_u64().unwrap()).collect();
    assert!(growth.len() > 1 && growth.is_sorted() && growth[0] < growth[growth.len() - 1], "{growth:?}");
    assert_eq!(one, with_jobs("4"));
}

/// Values that contradict each other in some runs: an action after the end.
#[test]
fn runs_whose_drawn_values_contradict_each_other_are_counted_and_the_hunt_goes_on() {
    let table = "[[hunt.action]]\nat = \"25s\"\ncrash = {}\n\n[hunt.set]\nduration = [\"20s\", \"30s\"]\n";
    let plan = PLAIN.replace("thresholds = [\"delivery_ratio >= 0.999\"]\n", "");
    let workspace = Workspace::with_plan(&format!("{plan}\n{table}"));
    let found = hunt(&workspace, &["--runs", "40"], 0);
    let invalid = found["invalid"].as_u64().unwrap();
    assert!((1..30).contains(&invalid), "{found}");
    let printed = text(&workspace.call(&["hunt", "plan.toml", "--runs", "40"]).stdout);
    assert!(
        printed.contains(&format!("the drawn values of {invalid} runs contradict each other")),
        "{printed}"
    );
}

#[test]
fn a_plan_without_a_table_is_hunted_with_the_default_pools() {
    let workspace = Workspace::with_plan(PLAIN);
    let found = hunt(&workspace, &["--runs", "30"], 99);
    let failure = &found["findings"][0]["failure"];
    assert_eq!(failure["signature"]["of"], "delivery_ratio >= 0.999", "{found}");
    let minimal = &found["findings"][0]["minimal"];
    assert!(minimal["faults"].as_u64().unwrap() + minimal["actions"].as_u64().unwrap() <= 1, "{found}");
    let printed = workspace.call(&["hunt", "plan.toml", "--runs", "30"]);
    let printed = text(&printed.stdout);
    assert!(printed.contains("✗ threshold delivery_ratio >= 0.999"), "{printed}");
    assert!(printed.contains("minimal.toml") && printed.contains("hunt_plain_seed1_2"), "{printed}");
}
