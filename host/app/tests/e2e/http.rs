//! Tests of the HTTP API with curl.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;

#[test]
fn one_device_has_the_api_of_the_predecessor() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/#");
    let fleet = Fleet::run(&["--devices", "1", "--broker", &broker.url(), "--faults", "none"]).ready();
    let status = fleet.get("/status");
    assert_eq!(status["device"], "heartbeat-0", "{status}");
    assert_eq!(status["behaviour"], "heartbeat");
    let (code, answer) = fleet.send("POST", "/publish", r#"{"message": "Hello network!"}"#);
    assert!((200..300).contains(&code), "{code} {answer}");
    let seen = subscriber.lines.wait_for("Hello network!");
    let payload: Value = serde_json::from_str(seen.split_once(' ').expect("a payload").1).expect("JSON");
    assert_eq!(payload["message"], "Hello network!");
    let metrics = fleet.get("/metrics");
    for field in ["sent", "received", "avg_latency", "latency_samples"] {
        assert!(metrics.get(field).is_some(), "{field}: {metrics}");
    }
}

#[test]
fn a_message_goes_to_its_topic_with_its_qos_and_retain() {
    let broker = Mosquitto::start();
    let fleet = Fleet::run(&["--devices", "3", "--broker", &broker.url(), "--faults", "none"]).ready();
    let body = json!({"message": "on", "topic": "plant/lamp", "qos": 1, "retain": true}).to_string();
    let (code, answer) = fleet.send("POST", "/devices/heartbeat-2/publish", &body);
    assert!((200..300).contains(&code), "{code} {answer}");
    broker.log.wait_for("'plant/lamp'");
    // A later subscriber gets the retained message.
    let late = broker.subscribe("plant/#");
    late.lines.wait_for("plant/lamp on");
}

#[test]
fn liveness_waits_for_no_change_of_faults() {
    let fleet = Fleet::run(&["--devices", "50", "--faults", "none"]).ready();
    let entry = |n| json!({"id": format!("f-{n}"), "kind": "silence", "every": "30s", "for": "1s", "probability": 0.0001});
    let document = json!({"fault": (0..10_000).map(entry).collect::<Vec<_>>()}).to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("faults.json");
    std::fs::write(&file, document).expect("a file");
    let body = format!("@{}", file.display());
    let put = ["-X", "PUT", "-H", "content-type: application/json", "--data-binary", &body];
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        let change = scope.spawn(|| fleet.curl(&put, "/faults"));
        let mut asked = 0;
        while !change.is_finished() || asked < 10 {
            let began = Instant::now();
            assert_eq!(fleet.status_of("/healthz"), 200);
            slowest = slowest.max(began.elapsed());
            asked += 1;
        }
        let (status, answer) = change.join().expect("an answer");
        assert_eq!(status, 200, "{answer}");
    });
    assert!(slowest < Duration::from_secs(1), "/healthz took {slowest:?}");
    // Without the counts of shards that are still busy, until these have time.
    fleet.wait_until("all faults are counted", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/metrics")["faults"].as_object().is_some_and(|faults| faults.len() == 10_000)
    });
    assert_eq!(fleet.send("PUT", "/faults", "\"none\"").0, 200);
    fleet.wait_until("the counts of deleted faults are summed up", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/metrics")["faults"].as_object().is_some_and(|faults| faults.len() <= 65)
    });
    fleet.stop();
}

