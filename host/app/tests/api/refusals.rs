//! What is answered when something is wrong: a 4xx that names the field.

use crate::bench::Bench;

#[tokio::test]
async fn a_message_that_cannot_be_published_names_its_field() {
    let bench = Bench::new(2).await;
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
        let refused = bench.json("POST", "/publish", body).await;
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
        bench.json("POST", "/devices/heartbeat-1/publish", body).await.refusal(),
        (400, "device".into())
    );
    let plain = bench.send("POST", "/publish", "application/x-www-form-urlencoded", body).await;
    assert_eq!(plain.refusal(), (415, "content-type".into()));
}

#[tokio::test]
async fn a_device_that_is_not_there_is_answered_with_the_nearest() {
    let bench = Bench::new(2).await;
    for path in [
        "/devices/hartbeat-1",
        "/status?device=hartbeat-1",
        "/metrics?device=hartbeat-1",
        "/devices/hartbeat-1/app/x",
        "/events?device=hartbeat-1",
    ] {
        let refused = bench.get(path).await;
        assert_eq!(refused.refusal(), (404, "device".into()), "{path}");
        assert!(refused.text.contains("did you mean `heartbeat-1`?"), "{path}: {}", refused.text);
    }
    assert_eq!(bench.get("/groups/x/faults").await.refusal(), (404, "group".into()));
}

#[tokio::test]
async fn a_device_that_is_off_cannot_publish() {
    let bench = Bench::new(1).await;
    bench.json("POST", "/devices/heartbeat-0/stop", "").await;
    for path in ["/publish", "/devices/heartbeat-0/publish"] {
        assert_eq!(
            bench.json("POST", path, r#"{"message": 1}"#).await.refusal(),
            (409, "device".into()),
            "{path}"
        );
    }
    assert_eq!(bench.get("/devices/heartbeat-0/app/").await.status, 503);
}

#[tokio::test]
async fn parameters_methods_and_paths_are_checked() {
    let bench = Bench::new(1).await;
    for (method, path, status, field) in [
        ("GET", "/devices?limit=0", 400, "limit"),
        ("GET", "/devices?limit=many", 400, "limit"),
        ("GET", "/devices?page=2", 400, "page"),
        ("GET", "/devices?state=asleep", 400, "state"),
        ("GET", "/devices?group=x", 404, "group"),
        ("GET", "/events?kind=conected", 400, "kind"),
        ("DELETE", "/status", 405, "method"),
        ("GET", "/statsu", 404, "path"),
        ("POST", "/devices/heartbeat-0/explode", 404, "path"),
    ] {
        let refused = bench.json(method, path, "").await;
        assert_eq!(refused.refusal(), (status, field.into()), "{method} {path}: {}", refused.text);
    }
}
