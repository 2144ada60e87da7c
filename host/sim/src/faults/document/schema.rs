//! JSON Schemas of fault documents, from the fields of the kinds.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::FaultEntry;
use crate::faults::Kind;

/// The fields that every kind has.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only the schema of these fields is used")]
struct CommonFields {
    /// Name of the fault in the ledger and in metrics, unique in the document; the kind by default.
    #[schemars(extend("pattern" = "^[A-Za-z0-9._-]{1,128}$"))]
    id: Option<String>,
    /// Only for devices of this group.
    group: Option<String>,
    /// Only for devices with this name, in which `*` stands for any sequence of characters.
    #[schemars(extend("examples" = ["west-*"]))]
    device: Option<String>,
}

impl JsonSchema for FaultEntry {
    fn schema_name() -> Cow<'static, str> {
        "Fault".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kinds: Vec<Schema> = Kind::ALL.iter().map(|kind| kind_schema(*kind, generator)).collect();
        schemars::json_schema!({"description": "One fault, with the fields of its kind.", "oneOf": kinds})
    }
}

/// The schema of a fault of one kind.
fn kind_schema(kind: Kind, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = kind.schema(generator);
    let mut common = CommonFields::json_schema(generator);
    let properties = schema.ensure_object().entry("properties").or_insert_with(|| json!({}));
    for (name, field) in common.ensure_object()["properties"].as_object().into_iter().flatten() {
        if name == "id" || kind.has_target() {
            properties[name] = field.clone();
        }
    }
    properties["kind"] = match kind.spellings() {
        [only] => json!({"const": only}),
        spellings => json!({"enum": spellings}),
    };
    let required = schema.ensure_object().entry("required").or_insert_with(|| json!([]));
    if let Value::Array(required) = required {
        required.insert(0, "kind".into());
    }
    schema
}

/// Accepts `faults` as another name for the list of a document.
pub(super) fn accept_plural(schema: &mut Schema) {
    let Some(list) = schema.pointer("/properties/fault").cloned() else { return };
    if let Some(properties) = schema.get_mut("properties") {
        properties["faults"] = list;
        properties["faults"]["description"] = "Another name for `fault`.".into();
    }
    schema.insert("not".to_owned(), json!({"required": ["fault", "faults"]}));
}