#[test]
fn invalid_requests_get_a_4xx_that_names_the_field() {
    let fleet = Fleet::run(&["--devices", "2", "--faults", "none"]).ready();
    for (method, path, body, code, words) in [
        ("POST", "/publish", r#"{"message": "x", "qos": 3}"#, 400, "qos"),
        ("POST", "/publish", r#"{"message": "x", "topic": "a/+/b"}"#, 400, "topic"),
        ("POST", "/publish", r#"{"mesage": "x"}"#, 400, "mesage"),
        ("POST", "/publish", r#"{}"#, 400, "message"),
        ("POST", "/publish", r#"{"message": "#, 400, ""),
        ("POST", "/publish", r#"{"message": "x", "device": "heartbeat-7"}"#, 404, "heartbeat-7"),
        ("GET", "/devices/heartbeat-9", "", 404, "heartbeat-9"),
        ("DELETE", "/status", "", 405, ""),
        ("GET", "/nowhere", "", 404, ""),
        ("PUT", "/faults", r#"{"fault": [{"kind": "loss", "probability": 7}]}"#, 400, "probability"),
        ("PUT", "/faults", r#"{"fault": [{"kind": "los", "probability": 0.1}]}"#, 400, "kind"),
        ("POST", "/devices/heartbeat-0/explode", "", 404, ""),
    ] {
        let (status, answer) = fleet.send(method, path, body);
        let near = status == code || (code == 400 && (status == 422 || status == 400));
        assert!(near, "{method} {path} {body}: {status} {answer}");
        assert!(answer["error"].is_object(), "{method} {path}: {answer}");
        assert!(answer.to_string().contains(words), "{method} {path} {body}: {answer}");
    }
}

#[test]
fn faults_change_while_the_fleet_runs() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/+/heartbeat");
    let args = ["--devices", "2", "--broker", &broker.url(), "--faults", "none"];
    let fleet = Fleet::run(&[&args[..], &["--device-config", "interval=200ms"][..]].concat()).ready();
    let (code, answer) = fleet.send(
        "PUT",
        "/devices/heartbeat-1/faults",
        r#"{"fault": [{"kind": "loss", "probability": 1}]}"#,
    );
    assert_eq!(code, 200, "{answer}");
    fleet.wait_until("ten were dropped", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/metrics").to_string().contains("\"loss\"")
            && fleet.get("/metrics?device=heartbeat-1")["dropped"]["loss"].as_u64() > Some(10)
    });
    let before = subscriber.lines.count(|line| line.contains("heartbeat-1"));
    let other = subscriber.lines.count(|line| line.contains("heartbeat-0"));
    subscriber.lines.wait(other + 10, DEFAULT_TIMEOUT, |line| line.contains("heartbeat-0"));
    assert_eq!(subscriber.lines.count(|line| line.contains("heartbeat-1")), before);
    assert_eq!(fleet.send("DELETE", "/devices/heartbeat-1/faults", "").0, 200);
    subscriber.lines.wait(before + 5, DEFAULT_TIMEOUT, |line| line.contains("heartbeat-1"));
}

#[test]
fn a_device_is_stopped_started_and_crashed() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/heartbeat-1/state");
    let fleet = Fleet::run(&["--devices", "2", "--broker", &broker.url(), "--faults", "none"]).ready();
    let state = |fleet: &Fleet| fleet.get("/devices/heartbeat-1")["state"].clone();
    assert!(fleet.send("POST", "/devices/heartbeat-1/stop", "").0 < 300);
    subscriber.lines.wait_for("wasmote/heartbeat-1/state offline");
    fleet.wait_until("it is stopped", DEFAULT_TIMEOUT, |fleet| state(fleet) == "stopped");
    assert!(fleet.send("POST", "/devices/heartbeat-1/start", "").0 < 300);
    fleet.wait_until("it is back", DEFAULT_TIMEOUT, |fleet| state(fleet) == "connected");
    let beat = fleet.get("/devices/heartbeat-1/app/").to_string();
    assert!(fleet.send("POST", "/devices/heartbeat-1/crash", "").0 < 300);
    // A crash sends no DISCONNECT, so the broker publishes the will.
    subscriber.lines.wait(2, DEFAULT_TIMEOUT, |line| line.ends_with("offline"));
    fleet.wait_until("it is back", DEFAULT_TIMEOUT, |fleet| state(fleet) == "connected");
    assert_ne!(fleet.get("/devices/heartbeat-1/app/").to_string(), beat, "the behaviour was restarted");
}

#[test]
fn metrics_are_openmetrics_if_accepted() {
    let fleet = Fleet::run(&["--devices", "3"]).ready();
    let accept = "Accept: application/openmetrics-text; version=1.0.0; charset=utf-8";
    let (code, text) = fleet.curl(&["-H", accept], "/metrics");
    assert_eq!(code, 200);
    assert!(text.trim_end().ends_with("# EOF"), "{text}");
    for line in ["# TYPE wasmote_messages_sent counter", "# HELP wasmote_messages_sent "] {
        assert!(text.contains(line), "`{line}` in:\n{text}");
    }
    assert!(!text.contains("heartbeat-0"), "devices are not labels:\n{text}");
    let (_, json) = fleet.curl(&["-H", "Accept: */*"], "/metrics");
    assert!(serde_json::from_str::<Value>(&json).is_ok());
}

#[test]
fn events_are_streamed_as_they_happen() {
    let fleet = Fleet::run(&["--devices", "2", "--faults", "none"]).ready();
    let mut curl = std::process::Command::new("curl")
        .args(["-sN", "--max-time", "30", &format!("{}/events?device=heartbeat-0", fleet.http)])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("curl is installed");
    let lines = crate::lines::Lines::of(curl.stdout.take().expect("a pipe"));
    fleet.wait_until("events of the stop arrive", DEFAULT_TIMEOUT, |fleet| {
        fleet.send("POST", "/devices/heartbeat-0/stop", "");
        fleet.send("POST", "/devices/heartbeat-0/start", "");
        lines.count(|line| line.starts_with("data:") && line.contains(r#""device":"heartbeat-0""#)) > 2
    });
    assert_eq!(lines.count(|line| line.contains(r#""device":"heartbeat-1""#)), 0);
    let _ = curl.kill();
    let _ = curl.wait();
}

#[test]
fn the_openapi_document_and_the_behaviours_are_served() {
    let fleet = Fleet::run(&["--devices", "1", "--faults", "none"]).ready();
    let document = fleet.get("/openapi.json");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{document}");
    for path in ["/status", "/publish", "/metrics", "/devices/{id}", "/faults", "/events"] {
        assert!(document["paths"].get(path).is_some(), "{path}");
    }
    let behaviours = fleet.get("/behaviours").to_string();
    assert!(behaviours.contains("heartbeat"), "{behaviours}");
}

#[test]
fn an_incomplete_request_times_out_and_an_event_stream_does_not() {
    let fleet = Fleet::run(&["--devices", "1", "--faults", "none"]).ready();
    let connect = |text: &str| {
        let address = fleet.http.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).expect("the API listens");
        stream.write_all(text.as_bytes()).expect("the API accepts a partial request");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
        stream
    };
    let json = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 50";
    let header = connect("GET /status HTTP/1.1\r\nHost: localhost\r\n");
    let body = connect(&format!("POST /publish HTTP/1.1\r\n{json}\r\n\r\n{{"));
    let mut events = connect("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut responses = String::new();
    for mut half in [header, body] {
        half.read_to_string(&mut responses).expect("the connection is closed in time");
    }
    assert!(responses.contains("408"), "{responses}");
    // Both requests timed out after ten seconds; the event stream continues.
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        let count = events.read(&mut [0; 4_096]).expect("a heartbeat every 5 s");
        assert!(count > 0, "the stream continues");
    }
}
