//! Conditions on values: of texts, of JSON, and of numbers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A condition on a value of a JSON document: the value itself, or a table with conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueCondition(Condition);

/// Conditions on a value, which must all hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Condition {
    /// The value, of any type. Numbers are equal if their values are.
    pub equals: Option<Value>,
    /// The number is not less.
    pub min: Option<f64>,
    /// The number is not greater.
    pub max: Option<f64>,
    /// The text contains this text, or the list this value.
    pub contains: Option<Value>,
    /// Whether there is a value.
    pub exists: Option<bool>,
}

impl<'de> Deserialize<'de> for ValueCondition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let condition = match Value::deserialize(deserializer)? {
            table @ Value::Object(_) => serde_json::from_value(table).map_err(serde::de::Error::custom)?,
            value => Condition { equals: Some(value), ..Condition::default() },
        };
        Ok(Self(condition))
    }
}

impl JsonSchema for ValueCondition {
    fn schema_name() -> Cow<'static, str> {
        "ValueCondition".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The value, or a table with conditions on it.",
            "anyOf": [
                {"type": ["string", "number", "boolean", "array"]},
                generator.subschema_for::<Condition>(),
            ],
        })
    }
}

impl Condition {
    /// Whether no condition is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The first condition that the value does not meet, as text; `None` stands for no value.
    pub fn mismatch(&self, found: Option<&Value>) -> Option<String> {
        let Some(found) = found else {
            return (self.exists != Some(false)).then(|| "there is none".to_owned());
        };
        if self.exists == Some(false) {
            return Some(format!("it is {found}, expected none"));
        }
        if let Some(wanted) = &self.equals
            && !equal(wanted, found)
        {
            return Some(format!("it is {found}, expected {wanted}"));
        }
        if let Some(part) = &self.contains
            && !contains(found, part)
        {
            return Some(format!("it is {found}, which does not contain {part}"));
        }
        let out_of_range = |number: f64| {
            self.min.is_some_and(|min| number < min) || self.max.is_some_and(|max| number > max)
        };
        match (self.min.is_some() || self.max.is_some(), found.as_f64()) {
            (true, None) => Some(format!("it is {found}, expected a number {}", self.range())),
            (true, Some(number)) if out_of_range(number) => {
                Some(format!("it is {found}, expected {}", self.range()))
            }
            _ => None,
        }
    }

    fn range(&self) -> String {
        match (self.min, self.max) {
            (Some(min), Some(max)) => format!("from {min} to {max}"),
            (Some(min), None) => format!("from {min} on"),
            (None, Some(max)) => format!("up to {max}"),
            (None, None) => String::new(),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = (self.min.is_some() || self.max.is_some()).then(|| self.range());
        let parts = [
            self.equals.as_ref().map(|value| format!("= {value}")),
            range,
            self.contains.as_ref().map(|part| format!("containing {part}")),
            self.exists.map(|exists| if exists { "present".to_owned() } else { "absent".to_owned() }),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(" and "))
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| equal(value, other)))
        }
        (one, other) => one == other,
    }
}

fn contains(found: &Value, part: &Value) -> bool {
    match (found, part) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        (Value::Array(list), part) => list.iter().any(|entry| equal(entry, part)),
        _ => false,
    }
}

/// Conditions on bytes, which are text or JSON: a payload, or a body.
#[derive(Clone, Copy, Debug)]
pub struct BytesConditions<'a> {
    /// Name of the bytes for messages.
    pub name: &'static str,
    /// All of them: a text as it is, another value as JSON.
    pub whole: Option<&'a Value>,
    /// All of them, decoded from Base64.
    pub bytes: Option<&'a [u8]>,
    /// A part of the text.
    pub contains: Option<&'a str>,
    /// Values of the JSON document by JSON Pointer (RFC 6901).
    pub json: &'a BTreeMap<String, ValueCondition>,
}

