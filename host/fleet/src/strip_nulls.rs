//! Removes `null` from plans, because TOML has no `null`. A missing field of a plan means the same; in a payload
//! `null` is a value and is kept as JSON text.

use serde_json::Value;

/// Changes a plan into one that TOML can represent.
pub fn strip_nulls(plan: &mut Value) {
    for entry in plan.get_mut("timeline").and_then(Value::as_array_mut).into_iter().flatten() {
        entry.pointer_mut("/publish/payload").into_iter().for_each(payload_to_text);
    }
    remove_nulls(plan);
}

/// Replaces a payload that contains `null` by its JSON text, which is what devices publish.
fn payload_to_text(payload: &mut Value) {
    if !payload.is_null() && has_null(payload) {
        *payload = payload.to_string().into();
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(table) => table.values().any(has_null),
        Value::Array(list) => list.iter().any(has_null),
        _ => false,
    }
}

/// Removes the fields that are `null`.
pub fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(table) => {
            table.retain(|_, value| !value.is_null());
            table.values_mut().for_each(remove_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nulls_are_removed_from_fields_and_kept_in_payloads() {
        let publish = |payload: Value| json!({"publish": {"topic": "a", "payload": payload}});
        let payloads = [json!({"a": null, "b": 1}), json!([{"a": [null]}]), json!({"b": 1})];
        let mut plan = json!({"warm_up": null, "timeline": payloads.map(publish)});
        plan["timeline"][0]["phase"] = Value::Null;
        strip_nulls(&mut plan);
        let kept = [json!("{\"a\":null,\"b\":1}"), json!("[{\"a\":[null]}]"), json!({"b": 1})];
        assert_eq!(plan, json!({"timeline": kept.map(publish)}));
    }
}
