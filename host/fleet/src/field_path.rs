//! Field path: sets a field of a plan by its path, such as `duration`, `group.heartbeat.count`, `faults.loss.probability`.
//!
//! A part of a path is a field, or selects an entry of a list: a fault by its id, a group by its name, any entry by its
//! position, counted from 0. A path skips the list `fault` of a fault document.

use serde_json::{Map, Value};
use wasmote_results::entry_name;

use crate::suggest::did_you_mean;

/// Sets a field and creates it, and the tables on the way to it, if they do not exist.
pub fn set(root: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let parts: Vec<&str> = path.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(format!("`{path}` has an empty part between its dots"));
    }
    let mut node = root;
    let mut prefix = String::new();
    for part in &parts {
        node = descend(node, part, &prefix)?;
        prefix = if prefix.is_empty() { (*part).to_owned() } else { format!("{prefix}.{part}") };
    }
    *node = value;
    Ok(())
}

fn descend<'a>(node: &'a mut Value, part: &str, prefix: &str) -> Result<&'a mut Value, String> {
    if node.is_null() {
        *node = Value::Object(Map::new());
    }
    // A fault document is a table with one list.
    let is_document = node.get("fault").is_some() && node.get(part).is_none();
    let node = if is_document { &mut node["fault"] } else { node };
    match node {
        Value::Object(table) => Ok(table.entry(part).or_insert(Value::Null)),
        Value::Array(list) => {
            let known: Vec<String> =
                list.iter().filter_map(|entry| entry_name(entry).map(str::to_owned)).collect();
            let position = list.iter().position(|entry| entry_name(entry) == Some(part));
            let position = position.or_else(|| part.parse().ok());
            let hint = did_you_mean(part, known.iter().map(String::as_str));
            let names = known.join("`, `");
            let here = if prefix.is_empty() { "there is".to_owned() } else { format!("`{prefix}` has") };
            list.get_mut(position.unwrap_or(usize::MAX)).ok_or_else(|| match known.is_empty() {
                true => format!("{here} no entry `{part}`, and none with a name"),
                false => format!("{here} no entry `{part}`; there are `{names}`{hint}"),
            })
        }
        _ => Err(format!("`{prefix}` holds no `{part}`: it is a single value")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> Value {
        json!({
            "duration": "1m",
            "faults": {"fault": [{"kind": "loss", "probability": 0.1}, {"id": "slow", "kind": "delay"}]},
            "group": [{"name": "west", "behaviour": "heartbeat"}, {"behaviour": "sensor"}],
        })
    }

    #[test]
    fn list_entries_are_found_by_name_or_position() {
        let mut plan = plan();
        for (path, value) in [
            ("duration", json!("2m")),
            ("faults.loss.probability", json!(0.2)),
            ("faults.slow.max", json!("1s")),
            ("group.west.config.peers", json!(3)),
            ("group.sensor.count", json!(5)),
            ("group.1.name", json!("s")),
        ] {
            set(&mut plan, path, value).unwrap();
        }
        let wanted = json!({
            "duration": "2m",
            "faults": {"fault": [
                {"kind": "loss", "probability": 0.2}, {"id": "slow", "kind": "delay", "max": "1s"},
            ]},
            "group": [
                {"name": "west", "behaviour": "heartbeat", "config": {"peers": 3}},
                {"name": "s", "behaviour": "sensor", "count": 5},
            ],
        });
        assert_eq!(plan, wanted);
    }

    #[test]
    fn an_invalid_path_is_an_error_with_the_known_names() {
        let problem = |path| set(&mut plan(), path, json!(1)).unwrap_err();
        assert_eq!(
            problem("faults.los.probability"),
            "`faults` has no entry `los`; there are `loss`, `slow`; did you mean `loss`?"
        );
        assert!(problem("group.wset.count").contains("did you mean `west`?"));
        assert!(problem("duration.seconds").contains("single value"));
        assert!(problem("a..b").contains("empty part"));
    }
}
