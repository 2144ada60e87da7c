//! Files that configurations of behaviours name: recorded values for sensors.

use std::fs;

use crate::workspace::{Workspace, json, text};

/// A sensor replays a column of a file that is next to the plan.
const PLAN: &str = r#"
name = "replayed"
duration = "30s"

[[group]]
behaviour = "sensor"
count = 2

[group.config]
report_interval = "1s"
channels = [{ name = "flow", kind = "csv", csv = { "$file" = "data/plant.csv" }, column = "flow", between = "step" }]
"#;

fn workspace(csv: &str) -> Workspace {
    let workspace = Workspace::with_plan(PLAN);
    fs::create_dir(workspace.0.path().join("data")).unwrap();
    fs::write(workspace.0.path().join("data/plant.csv"), csv).unwrap();
    workspace
}

#[test]
fn a_file_of_ten_thousand_rows_is_replayed_and_kept_with_the_results() {
    let rows: String = (0..10_000).map(|row| format!("{row},{},7\r\n", row * 2)).collect();
    let workspace = workspace(&format!("\u{feff}seconds,flow,level\r\n{rows}"));
    let folder = workspace.run(&["plan.toml"], 0);
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    let reported = |value: u32| events.contains(&format!(r#"\"flow\":{value}}}"#));
    assert!(reported(20) && reported(40) && !reported(21), "the device reports the values of the file");
    // The results are complete without the file.
    fs::remove_dir_all(workspace.0.path().join("data")).unwrap();
    let verified = workspace.call(&["verify", folder.to_str().unwrap()]);
    assert!(verified.status.success(), "{}{}", text(&verified.stdout), text(&verified.stderr));
}

#[test]
fn a_typo_in_a_file_and_a_missing_file_are_errors_of_the_plan() {
    let workspace = workspace("seconds,flow\n0,1\n1,1O\n");
    let problem = |args: &[&str]| {
        let output = workspace.call(&[&["run", "plan.toml"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let found = problem(&[]);
    assert!(found.contains("channels.0.csv: line 3, column 2: expected a number, found `1O`"), "{found}");
    let found = problem(&["--set", r#"group.sensor.config.channels.0.csv={"$file": "data/none.csv"}"#]);
    assert!(found.contains("cannot use the file `data/none.csv`: No such file"), "{found}");
    fs::remove_file(workspace.0.path().join("data/plant.csv")).unwrap();
    let found = problem(&[]);
    assert!(
        found.contains("group[0].config.channels.0.csv: cannot use the file `data/plant.csv`"),
        "{found}"
    );
}

#[test]
fn files_can_be_swept() {
    let workspace = workspace("seconds,flow\n0,1\n100,1\n");
    fs::write(workspace.0.path().join("data/other.csv"), "time,flow\n0,5\n100,5\n").unwrap();
    let sweep = r#"sweep={"group.sensor.config.channels.0.csv": [{"$file": "data/plant.csv"}, {"$file": "data/other.csv"}]}"#;
    let folder = workspace.run(&["plan.toml", "--set", sweep], 0);
    let runs = json(&folder.join("manifest.json"))["runs"].as_array().unwrap().clone();
    let labels: Vec<_> =
        runs.iter().map(|run| run["point"]["group.sensor.config.channels.0.csv"].clone()).collect();
    assert_eq!(labels, ["data/plant.csv", "data/other.csv"]);
    fs::remove_dir_all(workspace.0.path().join("data")).unwrap();
    let verified = workspace.call(&["verify", folder.to_str().unwrap()]);
    assert!(verified.status.success(), "{}{}", text(&verified.stdout), text(&verified.stderr));
}

/// The host publishes bytes of a file, and devices publish bytes in Base64.
const BINARY: &str = r#"
name = "binary"
duration = "10s"

[[group]]
behaviour = "heartbeat"
count = 2

[[timeline]]
at = "2s"
publish = { topic = "any/file", payload_file = "data/frame.bin" }

[[timeline]]
at = "3s"
publish = { topic = "any/bytes", payload_base64 = "AP8A", device = "heartbeat-1" }
"#;

#[test]
fn a_payload_from_a_file_is_kept_with_the_results() {
    let workspace = Workspace::with_plan(BINARY);
    let data = workspace.0.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("frame.bin"), [0, 255, 10, 0]).unwrap();
    let folder = workspace.run(&["plan.toml"], 0);
    let plan = fs::read_to_string(folder.join("plan.toml"))
        .or_else(|_| fs::read_to_string(folder.join("plan.json")))
        .unwrap();
    assert!(plan.contains("AP8KAA==") && !plan.contains("payload_file"), "{plan}");
    fs::remove_dir_all(&data).unwrap();
    let verified = workspace.call(&["verify", folder.to_str().unwrap()]);
    assert!(verified.status.success(), "{}{}", text(&verified.stdout), text(&verified.stderr));
    let problem = |args: &[&str]| {
        let output = workspace.call(&[&["run", "plan.toml"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let found = problem(&[]);
    let words = "timeline[0].publish.payload_file: cannot use the file `data/frame.bin`: No such file";
    assert!(found.contains(words), "{found}");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("frame.bin"), [0]).unwrap();
    let found = problem(&["--set", "timeline.0.publish.payload=x"]);
    assert!(found.contains("expected one of `payload`, `payload_base64` and `payload_file`"), "{found}");
    let found = problem(&["--set", "timeline.1.publish.payload_base64=A"]);
    assert!(found.contains("publish.payload_base64: no bytes in Base64"), "{found}");
}

/// Each action that changes a configuration can name files.
#[test]
fn actions_can_name_files() {
    for action in ["swap", "configure"] {
        let workspace = workspace("seconds,flow\n0,1\n100,1\n");
        fs::write(workspace.0.path().join("data/other.csv"), "seconds,flow\n0,5\n100,5\n").unwrap();
        let behaviour = if action == "swap" { r#""behaviour": "sensor", "# } else { "" };
        let channel = r#""name": "flow", "kind": "csv", "column": "flow", "between": "step""#;
        let timeline = |file: &str| {
            let config = format!(r#"{{"channels": [{{{channel}, "csv": {{"$file": "{file}"}}}}]}}"#);
            format!(
                r#"timeline=[{{"at": "10s", "{action}": {{"group": "sensor", {behaviour}"config": {config}}}}}]"#
            )
        };
        let folder = workspace.run(&["plan.toml", "--set", &timeline("data/other.csv")], 0);
        let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
        for value in [1, 5] {
            assert!(events.contains(&format!(r#"\"flow\":{value}}}"#)), "{action}: {value}");
        }
        let output = workspace.call(&["run", "plan.toml", "--set", &timeline("data/none.csv")]);
        let found = text(&output.stderr);
        let problem = "cannot use the file `data/none.csv`: No such file";
        assert!(output.status.code() == Some(2) && found.contains(problem), "{action}: {found}");
        fs::remove_dir_all(workspace.0.path().join("data")).unwrap();
        let verified = workspace.call(&["verify", folder.to_str().unwrap()]);
        assert!(verified.status.success(), "{action}: {}", text(&verified.stderr));
    }
}

/// Sensors and replays read files of any length.
const RECORDED: &str = r#"
name = "recorded"
duration = "60s"

[[group]]
behaviour = "sensor"
count = 3
[group.config]
report_interval = "1s"
channels = [{ name = "flow", kind = "csv", csv = { "$data" = "data/plant.csv" }, column = "flow", between = "step" }]

[[group]]
behaviour = "replay"
config = { data = { "$data" = "data/plant.csv" }, payload = "{flow}" }
"#;

#[test]
fn recorded_files_are_replayed_and_verified() {
    let workspace = Workspace::with_plan(RECORDED);
    let data = workspace.0.path().join("data");
    fs::create_dir(&data).unwrap();
    let rows: String = (0..100_000).map(|row| format!("{},{},7\n", f64::from(row) / 2.0, row * 2)).collect();
    let text = format!("seconds,flow,level\n{rows}");
    fs::write(data.join("plant.csv"), &text).unwrap();
    let folder = workspace.run(&["plan.toml"], 0);
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    assert!(events.contains(r#"\"flow\":40}"#), "the sensors report the values of the file");
    let verify = || workspace.call(&["verify", folder.to_str().unwrap()]);
    let verified = verify();
    assert!(verified.status.success(), "{}{}", self::text(&verified.stdout), self::text(&verified.stderr));
    // Another file is not taken for the recorded one.
    fs::write(data.join("plant.csv"), text.replace(",40,", ",41,")).unwrap();
    let refused = verify();
    let problem = self::text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{problem}");
    assert!(
        problem.contains("channels.0.csv: cannot use the file `") && problem.contains("the file has changed"),
        "{problem}"
    );
    fs::remove_file(data.join("plant.csv")).unwrap();
    let problem = self::text(&verify().stderr);
    assert!(problem.contains("plant.csv`: No such file"), "{problem}");
    fs::write(data.join("plant.csv"), text.replace(",40,", ",4O,")).unwrap();
    let refused = workspace.call(&["run", "plan.toml"]);
    let problem = self::text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{problem}");
    assert!(
        problem.contains("channels.0.csv: the file `")
            && problem.contains("line 22, column 2: expected a number, found `4O`"),
        "{problem}"
    );
}
