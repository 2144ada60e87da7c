//! `[hunt]`: what `wasmote experiment hunt` may vary in a plan, and what counts as a failure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wasmote_sim::faults::span::Span;

/// The table. Without pools of its own, a hunt draws from pools that suit most plans.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HuntTable {
    /// Duration of each run of the hunt; that of the plan by default.
    pub duration: Option<Span>,
    /// Faults that a run may have in addition to those of the plan.
    pub fault: Vec<Template>,
    /// Timeline entries that a run may have in addition to those of the plan.
    pub action: Vec<Template>,
    /// Fields of the plan that a run may set, by path, each with its values.
    pub set: BTreeMap<String, DrawnValue>,
    /// Whether a run has the usual faults and actions if the plan lists none; true by default.
    pub defaults: Option<bool>,
    /// Whether a trap of a behaviour is a failure; true by default.
    pub traps: Option<bool>,
    /// Whether a log line of a behaviour at `error` is a failure.
    pub errors: bool,
    /// Whether a missed threshold is a failure; true by default.
    pub thresholds: Option<bool>,
}

/// A fault or a timeline entry in which values may be drawn.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Template(pub Map<String, Value>);

/// Values that may be drawn: `{ min, max }`, `{ any = [...] }`, or a list.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct DrawnValue(pub Value);

const DRAWN: &str = "In any place, `{ min = A, max = B }` draws a number or a time between both, and `{ any = [...] }` one of the list.";

impl JsonSchema for Template {
    fn schema_name() -> Cow<'static, str> {
        "HuntTemplate".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": format!("A fault or a timeline entry. {DRAWN} An entry of the timeline may have `times`, the number of its occurrences; without `at` its time is drawn."),
            "type": "object",
            "minProperties": 1,
            "examples": [
                {"kind": "loss", "probability": {"min": 0.01, "max": 0.5}},
                {"at": {"min": "10s", "max": "50s"}, "crash": {"count": 1}},
            ],
        })
    }
}

impl JsonSchema for DrawnValue {
    fn schema_name() -> Cow<'static, str> {
        "DrawnValue".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        let examples = json!([{"min": 2, "max": 8}, ["1s", "10s"]]);
        json_schema!({
            "description": "The values: a list, or `{ min = A, max = B }` for a number or a time between both.",
            "oneOf": [
                {"type": "array", "minItems": 1},
                {"type": "object", "minProperties": 1},
            ],
            "examples": examples,
        })
    }
}
