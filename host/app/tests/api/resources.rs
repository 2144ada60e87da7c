//! Successful responses.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::harness::Harness;

#[tokio::test]
async fn status_is_that_of_a_single_device_or_of_the_fleet() {
    let one = Harness::new(1).await.get("/status").await.json();
    assert_eq!((&one["device"], &one["behaviour"]), (&json!("heartbeat-0"), &json!("heartbeat")));
    assert_eq!(one["state"], "offline");
    assert!(one["why"].is_string() && one["uptime_s"].is_number() && one["seed"].is_u64(), "{one}");

    let several = Harness::new(3).await;
    let fleet = several.get("/status").await.json();
    assert_eq!((&fleet["devices"], &fleet["states"]), (&json!(3), &json!({"offline": 3})));
    let named = several.get("/status?device=heartbeat-2").await.json();
    assert_eq!(named["device"], "heartbeat-2");
}

#[tokio::test]
async fn devices_are_listed_by_page_and_by_state() {
    let harness = Harness::new(5).await;
    let page = harness.get("/devices?offset=1&limit=2").await.json();
    assert_eq!(page["total"], 5);
    let names: Vec<_> = page["devices"].as_array().unwrap().iter().map(|row| row["device"].clone()).collect();
    assert_eq!(names, ["heartbeat-1", "heartbeat-2"]);
    assert_eq!(harness.json("POST", "/devices/heartbeat-3/stop", "").await.status, 200);
    let stopped = harness.get("/devices?state=stopped&group=heartbeat").await.json();
    assert_eq!((&stopped["total"], &stopped["devices"][0]["device"]), (&json!(1), &json!("heartbeat-3")));
    assert_eq!(stopped["devices"][0]["why"], "asked to stop");
}

#[tokio::test]
async fn a_message_is_accepted_and_counted() {
    let harness = Harness::new(2).await;
    harness.json("POST", "/devices/heartbeat-0/stop", "").await;
    let answer = harness.json("POST", "/publish", r#"{"message": "Hello network!"}"#).await;
    // The first running device.
    let wanted =
        json!({"status": "accepted", "device": "heartbeat-1", "topic": "wasmote/heartbeat-1/message"});
    let found = answer.json();
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(&found[field], value, "{found}");
    }
    let metrics = harness.get("/metrics?device=heartbeat-1").await.json();
    assert_eq!((&metrics["generated"], &metrics["ledger_closes"]), (&json!(1), &json!(true)), "{metrics}");
    let one = harness.get("/devices/heartbeat-1").await.json();
    assert_eq!((&one["device"], &one["metrics"]["generated"]), (&json!("heartbeat-1"), &json!(1)));
}

#[tokio::test]
async fn metrics_are_json_unless_text_is_accepted() {
    let harness = Harness::new(2).await;
    let ask = |accept: &'static str| {
        harness.ask(Request::get("/metrics").header("accept", accept).body(Body::empty()).unwrap())
    };
    assert_eq!(harness.get("/metrics").await.content_type, "application/json");
    assert_eq!(ask("*/*").await.content_type, "application/json");
    let text = ask("application/openmetrics-text;q=0.9, text/plain;q=0.5, */*;q=0.1").await;
    assert!(text.content_type.starts_with("application/openmetrics-text"), "{}", text.content_type);
    assert!(text.text.contains("\nwasmote_devices 2\n") && text.text.ends_with("# EOF\n"), "{}", text.text);
    assert!(ask("text/plain").await.content_type.starts_with("text/plain; version=0.0.4"));
}

#[tokio::test]
async fn a_behaviour_gets_the_path_the_query_and_the_body() {
    let harness = Harness::new(1).await;
    let answer = harness.json("PUT", "/devices/heartbeat-0/app/a%2Fb/c?x=1", "12345").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "PUT /a%2Fb/c?x=1 5 bytes"));
    assert_eq!(harness.get("/devices/heartbeat-0/app").await.text, "GET / 0 bytes");
    assert_eq!(harness.get("/devices/heartbeat-0/app/").await.text, "GET / 0 bytes");
}

#[tokio::test]
async fn the_process_is_healthy_without_a_broker() {
    let harness = Harness::new(1).await;
    assert_eq!(harness.get("/healthz").await.status, 200);
    assert_eq!(harness.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn the_index_lists_what_the_openapi_document_describes() {
    let harness = Harness::new(1).await;
    let index = harness.get("/").await.text;
    let document = harness.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 15);
    for path in paths.keys() {
        assert!(index.contains(&format!(" {path} ")), "{path} in {index}");
    }
}

/// Schema of a successful response, with all referenced schemas.
fn answer_schema(document: &Value, path: &str, method: &str) -> Value {
    let response = &document["paths"][path][method]["responses"]["200"];
    let mut schema = response["content"]["application/json"]["schema"].clone();
    schema["components"] = document["components"].clone();
    schema
}

#[tokio::test]
async fn answers_have_the_fields_that_the_openapi_document_describes() {
    let harness = Harness::new(2).await;
    harness.json("POST", "/devices/heartbeat-0/stop", "").await;
    let document = harness.get("/openapi.json").await.json();
    for (method, path, url, body) in [
        ("get", "/status", "/status", ""),
        ("get", "/status", "/status?device=heartbeat-0", ""),
        ("get", "/metrics", "/metrics", ""),
        ("get", "/metrics", "/metrics?device=heartbeat-1", ""),
        ("get", "/devices", "/devices", ""),
        ("get", "/devices/{id}", "/devices/heartbeat-0", ""),
        ("get", "/behaviours", "/behaviours", ""),
        ("get", "/behaviours/{name}", "/behaviours/heartbeat", ""),
        ("put", "/faults", "/faults", r#"{"fault": [{"kind": "loss", "probability": 0.1, "device": "x"}]}"#),
        ("get", "/devices/{id}/faults", "/devices/heartbeat-0/faults", ""),
        ("post", "/publish", "/publish", r#"{"message": "Hello network!"}"#),
        ("post", "/devices/{id}/start", "/devices/heartbeat-0/start", ""),
    ] {
        let answer = match body {
            "" if method == "get" => harness.get(url).await,
            _ => harness.json(&method.to_uppercase(), url, body).await,
        };
        let answer = answer.json();
        let mut schema = answer_schema(&document, path, method);
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let problems: Vec<_> = validator.iter_errors(&answer).map(|problem| problem.to_string()).collect();
        assert!(problems.is_empty(), "{method} {url}: {problems:?} in {answer:#}");
        // The schema describes every field.
        schema["unevaluatedProperties"] = false.into();
        if answer.is_object() {
            let validator = jsonschema::draft202012::new(&schema).unwrap();
            assert!(validator.is_valid(&answer), "{method} {url}: {answer:#}");
        }
    }
}

/// Collects properties without a description.
fn undescribed(value: &Value, at: &str, found: &mut Vec<String>) {
    let Some(object) = value.as_object() else { return };
    for (name, value) in object {
        let at = format!("{at}/{name}");
        if name == "properties" {
            for (field, schema) in value.as_object().into_iter().flatten() {
                if schema.get("description").is_none() && schema.get("const").is_none() {
                    found.push(format!("{at}/{field}"));
                }
            }
        }
        undescribed(value, &at, found);
    }
}

#[tokio::test]
async fn every_field_of_an_answer_is_described() {
    let document = Harness::new(1).await.get("/openapi.json").await.json();
    let mut found = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if !name.starts_with("Fault") {
            undescribed(schema, name, &mut found);
        }
    }
    assert!(found.is_empty(), "{found:?}");
}
