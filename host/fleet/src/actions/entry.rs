//! Timeline entry: an action with its time, as `[[timeline]]` of a plan file writes it.
//!
//! ```toml
//! [[timeline]]
//! at = "5m"
//! group = "west"
//! faults = "realistic"
//! ```
//!
//! Serialization is written by hand because the action's name is a field next to `at`: serde's `flatten`
//! would lose the line and the path of an error.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::time::Time;
use wasmote_sim::faults::span::Span;

use super::add::Add;
use super::scope::EntryScope;
use super::{Action, TimelineAction};

/// An entry of a timeline: one action, or the beginning of a phase, or both.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEntry {
    /// Time of the action, from the beginning of the run.
    pub at: Span,
    /// Name of a phase that begins. It lasts until the next phase, or to the end of the run.
    pub phase: Option<DeviceId>,
    /// `group` and `device`, which narrow `faults` and `ramp`.
    pub scope: EntryScope,
    /// Actions of the entry. The check of a plan refuses more than one, and an entry with neither action nor phase.
    pub actions: Vec<Action>,
}

impl TimelineEntry {
    /// Entry for an action at a time.
    pub fn new(at: Time, action: Action) -> Self {
        let scope = action.scope().cloned().unwrap_or_default();
        Self { at: Span(at.elapsed()), phase: None, scope, actions: vec![action] }
    }

    /// The action `add`, if the entry has it.
    pub fn added(&self) -> Option<&Add> {
        self.actions.iter().find_map(|action| match action {
            Action::Add(add) => Some(add),
            _ => None,
        })
    }
}

impl Serialize for TimelineEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &self.at)?;
        if let Some(phase) = &self.phase {
            map.serialize_entry("phase", phase)?;
        }
        for (name, value) in [("group", &self.scope.group), ("device", &self.scope.device)] {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for action in &self.actions {
            let value = serde_json::to_value(action).map_err(serde::ser::Error::custom)?;
            map.serialize_entry(action.name(), &value[action.name()])?;
        }
        map.end()
    }
}

/// The fields of an entry that are not actions.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema of these fields is used")]
struct OwnFields {
    /// Time of the action, from the beginning of the run.
    at: Span,
    /// Name of a phase that begins. It lasts until the next phase, or to the end of the run.
    phase: Option<DeviceId>,
    /// With `faults` or `ramp`: only this group.
    group: Option<String>,
    /// With `faults`: only devices whose names match; `*` stands for any sequence of characters.
    device: Option<String>,
}

impl JsonSchema for TimelineEntry {
    fn schema_name() -> Cow<'static, str> {
        "TimelineEntry".into()
    }

    /// One action or the beginning of a phase, and the fields that go together.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = OwnFields::json_schema(generator);
        let mut required = Vec::new();
        for (name, action) in Action::schemas(generator) {
            schema.ensure_object()["properties"][name] = action.to_value();
            required.push(json!({"required": [name]}));
        }
        let phase_alone = json!({"required": ["phase"], "not": {"anyOf": required}});
        let choices: Vec<Value> = required.into_iter().chain([phase_alone]).collect();
        let combinations = json!({
            "group": {"anyOf": [{"required": ["faults"]}, {"required": ["ramp"]}], "not": {"required": ["device"]}},
            "device": {"required": ["faults"]},
        });
        let description = "An entry of a timeline: one action, or the beginning of a phase, or both.";
        schema.insert("description".to_owned(), description.into());
        schema.insert("oneOf".to_owned(), choices.into());
        schema.insert("dependentSchemas".to_owned(), combinations);
        schema
    }
}

/// Fields of an entry that are not actions.
const OWN_FIELDS: [&str; 4] = ["at", "phase", "group", "device"];

const FIELD_COUNT: usize = OWN_FIELDS.len() + Action::NAMES.len();

/// All fields of an entry, for errors that name the nearest one.
static FIELDS: [&str; FIELD_COUNT] = {
    let mut fields = [""; FIELD_COUNT];
    let mut at = 0;
    while at < FIELD_COUNT {
        fields[at] = match at < OWN_FIELDS.len() {
            true => OWN_FIELDS[at],
            false => Action::NAMES[at - OWN_FIELDS.len()],
        };
        at += 1;
    }
    fields
};

