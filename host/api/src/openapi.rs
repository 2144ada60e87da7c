//! `GET /openapi.json`, generated from the table of endpoints and their types.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use wasmote_fleet::http_access::{HttpAccess, TOKEN_HEADER};

use super::Api;
use super::endpoint::{Endpoint, get};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/openapi.json", openapi)
            .summary("This API as an OpenAPI document")
            .response::<Map<String, Value>>(),
    ]
}

async fn openapi(State(api): State<Arc<Api>>) -> Json<Value> {
    Json(document(&super::endpoints(), &api.run_info.access))
}

/// The document of a host without a token, for documentation.
pub fn document_of_all() -> Value {
    document(&super::endpoints(), &HttpAccess::default())
}

/// Builds the document of a host with these rules for clients. OpenAPI 3.1 uses JSON Schema 2020-12 without changes.
fn document(endpoints: &[Endpoint], access: &HttpAccess) -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|it| it.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints.iter().filter(|endpoint| !endpoint.summary.is_empty()) {
        let item = paths.entry(endpoint.documented_path()).or_insert_with(|| json!({}));
        for method in endpoint.methods {
            item[*method] = endpoint.operation(method, access, &mut generator);
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
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The token of --http-token-file"},
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": TOKEN_HEADER,
                    "description": "The same token, where a proxy consumes Authorization",
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wasmote_fleet::http_access::HttpToken;

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
        let document = document(&crate::endpoints(), &HttpAccess::default());
        let mut used = BTreeSet::new();
        references(&document, &mut used);
        let used: BTreeSet<_> =
            used.iter().map(|name| name.trim_start_matches("#/components/schemas/")).collect();
        let defined = document["components"]["schemas"].as_object().unwrap();
        assert_eq!(used, defined.keys().map(String::as_str).collect());
    }

    #[test]
    fn every_operation_has_a_summary_and_a_response() {
        let document = document(&crate::endpoints(), &HttpAccess::default());
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(operation["summary"].as_str().is_some_and(|it| !it.is_empty()), "{method} {path}");
                assert!(operation["responses"]["200"].is_object(), "{method} {path}");
            }
        }
    }

    #[test]
    fn every_operation_has_the_answers_of_the_guard() {
        let token = Some(HttpToken::generate().unwrap());
        for access in [HttpAccess::default(), HttpAccess { token, private: true, ..HttpAccess::default() }] {
            let document = document(&crate::endpoints(), &access);
            for (path, item) in document["paths"].as_object().unwrap() {
                for (method, operation) in item.as_object().unwrap() {
                    let has = |status: u16| operation["responses"][status.to_string()]["content"].is_object();
                    let name = format!("{method} {path}");
                    assert!(has(408) && has(431), "{name}");
                    let is_probe = crate::PROBES.contains(&path.as_str());
                    assert!([400, 414, 421, 429].map(has) == [!is_probe; 4], "{name}");
                    // The safe methods of RFC 9110, 9.2.1.
                    let is_change = !["get", "head", "options"].contains(&method.as_str());
                    let is_protected = !is_probe && (is_change || access.private);
                    assert_eq!(
                        operation["security"].is_array(),
                        is_protected && access.token.is_some(),
                        "{name}"
                    );
                    assert_eq!(has(401), is_protected && access.token.is_some(), "{name}");
                    assert_eq!(has(403), is_change || is_protected && access.token.is_none(), "{name}");
                    let has_body = operation["requestBody"].is_object();
                    assert!(!has_body || has(413), "{name}");
                }
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
