//! JSON Schemas of fault documents.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use wasmote_sim::faults::document::{self, Kind};

/// A fault document, or the name of a preset.
pub(super) struct FaultsBody;

impl JsonSchema for FaultsBody {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FaultsBody".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let document = generator.subschema_for::<FaultDocument>();
        json_schema!({"oneOf": [document, {"enum": document::FaultDocument::PRESETS}]})
    }
}

/// A list of faults, applied to messages in this order.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct FaultDocument {
    /// The faults.
    #[schemars(default)]
    fault: Vec<Fault>,
}

/// A fault, with the fields of all kinds.
struct Fault;

/// Fields of a fault that are durations.
const SPANS: [&str; 11] =
    ["min", "max", "mean", "std", "apart", "every", "for", "uptime", "offset", "offset_spread", "recharge"];

/// Fields of a fault that are probabilities.
const PROBABILITIES: [&str; 2] = ["probability", "correlation"];

/// Fields of a fault that are counts.
const COUNTS: [&str; 7] =
    ["copies", "bits", "gap", "bytes_per_second", "queue_bytes", "buffer_bytes", "times"];

/// Fields of a fault that are numbers without bounds in the schema.
const NUMBERS: [&str; 11] = [
    "shape",
    "run_length",
    "drift_ppm",
    "drift_spread_ppm",
    "capacity_joules",
    "idle_watts",
    "send_joules",
    "send_joules_per_byte",
    "receive_joules",
    "receive_joules_per_byte",
    "event_joules",
];

impl JsonSchema for Fault {
    fn schema_name() -> Cow<'static, str> {
        "Fault".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json!({"type": "string"});
        let mut properties = json!({
            "id": {"type": "string", "description": "Name of the fault; by default its kind"},
            "kind": {"enum": Kind::ALL.map(Kind::name)},
            "group": text,
            "device": {"type": "string", "description": "Name of a device; * matches any characters"},
            "direction": {"enum": ["out", "in", "both"]},
            "distribution": {"enum": ["uniform", "constant", "normal", "lognormal", "pareto"]},
            "peers": {"type": "array", "items": text},
            "together": {"type": "boolean"},
            "file": {
                "type": "string",
                "description": "Name of a fault model, or a file named at the start of the run; other files are not opened",
            },
            "config": {"type": "object", "description": "Configuration of the fault model"},
            "persistent": {"type": "boolean"},
        });
        let span = json!({"type": ["string", "number"], "description": "\"500ms\", \"1m 30s\", or seconds"});
        let fields_by_type: [(Value, &[&str]); 4] = [
            (span, &SPANS),
            (json!({"type": "number", "minimum": 0, "maximum": 1}), &PROBABILITIES),
            (json!({"type": "integer", "minimum": 0}), &COUNTS),
            (json!({"type": "number"}), &NUMBERS),
        ];
        for (schema, fields) in fields_by_type {
            for field in fields {
                properties[*field] = schema.clone();
            }
        }
        json_schema!({
            "type": "object",
            "required": ["kind"],
            "additionalProperties": false,
            "properties": properties,
        })
    }
}