impl BytesConditions<'_> {
    /// The conditions that the bytes do not meet, as texts.
    pub fn mismatches(&self, found: &[u8]) -> Vec<String> {
        let name = self.name;
        let mut mismatches = Vec::new();
        let text = || std::str::from_utf8(found).ok();
        let json: Option<Value> = serde_json::from_slice(found).ok();
        match self.whole {
            Some(Value::String(wanted)) if text() != Some(wanted) => {
                mismatches.push(format!("{name} is not \"{}\"", wanted.escape_debug()));
            }
            Some(Value::String(_)) | None => {}
            Some(wanted) if json.as_ref().is_some_and(|json| equal(wanted, json)) => {}
            Some(wanted) => mismatches.push(format!("{name} is not the JSON {wanted}")),
        }
        if self.bytes.is_some_and(|wanted| wanted != found) {
            mismatches.push(format!("{name} has other bytes"));
        }
        if let Some(part) = self.contains
            && !text().is_some_and(|text| text.contains(part))
        {
            mismatches.push(format!("{name} does not contain \"{}\"", part.escape_debug()));
        }
        if !self.json.is_empty() {
            match &json {
                None => mismatches.push(format!("{name} is no JSON")),
                Some(json) => mismatches.extend(self.json.iter().filter_map(|(pointer, condition)| {
                    let problem = condition.0.mismatch(json.pointer(pointer))?;
                    Some(format!("{pointer}: {problem}"))
                })),
            }
        }
        mismatches
    }

    /// The conditions as text, for the name of an expectation.
    pub fn describe(&self) -> Vec<String> {
        let name = self.name;
        let whole = self.whole.map(|value| match value {
            Value::String(text) => format!("{name} \"{}\"", text.escape_debug()),
            value => format!("{name} {value}"),
        });
        let bytes = self.bytes.map(|bytes| format!("{name} of {} bytes", bytes.len()));
        let part = self.contains.map(|part| format!("{name} containing \"{}\"", part.escape_debug()));
        let json = self.json.iter().map(|(pointer, condition)| format!("{pointer} {}", condition.0));
        whole.into_iter().chain(bytes).chain(part).chain(json).collect()
    }
}

/// The first JSON Pointer that is invalid, with the reason.
pub fn check_pointers(json: &BTreeMap<String, ValueCondition>) -> Result<(), (String, String)> {
    for (pointer, condition) in json {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let problem =
                format!("it is no JSON Pointer (RFC 6901): write \"/{}\"", pointer.replace('.', "/"));
            return Err((pointer.clone(), problem));
        }
        if condition.0.is_empty() {
            let problem = "it has no condition; write a value, or one of `equals`, `min`, `max`, `contains` and `exists`";
            return Err((pointer.clone(), problem.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(value: Value) -> Condition {
        serde_json::from_value::<ValueCondition>(value).unwrap().0
    }

    #[test]
    fn values_are_compared_as_numbers_texts_and_lists() {
        let holds = |wanted: Value, found: Value| condition(wanted).mismatch(Some(&found)).is_none();
        assert!(holds(json!(20), json!(20.0)) && holds(json!([1, {"a": 2}]), json!([1.0, {"a": 2.0}])));
        assert!(!holds(json!("20"), json!(20)));
        assert!(holds(json!({"min": 1, "max": 2}), json!(1.5)) && !holds(json!({"min": 1}), json!("1.5")));
        assert!(
            holds(json!({"contains": "b"}), json!("abc")) && holds(json!({"contains": 2}), json!([1, 2]))
        );
        assert!(holds(json!({"equals": {"a": 1}}), json!({"a": 1})));
        assert_eq!(condition(json!({"exists": false})).mismatch(None), None);
        assert_eq!(condition(json!(1)).mismatch(None).unwrap(), "there is none");
        assert_eq!(
            condition(json!({"min": 1, "max": 2})).mismatch(Some(&json!(3))).unwrap(),
            "it is 3, expected from 1 to 2"
        );
    }

    #[test]
    fn a_misspelt_condition_is_refused() {
        let problem = serde_json::from_value::<ValueCondition>(json!({"mni": 1})).unwrap_err().to_string();
        assert!(problem.starts_with("unknown field `mni`"), "{problem}");
    }

    #[test]
    fn bytes_are_text_or_json() {
        let json = BTreeMap::new();
        let whole = |value: &Value, bytes: &[u8]| {
            let conditions = BytesConditions {
                name: "payload",
                whole: Some(value),
                bytes: None,
                contains: None,
                json: &json,
            };
            conditions.mismatches(bytes)
        };
        assert!(
            whole(&json!("on"), b"on").is_empty() && whole(&json!({"a": 1}), b" {\"a\": 1.0}").is_empty()
        );
        assert_eq!(whole(&json!("on"), b"\xff"), ["payload is not \"on\""]);
        assert_eq!(whole(&json!({"a": 1}), b"on"), ["payload is not the JSON {\"a\":1}"]);
    }

    #[test]
    fn a_path_with_dots_is_no_pointer() {
        let json = BTreeMap::from([("values.room".to_owned(), ValueCondition(condition(json!(1))))]);
        let (pointer, problem) = check_pointers(&json).unwrap_err();
        assert_eq!((pointer.as_str(), problem.contains("write \"/values/room\"")), ("values.room", true));
    }
}
