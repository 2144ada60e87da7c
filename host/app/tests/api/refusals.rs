//! Error responses: a 4xx status and the invalid field.

use axum::body::Body;
use axum::http::Request;

use crate::harness::Harness;

#[tokio::test]
async fn a_message_that_cannot_be_published_names_its_field() {
    let harness = Harness::new(2).await;
    let large = format!(r#"{{"message": "{}"}}"#, "x".repeat(200 << 10));
    let larger = format!(r#"{{"message": "{}"}}"#, "x".repeat(2 << 20));
    for (body, status, field) in [
        (r#"{"message": "x", "qos": 3}"#, 400, "qos"),
        (r#"{"message": "x", "topic": "a/+/b"}"#, 400, "topic"),
        (r#"{"message": "x", "topic": 7}"#, 400, "topic"),
        (r#"{"message": "x", "retain": "yes"}"#, 400, "retain"),
        (r#"{"mesage": "x"}"#, 400, "mesage"),
        (r#"{}"#, 400, "message"),
        (r#"{"message": "#, 400, "body"),
        ("", 400, "body"),
        (r#"{"message": "x", "device": "heartbeat-7"}"#, 404, "device"),
        (large.as_str(), 413, "message"),
        (larger.as_str(), 413, "body"),
    ] {
        let refused = harness.json("POST", "/publish", body).await;
        assert_eq!(
            refused.refusal(),
            (status, field.into()),
            "{}: {}",
            &body[..body.len().min(60)],
            refused.text
        );
    }
    let body = r#"{"message": "x", "device": "heartbeat-0"}"#;
    assert_eq!(
        harness.json("POST", "/devices/heartbeat-1/publish", body).await.refusal(),
        (400, "device".into())
    );
    let plain = harness.send("POST", "/publish", "application/x-www-form-urlencoded", body).await;
    assert_eq!(plain.refusal(), (415, "content-type".into()));
}

#[tokio::test]
async fn an_unknown_device_is_answered_with_a_suggestion() {
    let harness = Harness::new(2).await;
    for path in [
        "/devices/hartbeat-1",
        "/status?device=hartbeat-1",
        "/metrics?device=hartbeat-1",
        "/devices/hartbeat-1/app/x",
        "/events?device=hartbeat-1",
    ] {
        let refused = harness.get(path).await;
        assert_eq!(refused.refusal(), (404, "device".into()), "{path}");
        assert!(refused.text.contains("did you mean `heartbeat-1`?"), "{path}: {}", refused.text);
    }
    assert_eq!(harness.get("/groups/x/faults").await.refusal(), (404, "group".into()));
}

#[tokio::test]
async fn a_stopped_device_cannot_publish() {
    let harness = Harness::new(1).await;
    harness.json("POST", "/devices/heartbeat-0/stop", "").await;
    for path in ["/publish", "/devices/heartbeat-0/publish"] {
        assert_eq!(
            harness.json("POST", path, r#"{"message": 1}"#).await.refusal(),
            (409, "device".into()),
            "{path}"
        );
    }
    assert_eq!(harness.get("/devices/heartbeat-0/app/").await.refusal(), (503, "device".into()));
}

#[tokio::test]
async fn parameters_methods_and_paths_are_checked() {
    let harness = Harness::new(1).await;
    for (method, path, status, field) in [
        ("GET", "/devices?limit=0", 400, "limit"),
        ("GET", "/devices?limit=many", 400, "limit"),
        ("GET", "/devices?page=2", 400, "page"),
        ("GET", "/devices?state=asleep", 400, "state"),
        ("GET", "/devices?group=x", 404, "group"),
        ("GET", "/events?kind=conected", 400, "kind"),
        ("DELETE", "/status", 405, "method"),
        ("TRACE", "/devices/heartbeat-0/app/", 405, "method"),
        ("GET", "/statsu", 404, "path"),
        ("POST", "/devices/heartbeat-0/explode", 404, "path"),
    ] {
        let refused = harness.json(method, path, "").await;
        assert_eq!(refused.refusal(), (status, field.into()), "{method} {path}: {}", refused.text);
    }
}

#[tokio::test]
async fn a_device_may_be_named_in_the_query_but_not_two() {
    let harness = Harness::new(3).await;
    let body = r#"{"message": 1}"#;
    let answer = harness.json("POST", "/publish?device=heartbeat-2", body).await.json();
    assert_eq!(answer["device"], "heartbeat-2");
    let both = r#"{"message": 1, "device": "heartbeat-1"}"#;
    for (path, body, status, field) in [
        ("/publish?device=heartbeat-2", both, 400, "device"),
        ("/publish?device=hartbeat-2", body, 404, "device"),
        ("/publish?qos=1", body, 400, "qos"),
        ("/devices/heartbeat-0/publish?device=heartbeat-0", body, 400, "device"),
    ] {
        assert_eq!(harness.json("POST", path, body).await.refusal(), (status, field.into()), "{path}");
    }
}

#[tokio::test]
async fn errors_are_readable_and_truncated() {
    let harness = Harness::new(1).await;
    for body in ["[]", "null", "7"] {
        let refused = harness.json("POST", "/publish", body).await;
        assert_eq!(refused.refusal(), (400, "body".into()));
        assert!(refused.text.contains("expected a JSON object like"), "{}", refused.text);
    }
    let refused = harness.get("/devices?limit=abc").await;
    assert!(refused.text.contains("expected a whole number"), "{}", refused.text);
    let refused = harness.json("PUT", "/faults", "[1]").await;
    assert!(refused.text.contains("expected a JSON object like"), "{}", refused.text);
    let long = harness.get(&format!("/devices/{}", "x".repeat(4_000))).await;
    assert_eq!(long.json()["error"]["found"].as_str().map(|found| found.chars().count()), Some(101));
}

#[tokio::test]
async fn cross_origin_requests_are_read_only() {
    let harness = Harness::new(1).await;
    let ask = async |method: &str, origin: Option<&str>| {
        let path = if method == "GET" { "/status" } else { "/devices/heartbeat-0/start" };
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost:5000");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        harness.ask(request.body(Body::empty()).unwrap()).await
    };
    for origin in ["https://evil.example", "http://localhost:8080", "null"] {
        assert_eq!(ask("POST", Some(origin)).await.refusal(), (403, "origin".into()), "{origin}");
        assert_eq!(ask("GET", Some(origin)).await.status, 200);
    }
    for origin in [None, Some("http://localhost:5000")] {
        assert_eq!(ask("POST", origin).await.status, 200, "{origin:?}");
    }
}

/// This fleet has no components of its own, like that of an experiment, whose plan decides about its groups.
#[tokio::test]
async fn a_plan_decides_about_the_groups_of_its_run() {
    let harness = Harness::new(1).await;
    for (method, path, body) in [
        ("POST", "/groups/heartbeat/devices", r#"{"count": 1}"#),
        ("PUT", "/groups/heartbeat/behaviour", r#"{"config": {}}"#),
    ] {
        let refused = harness.json(method, path, body).await;
        assert_eq!(refused.refusal(), (409, "group".into()), "{}", refused.text);
        assert!(refused.text.contains("the plan's timeline"), "{}", refused.text);
    }
}
