//! `KEY=VALUE` assignments on the command line, which set values in a JSON configuration.

use std::str::FromStr;

use serde_json::{Map, Value};

/// One or more assignments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignments(Vec<Assignment>);

#[derive(Clone, Debug, PartialEq)]
struct Assignment {
    path: Vec<String>,
    value: Value,
}

/// Error of parsing or applying an assignment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// The equals sign, or the key before it, is missing.
    #[error("expected KEY=VALUE such as `interval=2s`, found `{0}`")]
    NoKey(String),
    /// The path has an empty part, as in `a..b`.
    #[error("`{0}` has an empty part between its dots")]
    EmptyPart(String),
    /// The text begins with a brace but is not a valid JSON object.
    #[error("no valid JSON object: {0}")]
    Json(String),
    /// The path leads through a value that is neither an object nor a list.
    #[error("`{path}` cannot be set: `{parent}` is {found}")]
    NotAContainer {
        /// The path to set.
        path: String,
        /// The part of the path that holds no other values.
        parent: String,
        /// The type of its value.
        found: &'static str,
    },
    /// The position is past the end of a list.
    #[error("`{path}` cannot be set: the list has {length} entries, so the next position is {length}")]
    PastEnd {
        /// The path to set.
        path: String,
        /// Entries in the list.
        length: usize,
    },
}

impl FromStr for Assignments {
    type Err = AssignmentError;

    /// Parses `KEY=VALUE`, several of them on separate lines, or a JSON object.
    fn from_str(text: &str) -> Result<Self, AssignmentError> {
        let text = text.trim();
        if text.starts_with('{') {
            let object: Map<String, Value> =
                serde_json::from_str(text).map_err(|error| AssignmentError::Json(error.to_string()))?;
            let set = |(key, value)| Assignment { path: vec![key], value };
            return Ok(Self(object.into_iter().map(set).collect()));
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let all: Vec<_> = lines.map(Assignment::parse).collect::<Result<_, _>>()?;
        if all.is_empty() { Err(AssignmentError::NoKey(text.into())) } else { Ok(Self(all)) }
    }
}

impl Assignments {
    /// Sets the values. Dots lead into objects and lists, which are created if they do not exist.
    pub fn apply(&self, config: &mut Map<String, Value>) -> Result<(), AssignmentError> {
        let mut root = Value::Object(std::mem::take(config));
        let outcome = self.0.iter().try_for_each(|assignment| assignment.apply(&mut root));
        if let Value::Object(object) = root {
            *config = object;
        }
        outcome
    }
}

impl Assignment {
    fn parse(text: &str) -> Result<Self, AssignmentError> {
        let (key, value) = text.split_once('=').ok_or_else(|| AssignmentError::NoKey(text.into()))?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return Err(AssignmentError::NoKey(text.into()));
        }
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(AssignmentError::EmptyPart(key.into()));
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.into()));
        Ok(Self { path, value })
    }

    fn apply(&self, root: &mut Value) -> Result<(), AssignmentError> {
        let mut node = root;
        for (depth, part) in self.path.iter().enumerate() {
            if node.is_null() {
                *node = if part.parse::<usize>().is_ok() && depth > 0 {
                    Value::Array(Vec::new())
                } else {
                    Value::Object(Map::new())
                };
            }
            node = self.descend(node, depth, part)?;
        }
        *node = self.value.clone();
        Ok(())
    }

    fn descend<'a>(
        &self,
        parent: &'a mut Value,
        depth: usize,
        part: &str,
    ) -> Result<&'a mut Value, AssignmentError> {
        let found = kind(parent);
        let not_a_container = || AssignmentError::NotAContainer {
            path: self.path.join("."),
            parent: self.path[..depth].join("."),
            found,
        };
        match parent {
            Value::Object(object) => Ok(object.entry(part).or_insert(Value::Null)),
            Value::Array(list) => {
                let position: usize = part.parse().map_err(|_| not_a_container())?;
                let length = list.len();
                if position > length {
                    return Err(AssignmentError::PastEnd { path: self.path.join("."), length });
                }
                if position == length {
                    list.push(Value::Null);
                }
                Ok(&mut list[position])
            }
            _ => Err(not_a_container()),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list, whose entries have numbers",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(start: Value, texts: &[&str]) -> Result<Value, AssignmentError> {
        let Value::Object(mut config) = start else { panic!("a configuration is an object") };
        for text in texts {
            text.parse::<Assignments>()?.apply(&mut config)?;
        }
        Ok(Value::Object(config))
    }

    #[test]
    fn values_are_json_where_they_can_be_and_text_otherwise() {
        let texts = ["peers=0", "interval=2s", "on=true", "note=\"7\"", "equation=a=b", "empty="];
        assert_eq!(
            applied(json!({"peers": "all"}), &texts).unwrap(),
            json!({"peers": 0, "interval": "2s", "on": true, "note": "7", "equation": "a=b", "empty": ""})
        );
    }

    #[test]
    fn dots_lead_into_objects_and_lists_and_make_them() {
        let texts = ["channels.0.name=t", "channels.1.name=h", "channels.0.noise=0.5", "a.b.c=1"];
        assert_eq!(
            applied(json!({}), &texts).unwrap(),
            json!({"channels": [{"name": "t", "noise": 0.5}, {"name": "h"}], "a": {"b": {"c": 1}}})
        );
    }

    #[test]
    fn several_lines_or_an_object_set_several_values() {
        let wanted = json!({"peers": 0, "interval": "2s"});
        assert_eq!(applied(json!({}), &["peers=0\n interval=2s\n"]).unwrap(), wanted);
        assert_eq!(applied(json!({}), &[r#"{"peers": 0, "interval": "2s"}"#]).unwrap(), wanted);
    }

    #[test]
    fn errors_name_the_value_in_the_way() {
        let problem = |start, text| applied(start, &[text]).unwrap_err().to_string();
        assert_eq!(problem(json!({}), "peers"), "expected KEY=VALUE such as `interval=2s`, found `peers`");
        assert_eq!(problem(json!({}), "a..b=1"), "`a..b` has an empty part between its dots");
        assert_eq!(problem(json!({"a": 1}), "a.b=1"), "`a.b` cannot be set: `a` is a number");
        assert_eq!(
            problem(json!({"list": [0]}), "list.2=1"),
            "`list.2` cannot be set: the list has 1 entries, so the next position is 1"
        );
    }
}
