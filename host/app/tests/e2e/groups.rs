//! Changes of groups over HTTP: more devices, another configuration, another behaviour.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wasmote_engine::sha256::sha256;
use wasmote_fleet::builtins;

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;

const A_MINUTE: Duration = Duration::from_secs(60);

fn fleet(broker: &Mosquitto, more: &[&str]) -> Fleet {
    let args = ["--broker", &broker.url(), "--faults", "none", "--device-config", "interval=300ms"];
    Fleet::run(&[&args[..], more].concat()).ready()
}

/// Puts a change, which may be longer than an argument of a program.
fn put(fleet: &Fleet, change: &Value) -> (u16, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("change.json");
    std::fs::write(&file, change.to_string()).expect("a file");
    let body = format!("@{}", file.display());
    let args = ["-X", "PUT", "-H", "content-type: application/json", "--data-binary", &body];
    let (status, text) = fleet.curl(&args, "/groups/heartbeat/behaviour");
    (status, serde_json::from_str(&text).expect("JSON"))
}

fn connects(broker: &Mosquitto, device: &str) -> usize {
    let words = format!(" as {device} (");
    broker.log.count(|line| line.contains("New client connected") && line.contains(&words))
}

fn sensor() -> &'static [u8] {
    builtins::find("sensor").expect("it is built in").bytes
}

