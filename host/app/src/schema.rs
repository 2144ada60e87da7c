//! JSON Schemas of the files that users write, generated from the types that read them.
//!
//! Descriptions come from the doc comments, defaults and required fields from serde's attributes, and ranges from the
//! attributes of schemars. [`File`] lists the files.

use clap::ValueEnum;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};
use wasmote_experiment::plan_file::PlanFile;
use wasmote_fleet::config::options::Options;
use wasmote_project::manifest::Manifest;
use wasmote_project::scenario::document::Scenario;
use wasmote_sim::faults::document::FaultDocument;

/// A file that has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum File {
    /// The plan of an experiment
    Plan,
    /// A fault document
    Faults,
    /// The configuration of a fleet, as `wasmote run --config` reads it
    Fleet,
    /// The description of a project, `wasmote.toml`
    Project,
    /// A scenario of `wasmote test`
    Scenario,
}

impl File {
    /// The schema of the file.
    pub fn schema(self) -> Value {
        let generator = generator();
        match self {
            Self::Plan => {
                let mut schema = generator.into_root_schema_for::<PlanFile>().to_value();
                accept_incomplete_faults(&mut schema);
                titled(schema, "A plan of a Wasmote experiment")
            }
            Self::Faults => titled(
                generator.into_root_schema_for::<FaultDocument>().to_value(),
                "Faults of a Wasmote fleet",
            ),
            Self::Project => titled(
                generator.into_root_schema_for::<Manifest>().to_value(),
                "A project of a Wasmote behaviour",
            ),
            Self::Scenario => titled(
                generator.into_root_schema_for::<Scenario>().to_value(),
                "A scenario of a Wasmote behaviour",
            ),
            Self::Fleet => titled(generator.into_root_schema_for::<Options>().to_value(), "A Wasmote fleet"),
        }
    }
}

fn titled(mut schema: Value, title: &str) -> Value {
    schema["title"] = title.into();
    schema
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with_transform(RecursiveTransform(simplify)).into_generator()
}

/// Removes null, which stands for a field that is not given and which TOML does not have, and the names of Rust's
/// number types, which are not formats of JSON Schema.
fn simplify(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            object["type"] = only.clone();
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = &choices[..] {
            let only = only.clone();
            object.remove("anyOf");
            for (keyword, value) in only {
                object.entry(keyword).or_insert(value);
            }
        }
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    let is_of_rust = |format: &str| {
        let digits = format.trim_start_matches("uint").trim_start_matches("int");
        format == "float" || format == "double" || digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if object.get("format").and_then(Value::as_str).is_some_and(is_of_rust) {
        object.remove("format");
    }
}

/// Requires the fields of a fault only in a plan without a sweep, because a sweep can set them.
fn accept_incomplete_faults(plan: &mut Value) {
    const NAMES: [&str; 3] = ["Fault", "FaultDocument", "Faults"];
    let Some(definitions) = plan["$defs"].as_object_mut() else { return };
    for name in NAMES {
        let Some(definition) = definitions.get(name) else { continue };
        let complete = NAMES.iter().fold(definition.to_string(), |text, name| {
            text.replace(&format!("\"#/$defs/{name}\""), &format!("\"#/$defs/Complete{name}\""))
        });
        definitions.insert(format!("Complete{name}"), complete.parse().unwrap_or_default());
    }
    for kind in definitions["Fault"]["oneOf"].as_array_mut().into_iter().flatten() {
        kind["required"] = json!(["kind"]);
        for rule in kind.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(then) = rule["then"].as_object_mut() {
                then.remove("required");
            }
        }
        if let Some(kind) = kind.as_object_mut() {
            kind.retain(|keyword, _| !["anyOf", "dependentRequired"].contains(&keyword.as_str()));
        }
    }
    let complete = json!({"$ref": "#/$defs/CompleteFaults"});
    let each = json!({"items": {"properties": {"faults": complete}}});
    plan["if"] = json!({"not": {"required": ["sweep"]}});
    plan["then"] =
        json!({"properties": {"faults": complete, "group": each, "groups": each, "timeline": each}});
}

#[cfg(test)]
mod tests;