/// Name of a field of an entry.
struct Field(&'static str);

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(FieldVisitor)
    }
}

struct FieldVisitor;

impl Visitor<'_> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("field identifier")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Field, E> {
        let known = FIELDS.iter().find(|known| **known == name);
        known.map(|known| Field(known)).ok_or_else(|| E::unknown_field(name, &FIELDS))
    }
}

impl<'de> Deserialize<'de> for TimelineEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("TimelineEntry", &FIELDS, EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = TimelineEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("struct TimelineEntry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TimelineEntry, A::Error> {
        let (mut at, mut phase, mut scope) = (None, None, EntryScope::default());
        let mut actions: Vec<Action> = Vec::new();
        let mut seen = Vec::new();
        while let Some(Field(name)) = map.next_key()? {
            if seen.contains(&name) {
                map.next_value::<IgnoredAny>()?;
                return Err(A::Error::duplicate_field(name));
            }
            seen.push(name);
            match name {
                "at" => at = Some(map.next_value()?),
                "phase" => phase = map.next_value()?,
                "group" => scope.group = map.next_value()?,
                "device" => scope.device = map.next_value()?,
                action => actions.extend(Action::read(action, &mut map)?),
            }
        }
        let at = at.ok_or_else(|| A::Error::missing_field("at"))?;
        for of_action in actions.iter_mut().filter_map(TimelineAction::scope_mut) {
            *of_action = scope.clone();
        }
        Ok(TimelineEntry { at, phase, scope, actions })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written_again(entry: Value) -> Value {
        let entry: TimelineEntry = serde_json::from_value(entry).unwrap();
        serde_json::to_value(entry).unwrap()
    }

    #[test]
    fn an_entry_is_written_as_it_was_read() {
        for entry in [
            json!({"at": "5s", "phase": "storm"}),
            json!({"at": "5s", "group": "west", "faults": "inherit"}),
            json!({"at": "5s", "device": "west-*", "faults": {"fault": [{"kind": "loss", "probability": 0.5}]}}),
            json!({"at": "5s", "group": "west", "ramp": {"field": "loss.probability", "from": 0, "to": 0.5,
                "over": "10s", "steps": 4}}),
            json!({"at": "5s", "crash": {"group": "west", "share": 0.5}}),
            json!({"at": "5s", "stop": {"devices": ["west-1"]}}),
            json!({"at": "5s", "start": {"count": 2}}),
            json!({"at": "5s", "disconnect": {"count": 2, "for": "3s"}}),
            json!({"at": "5s", "partition": {"group": "west", "for": "3s", "direction": "out", "peers": ["east-*"]}}),
            json!({"at": "5s", "broker": {"restart": "3s", "persistent": true}}),
            json!({"at": "5s", "publish": {"topic": "a", "payload": "b", "qos": 1, "retain": true, "device": "west-1"}}),
            json!({"at": "5s", "request": {"device": "west-1", "method": "PUT", "path": "/x", "headers": {"a": "b"},
                "body": "c"}}),
            json!({"at": "5s", "add": {"group": "west", "count": 2}}),
            json!({"at": "5s", "configure": {"group": "west", "config": {"interval": "1s"}}}),
            json!({"at": "5s", "swap": {"group": "west", "behaviour": "b.wasm", "trial": "10s", "share": 0.5}}),
        ] {
            assert_eq!(written_again(entry.clone()), entry);
        }
    }

    #[test]
    fn null_is_an_absent_field_and_unknown_fields_are_refused() {
        assert_eq!(
            written_again(json!({"at": 5, "phase": null, "crash": null, "stop": {}})),
            json!({"at": "5s", "stop": {}})
        );
        let error = serde_json::from_value::<TimelineEntry>(json!({"at": 5, "crsh": {}})).unwrap_err();
        assert!(
            error.to_string().starts_with("unknown field `crsh`, expected one of `at`, `phase`"),
            "{error}"
        );
        let error = serde_json::from_str::<TimelineEntry>(r#"{"at": 5, "at": 6}"#).unwrap_err();
        assert!(error.to_string().starts_with("duplicate field `at`"), "{error}");
    }
}
