//! Changes of the faults of a fleet, a group and a device at run time.

use serde_json::json;

use crate::harness::Harness;

const LOSS: &str = r#"{"fault": [{"kind": "loss", "probability": 1}]}"#;

#[tokio::test]
async fn the_narrower_scope_applies_until_it_is_deleted() {
    let harness = Harness::new(2).await;
    let own = harness.json("PUT", "/devices/heartbeat-1/faults", LOSS).await.json();
    assert_eq!(
        (&own["scope"], &own["set_for"], &own["origin"]),
        (&json!("device"), &json!("device"), &json!("http"))
    );
    // A change of the fleet's faults does not affect this device.
    assert_eq!(harness.json("PUT", "/faults", "\"none\"").await.json()["origin"], "none");
    let message = r#"{"message": 1}"#;
    for device in ["heartbeat-0", "heartbeat-1"] {
        harness.json("POST", &format!("/devices/{device}/publish"), message).await;
    }
    let dropped = |metrics: serde_json::Value| metrics["dropped"]["loss"].as_u64().unwrap_or_default();
    assert_eq!(dropped(harness.get("/metrics?device=heartbeat-0").await.json()), 0);
    assert_eq!(dropped(harness.get("/metrics?device=heartbeat-1").await.json()), 1);
    let inherited = harness.json("DELETE", "/devices/heartbeat-1/faults", "").await.json();
    assert_eq!((&inherited["set_for"], &inherited["origin"]), (&json!("fleet"), &json!("none")));
    assert_eq!(harness.json("DELETE", "/faults", "").await.json()["origin"], "realistic");
}

#[tokio::test]
async fn a_fault_that_matches_no_device_is_set_with_a_warning() {
    let harness = Harness::new(2).await;
    let loss =
        |device: &str| json!({"fault": [{"kind": "loss", "probability": 1, "device": device}]}).to_string();
    assert_eq!(harness.json("PUT", "/faults", &loss("heartbeat-*")).await.json()["warnings"], json!([]));
    let response = harness.json("PUT", "/faults", &loss("zz*")).await.json();
    assert_eq!(response["warnings"], json!(["fault[0].device: no device that has this fault fits `zz*`"]));
    // heartbeat-1 exists, but these faults are set for heartbeat-0 only.
    let response = harness.json("PUT", "/devices/heartbeat-0/faults", &loss("heartbeat-1")).await.json();
    assert_eq!(response["warnings"].as_array().map(Vec::len), Some(1), "{response}");
    for (entry, field) in [
        (json!({"kind": "loss", "probability": 1, "device": ""}), "fault[0].device"),
        (json!({"kind": "partition", "peers": []}), "fault[0].peers"),
    ] {
        let refused = harness.json("PUT", "/faults", &json!({"fault": [entry]}).to_string()).await;
        assert_eq!(refused.refusal(), (400, field.into()));
    }
}

#[tokio::test]
async fn a_shown_document_can_be_sent_back() {
    let harness = Harness::new(1).await;
    let shown = harness.get("/faults").await.json();
    assert_eq!(shown["document"]["fault"].as_array().unwrap().len(), 3);
    let sent = harness.json("PUT", "/groups/heartbeat/faults", &shown["document"].to_string()).await.json();
    assert_eq!((&sent["document"], &sent["set_for"]), (&shown["document"], &json!("group")));
}

#[tokio::test]
async fn a_document_may_be_toml_and_errors_name_the_field() {
    let harness = Harness::new(1).await;
    let toml = "[[fault]]\nkind = \"delay\"\nmax = \"1s\"\n";
    assert_eq!(harness.send("PUT", "/faults", "application/toml", toml).await.status, 200);
    let toml = "[[fault]]\nkind = \"delay\"\nmaxx = \"1s\"\n";
    let refused = harness.send("PUT", "/faults", "application/toml", toml).await;
    assert_eq!(refused.refusal(), (400, "fault[0].maxx".into()));
    for (body, field) in [
        (r#"{"fault": [{"kind": "loss", "probability": 7}]}"#, "fault[0].probability"),
        (r#"{"fault": [{"kind": "los", "probability": 0.1}]}"#, "fault[0].kind"),
        (r#"{"fault": [{"kind": "loss", "probability": 0.1, "group": "x"}]}"#, "fault[0].group"),
        ("\"realistc\"", "body"),
    ] {
        assert_eq!(harness.json("PUT", "/faults", body).await.refusal(), (400, field.into()), "{body}");
    }
    assert_eq!(harness.send("PUT", "/faults", "text/plain", LOSS).await.refusal().0, 415);
}

#[tokio::test]
async fn a_model_is_referenced_by_name_and_no_file_is_opened() {
    let harness = Harness::new(1).await;
    let rain = |file: &str, config: serde_json::Value| {
        json!({"fault": [{"kind": "component", "id": "rain", "file": file, "config": config}]}).to_string()
    };
    let drowned = json!({"median_db": 100, "spread": 0});
    let set = harness.json("PUT", "/faults", &rain("rain-fade", drowned.clone())).await.json();
    assert_eq!(set["document"]["fault"][0]["config"], drowned);
    harness.json("POST", "/devices/heartbeat-0/publish", r#"{"message": 1}"#).await;
    let metrics = harness.get("/metrics").await.json();
    let counts = &metrics["faults"]["rain"];
    assert_eq!((&counts["dropped_out"], &counts["traps"]), (&json!(1), &json!(0)));
    let refused = harness.json("PUT", "/faults", &rain("rain-fade", json!({"margin_db": "wide"}))).await;
    assert_eq!(refused.refusal(), (400, "fault[0].config".into()));
    // The file exists and is a fault model, but was not named at the start of the run.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../behaviours/built/rain-fade.wasm");
    assert!(std::path::Path::new(file).is_file());
    let refused = harness.json("PUT", "/faults", &rain(file, json!({}))).await;
    assert!(refused.text.contains("no file is opened"), "{}", refused.text);
    assert_eq!(refused.refusal(), (400, "fault[0].file".into()));
}
