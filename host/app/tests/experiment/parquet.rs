//! The events of a run as columns.

use std::fs::{self, File};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::{Map, Value};

use crate::workspace::{Workspace, json, text};

/// All sorts of events.
const PLAN: &str = r#"
name = "columns"
duration = "2m"
seeds = 2
faults = { fault = [
  { kind = "loss", probability = 0.1 },
  { kind = "delay", min = "10ms", max = "500ms" },
  { kind = "crash", every = "30s", probability = 0.5, for = "5s" },
  { kind = "broker_restart", every = "50s", probability = 1.0, for = "5s" },
] }

[[group]]
behaviour = "heartbeat"
count = 5
config = { interval = "1s" }

[[timeline]]
at = "30s"
publish = { topic = "wasmote/all/message", payload = "hello" }
"#;

/// A row as a line would have it.
fn event(row: &Row) -> Value {
    let said = row.get_column_iter().filter_map(|(name, field)| {
        let value = match field {
            Field::Null => return None,
            Field::Long(number) => (*number).into(),
            Field::Double(number) => (*number).into(),
            Field::Str(text) => text.as_str().into(),
            other => panic!("{name}: {other:?}"),
        };
        Some((name.clone(), value))
    });
    said.collect::<Map<_, _>>().into()
}

#[test]
fn the_columns_say_what_the_lines_say() {
    let workspace = Workspace::with_plan(PLAN);
    let folder = workspace.run(&["plan.toml", "--parquet"], 0);
    let manifest = json(&folder.join("manifest.json"));
    for run in manifest["runs"].as_array().unwrap() {
        let folder = folder.join(run["path"].as_str().unwrap());
        let lines = fs::read_to_string(folder.join("events.ndjson")).unwrap();
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let columns = SerializedFileReader::new(File::open(folder.join("events.parquet")).unwrap()).unwrap();
        let rows: Vec<_> = columns.get_row_iter(None).unwrap().map(|row| event(&row.unwrap())).collect();
        assert!(lines.len() > 1_000);
        assert_eq!(rows, lines);
    }
    let verified = workspace.call(&["verify", folder.to_str().unwrap()]);
    assert!(verified.status.success(), "{}", text(&verified.stdout));
}

#[test]
fn without_being_asked_for_there_are_none() {
    let workspace = Workspace::with_plan(PLAN);
    let folder = workspace.run(&["plan.toml", "--seeds", "1"], 0);
    assert!(!folder.join("events.parquet").exists());
}
