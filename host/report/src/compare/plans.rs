//! Differences between the plans of the compared experiments.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use wasmote_results::{PLAN, entry_name};

use super::ComparedExperiment;
use crate::cohort::format_value;
use crate::results::Results;

/// A field with different values in the plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Path of the field, as in `--set`.
    pub path: String,
    /// Value in each experiment; `None` if the plan does not set the field.
    pub values: Vec<Option<String>>,
}

impl Field {
    /// The values as text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|value| value.as_deref().unwrap_or("not set"))
    }
}

/// Reads the plan of a results folder.
pub(super) fn read(dir: &Path) -> Option<Value> {
    toml::from_str(&wasmote_results::read_text(&dir.join(PLAN)).ok()?).ok()
}

/// The fields with different values; name, duration and devices come first.
pub(super) fn differing(experiments: &[ComparedExperiment]) -> Vec<Field> {
    let all: Vec<BTreeMap<String, String>> = experiments.iter().map(fields).collect();
    let read = || {
        experiments
            .iter()
            .zip(&all)
            .filter(|(experiment, _)| experiment.plan.is_some())
            .map(|(_, fields)| fields)
    };
    let mut paths: Vec<&String> =
        all.iter().flat_map(BTreeMap::keys).collect::<BTreeSet<_>>().into_iter().collect();
    const FIRST: [&str; 3] = ["name", "duration", "devices"];
    paths.sort_by_key(|path| FIRST.iter().position(|first| first == path).unwrap_or(FIRST.len()));
    let differs = |path: &&String| {
        let mut values = read().map(|fields| fields.get(*path));
        values.next().is_some_and(|first| values.any(|other| other != first))
    };
    let field = |path: &String| Field {
        path: path.clone(),
        values: all.iter().map(|fields| fields.get(path).cloned()).collect(),
    };
    paths.into_iter().filter(differs).map(field).collect()
}

/// All fields of a plan by path, with the number of devices and the hashes of the components.
fn fields(experiment: &ComparedExperiment) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    if let Some(plan) = &experiment.plan {
        walk("", plan, &mut fields);
        fields.insert("devices".to_owned(), devices(&experiment.results));
        for component in &experiment.results.manifest.components {
            let hash: String = component.sha256.chars().take(12).collect();
            fields.insert(format!("component {}", component.name), hash);
        }
    }
    fields
}

fn devices(results: &Results) -> String {
    let devices: BTreeSet<u64> = results.runs.iter().map(|run| run.summary.devices).collect();
    match (devices.first(), devices.last()) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
        (least, _) => least.copied().unwrap_or_default().to_string(),
    }
}

/// Collects the fields below a value. The path leaves out the list name `fault` of a fault document; a list entry is
/// named by its position unless its name is unique in the list.
fn walk(path: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    let below = |part: &str| if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") };
    match value {
        Value::Object(table) => {
            for (name, value) in table {
                let is_list = name == "fault" && value.is_array() && !path.is_empty();
                walk(&if is_list { path.to_owned() } else { below(name) }, value, fields);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            for (at, entry) in list.iter().enumerate() {
                let name = entry_name(entry)
                    .filter(|name| list.iter().filter(|other| entry_name(other) == Some(name)).count() == 1);
                walk(&below(&name.map_or_else(|| at.to_string(), str::to_owned)), entry, fields);
            }
        }
        other => drop(fields.insert(path.to_owned(), format_value(other))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_have_the_paths_of_the_set_option() {
        let mut fields = BTreeMap::new();
        let plan = json!({
            "duration": "5m",
            "faults": {"fault": [{"kind": "loss", "probability": 0.1}]},
            "group": [{"name": "west", "count": 8}],
            "timeline": [{"at": "1m", "phase": "a"}, {"at": "2m", "phase": "b"}],
            "seeds": [1, 2],
        });
        walk("", &plan, &mut fields);
        assert_eq!(fields["faults.loss.probability"], "0.1");
        assert_eq!(fields["group.west.count"], "8");
        assert_eq!(fields["timeline.1.at"], "2m");
        assert_eq!(fields["seeds"], "[1,2]");
    }
}
