//! Parts of JSON Schemas that schemars does not derive.

use schemars::Schema;
use serde_json::{Value, json};

/// Lets a file call a field by another name as well, but not by both.
pub fn accept_alias(schema: &mut Schema, field: &str, alias: &str) {
    let object = schema.ensure_object();
    let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let Some(mut property) = properties.get(field).cloned() else { return };
    property["description"] = format!("Another name for `{field}`.").into();
    properties.insert(alias.to_owned(), property);
    let required = object.get_mut("required").and_then(Value::as_array_mut);
    let position = required.as_ref().and_then(|names| names.iter().position(|name| name == field));
    match required.zip(position) {
        Some((names, position)) => {
            names.remove(position);
            object.insert("oneOf".to_owned(), json!([{"required": [field]}, {"required": [alias]}]));
        }
        None => {
            object.insert("not".to_owned(), json!({"required": [field, alias]}));
        }
    }
}