#[test]
fn devices_join_a_group_and_publish_with_the_faults_of_their_group() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/+/heartbeat");
    let fleet = fleet(&broker, &["--devices", "2"]);
    let lossy = json!({"fault": [{"kind": "loss", "id": "gone", "probability": 0}]}).to_string();
    assert_eq!(fleet.send("PUT", "/groups/heartbeat/faults", &lossy).0, 200);
    let (status, joined) = fleet.send("POST", "/groups/heartbeat/devices", r#"{"count": 2}"#);
    assert_eq!(status, 200, "{joined}");
    assert_eq!((&joined["devices"], &joined["count"]), (&json!(["heartbeat-2", "heartbeat-3"]), &json!(4)));
    for device in ["heartbeat-2", "heartbeat-3"] {
        subscriber.lines.wait(1, DEFAULT_TIMEOUT, |line| line.contains(device));
        let faults = fleet.get(&format!("/devices/{device}/faults"));
        assert_eq!(faults["document"]["fault"][0]["id"], "gone", "{faults}");
    }
    assert_eq!(fleet.get("/status")["devices"], 4);
    let (_, more) = fleet.send("POST", "/groups/heartbeat/devices", r#"{"count": 1}"#);
    assert_eq!(more["devices"], json!(["heartbeat-4"]), "the numbers go on");
    for (body, status) in [(r#"{"count": 0}"#, 400), (r#"{"count": 10001}"#, 400), ("{}", 400)] {
        let (code, answer) = fleet.send("POST", "/groups/heartbeat/devices", body);
        assert_eq!((code, &answer["error"]["field"]), (status, &json!("count")), "{answer}");
    }
    assert_eq!(fleet.send("POST", "/groups/heartbeet/devices", r#"{"count": 1}"#).0, 404);
    fleet.stop();
}

/// The same request to all processes of a fleet adds each device once, as on a cluster.
#[test]
fn each_process_of_a_sharded_fleet_adds_its_own_devices() {
    let broker = Mosquitto::start();
    let shards = ["1/2", "2/2"].map(|shard| fleet(&broker, &["--devices", "3", "--shard", shard]));
    let mut names: Vec<Value> = Vec::new();
    for shard in &shards {
        let (_, joined) = shard.send("POST", "/groups/heartbeat/devices", r#"{"count": 3}"#);
        assert_eq!(joined["count"], 6, "{joined}");
        names.extend(joined["devices"].as_array().expect("names").clone());
    }
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["heartbeat-3", "heartbeat-4", "heartbeat-5"]);
    for shard in shards {
        shard.stop();
    }
}

#[test]
fn a_configuration_is_replaced_with_and_without_a_restart() {
    let broker = Mosquitto::start();
    let fleet = fleet(&broker, &["--devices", "2"]);
    let put = |change: &Value| put(&fleet, change);
    let (status, changed) = put(&json!({"config": {"interval": "100ms"}, "restart": true}));
    assert_eq!(status, 200, "{changed}");
    assert_eq!((&changed["devices"], &changed["changed"]), (&json!(2), &json!(2)), "{changed}");
    fleet.wait_until("both are connected again", A_MINUTE, |_| {
        connects(&broker, "heartbeat-0") == 2 && connects(&broker, "heartbeat-1") == 2
    });
    let (status, changed) = put(&json!({"config": {"interval": "50ms"}, "devices": ["heartbeat-1"]}));
    assert_eq!((status, &changed["devices"]), (200, &json!(1)), "{changed}");
    // Devices that join have the configuration of the group, not that of one device.
    let subscriber = broker.subscribe("wasmote/+/heartbeat");
    subscriber.lines.wait(20, DEFAULT_TIMEOUT, |line| line.contains("heartbeat-1/"));
    assert_eq!((connects(&broker, "heartbeat-0"), connects(&broker, "heartbeat-1")), (2, 2));
    fleet.stop();
}

/// The heartbeat with another SHA-256: a custom section of one name follows.
fn next_version() -> Vec<u8> {
    const SECTION: &[u8] = b"\0\x02\x01v";
    let heartbeat = builtins::find("heartbeat").expect("it is built in").bytes;
    [heartbeat, SECTION].concat()
}

#[test]
fn another_version_takes_over_without_a_new_connection() {
    let broker = Mosquitto::start();
    let fleet = fleet(&broker, &["--devices", "2"]);
    let (component, config) = (next_version(), json!({"interval": "100ms"}));
    let change = json!({
        "component": STANDARD.encode(&component), "sha256": sha256(&component), "config": config, "trial": "1s"
    });
    let (status, changed) = put(&fleet, &change);
    assert_eq!(status, 200, "{changed}");
    assert_eq!((&changed["behaviour"], &changed["changed"]), (&json!("heartbeat"), &json!(2)));
    assert_eq!(changed["sha256"], sha256(&component));
    let known = fleet.get("/behaviours/heartbeat");
    assert_eq!((&known["sha256"], &known["groups"]), (&changed["sha256"], &json!(["heartbeat"])), "{known}");
    // A device that joins has the version of its group.
    fleet.send("POST", "/groups/heartbeat/devices", r#"{"count": 1}"#);
    fleet.wait_until("all have the version", A_MINUTE, |fleet| {
        fleet.get("/behaviours/heartbeat")["versions"][0]["devices"] == 3
    });
    assert_eq!((connects(&broker, "heartbeat-0"), connects(&broker, "heartbeat-1")), (1, 1));
    fleet.stop();
}

/// A sensor does not understand the state of a heartbeat, so the devices start again.
#[test]
fn another_behaviour_begins_with_a_restart() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/+/telemetry");
    let fleet = fleet(&broker, &["--devices", "2"]);
    let config = json!({"report_interval": "300ms", "sample_interval": "100ms"});
    let mut change = json!({"behaviour": "sensor", "component": STANDARD.encode(sensor()), "config": config});
    let (status, refused) = put(&fleet, &change);
    assert_eq!(
        (status, refused.to_string().contains("all 2 devices keep the old version")),
        (422, true),
        "{refused}"
    );
    change["restart"] = true.into();
    let (status, changed) = put(&fleet, &change);
    assert_eq!((status, &changed["changed"]), (200, &json!(2)), "{changed}");
    subscriber.wait(4, "/telemetry", DEFAULT_TIMEOUT);
    assert_eq!((connects(&broker, "heartbeat-0"), connects(&broker, "heartbeat-1")), (2, 2));
    let known = fleet.get("/behaviours/sensor");
    assert_eq!((&known["groups"], &known["devices"]), (&json!(["heartbeat"]), &json!(2)), "{known}");
    fleet.send("POST", "/groups/heartbeat/devices", r#"{"count": 1}"#);
    subscriber.lines.wait(1, DEFAULT_TIMEOUT, |line| line.contains("heartbeat-2/telemetry"));
    fleet.stop();
}

#[test]
fn a_change_that_is_refused_changes_nothing() {
    let broker = Mosquitto::start();
    let fleet = fleet(&broker, &["--devices", "1", "--deny", "http"]);
    let routing = builtins::find("routing").expect("it is built in").bytes;
    let (good, wrong) = (STANDARD.encode(sensor()), sha256(routing));
    for (body, status, words) in [
        (json!({"component": "AGFzbQ=="}), 422, "damaged or incomplete"),
        // The sensor does not know the field of the heartbeat's configuration.
        (json!({"component": good, "behaviour": "sensor"}), 422, "all 1 devices keep the old version"),
        (json!({"component": "?"}), 400, "component"),
        (json!({"component": good, "sha256": wrong}), 422, "its SHA-256 is"),
        (json!({}), 400, "give `component`, `config` or both"),
        (json!({"config": {}, "behaviour": "../x"}), 400, "behaviour"),
        (json!({"config": {}, "restart": "soon"}), 400, "restart"),
    ] {
        let (code, answer) = put(&fleet, &body);
        assert_eq!(code, status, "{answer}");
        assert!(answer.to_string().contains(words), "{words}: {answer}");
    }
    assert_eq!(fleet.get("/behaviours")[0]["name"], "heartbeat");
    assert_eq!(connects(&broker, "heartbeat-0"), 1);
    fleet.stop();
}
