//! Calls of `wasmote manifests`.

use std::process::{Command, Output};

use serde_json::Value;

/// Runs the command with these arguments.
pub fn call(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wasmote"))
        .arg("manifests")
        .args(words)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program starts")
}

/// Rendered objects, read by an independent parser.
pub fn rendered(words: &[&str]) -> Vec<Value> {
    let output = call(words);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {stderr}");
    read(&String::from_utf8(output.stdout).expect("text"))
}

/// Parses the objects of a YAML stream.
pub fn read(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|problem| panic!("{problem}:\n{text}"))
}

/// The objects of this kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The only object of this kind and name.
pub fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found: Vec<_> =
        of_kind(objects, kind).into_iter().filter(|object| object["metadata"]["name"] == name).collect();
    assert_eq!(found.len(), 1, "{kind} {name} in {objects:#?}");
    found[0]
}

/// The container of a workload.
pub fn container(workload: &Value) -> &Value {
    &workload["spec"]["template"]["spec"]["containers"][0]
}

/// An environment variable of a workload's container.
pub fn variable<'a>(workload: &'a Value, name: &str) -> Option<&'a Value> {
    container(workload)["env"].as_array()?.iter().find(|variable| variable["name"] == name)
}
