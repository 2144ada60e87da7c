//! `GET /openapi.json`, generated from the table of endpoints and their types.

use axum::Json;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::endpoint::{Endpoint, get};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/openapi.json", openapi)
            .summary("This API as an OpenAPI document")
            .response::<Map<String, Value>>(),
    ]
}

async fn openapi() -> Json<Value> {
    Json(document(&super::endpoints()))
}

/// Builds the document. OpenAPI 3.1 uses JSON Schema 2020-12 without changes.
fn document(endpoints: &[Endpoint]) -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|it| it.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints.iter().filter(|endpoint| !endpoint.summary.is_empty()) {
        let item = paths.entry(endpoint.documented_path()).or_insert_with(|| json!({}));
        for method in endpoint.methods {
            item[*method] = endpoint.operation(&mut generator);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Wasmote",
            "description": "A fleet of simulated IoT devices, each a sandboxed Wasm component.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {"schemas": generator.take_definitions(true)},
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(name)) = object.get("$ref") {
                    found.insert(name);
                }
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn used_schemas_and_defined_schemas_are_the_same() {
        let document = document(&crate::endpoints());
        let mut used = BTreeSet::new();
        references(&document, &mut used);
        let used: BTreeSet<_> =
            used.iter().map(|name| name.trim_start_matches("#/components/schemas/")).collect();
        let defined = document["components"]["schemas"].as_object().unwrap();
        assert_eq!(used, defined.keys().map(String::as_str).collect());
    }

    #[test]
    fn every_operation_has_a_summary_and_a_response() {
        let document = document(&crate::endpoints());
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(operation["summary"].as_str().is_some_and(|it| !it.is_empty()), "{method} {path}");
                assert!(operation["responses"]["200"].is_object(), "{method} {path}");
            }
        }
    }

    #[test]
    fn an_undocumented_spelling_belongs_to_a_documented_path() {
        let endpoints = crate::endpoints();
        for spelling in endpoints.iter().filter(|endpoint| endpoint.summary.is_empty()) {
            let stem = spelling.path.trim_end_matches('/');
            let documented = |it: &&Endpoint| !it.summary.is_empty() && it.path.starts_with(stem);
            assert!(endpoints.iter().any(|it| documented(&it)), "{}", spelling.path);
        }
    }
}
