//! Public endpoints that the page needs: details of a device, values of all devices, faults of all scopes, a broken
//! connection, and the way back to an earlier version.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;

/// A component that behaves as the built-in heartbeat and has another SHA-256: a custom section of three bytes is added.
pub fn other_heartbeat(folder: &Path) -> std::path::PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../behaviours/built/heartbeat.wasm");
    let mut component = std::fs::read(built).expect("it is built");
    component.extend([0, 3, 2, b'v', b'2']);
    let file = folder.join("next.wasm");
    std::fs::write(&file, component).expect("a file");
    file
}

#[test]
fn a_device_shows_its_session_will_subscriptions_and_configuration() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fleet.toml");
    let text = "[[group]]\nbehaviour = \"sensor\"\ncount = 1\nconfig = { report_interval = \"300ms\" }\n\
        [[group]]\nbehaviour = \"heartbeat\"\ncount = 1\n\
        [faults]\nfault = [{ kind = \"battery\", group = \"sensor\", capacity_joules = 500, idle_watts = 1 }]\n";
    std::fs::write(&file, text).expect("a file");
    let config = file.to_str().expect("text");
    let url = broker.url();
    let args = ["--config", config, "--broker", &url, "--session-expiry", "1m", "--keepalive", "7s"];
    let fleet = Fleet::run(&args).ready();
    let sensor = fleet.get("/devices/sensor-0");
    let session = &sensor["session"];
    assert_eq!(session["protocol"], "5", "{session}");
    assert_eq!((&session["keep_alive_s"], &session["expiry_s"]), (&json!(7), &json!(60)), "{session}");
    assert_eq!(
        (&session["clean_start"], &session["unanswered_s"]),
        (&json!(false), &Value::Null),
        "{session}"
    );
    let will = &sensor["will"];
    assert_eq!(will["topic"], "wasmote/sensor-0/state", "{will}");
    assert_eq!(will["retain"], true, "{will}");
    assert!(will["payload"].as_str().is_some_and(|it| it.contains("offline")), "{will}");
    let commands = json!({"filter": "wasmote/sensor-0/cmd", "qos": 1});
    assert!(sensor["subscriptions"].as_array().is_some_and(|all| all.contains(&commands)), "{sensor}");
    assert_eq!(sensor["config"]["report_interval"], "300ms");
    let joules = sensor["battery_joules"].as_f64().expect("it has a battery");
    assert!((400.0..500.0).contains(&joules), "{joules}");
    let plain = fleet.get("/devices/heartbeat-0");
    assert_eq!(plain["battery_joules"], Value::Null, "{plain}");
    // A broker that hangs: pings have no answer.
    broker.freeze();
    fleet.wait_until("a ping has no answer", Duration::from_secs(30), |fleet| {
        fleet.get("/devices/sensor-0")["session"]["unanswered_s"].as_f64().is_some_and(|it| it > 0.5)
    });
    fleet.wait_until("the samples say so", Duration::from_secs(30), |fleet| {
        let recording = fleet.get("/recording");
        recording["samples"]
            .as_array()
            .is_some_and(|all| all.iter().any(|it| it["unanswered"].as_u64() > Some(0)))
    });
}

#[test]
fn values_of_all_devices_are_columns() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fleet.toml");
    let text = "[[group]]\nbehaviour = \"heartbeat\"\ncount = 3\nconfig = { interval = \"200ms\", peers = \"all\" }\n\
        [[group]]\nbehaviour = \"sensor\"\ncount = 2\n\
        [faults]\nfault = [{ kind = \"battery\", group = \"sensor\", capacity_joules = 80, idle_watts = 1 }]\n";
    std::fs::write(&file, text).expect("a file");
    let fleet = Fleet::run(&["--config", file.to_str().expect("text"), "--broker", &broker.url()]).ready();
    let column = |of: &str| fleet.get(&format!("/values?of={of}"));
    let version = column("version");
    assert_eq!(version["labels"].as_array().map(Vec::len), Some(2), "{version}");
    assert_eq!(version["values"], json!([0.0, 0.0, 0.0, 1.0, 1.0]), "{version}");
    let battery = column("battery");
    assert_eq!(battery["unit"], "J");
    let joules = battery["values"].as_array().expect("values");
    assert!(joules[..3].iter().all(Value::is_null) && joules[3..].iter().all(Value::is_number), "{battery}");
    // A metric has a column as soon as a device has recorded it.
    fleet.wait_until("the metric is known", DEFAULT_TIMEOUT, |fleet| {
        fleet.status_of("/values?of=metric:heartbeats_received_total") == 200
    });
    fleet.wait_until("heartbeats arrive", DEFAULT_TIMEOUT, |_| {
        let values = column("metric:heartbeats_received_total")["values"].clone();
        values[0].as_f64() > Some(1.0)
            && values[4].is_null()
            && column("received")["values"][1].as_f64() > Some(1.0)
    });
    let names = column("latency")["available"].clone();
    for name in names.as_array().expect("names") {
        let values = column(name.as_str().expect("text"));
        assert_eq!(values["values"].as_array().map(Vec::len), Some(5), "{name}");
    }
    let (status, error) = fleet.curl(&[], "/values?of=batery");
    assert_eq!(status, 404);
    assert!(error.contains("did you mean `battery`?"), "{error}");
    assert_eq!(fleet.get("/values")["of"], "version");
}

#[test]
fn the_faults_of_all_scopes_are_one_list() {
    let fleet = Fleet::run(&["--devices", "3", "--faults", "none"]).ready();
    let put = |path: &str, id: &str| {
        let body = json!({"fault": [{"kind": "loss", "id": id, "probability": 0.1}]}).to_string();
        assert_eq!(fleet.send("PUT", path, &body).0, 200);
    };
    put("/groups/heartbeat/faults", "of-group");
    put("/devices/heartbeat-1/faults", "of-device");
    let scopes = fleet.get("/faults/scopes");
    let all = scopes.as_array().expect("a list");
    let names: Vec<_> = all.iter().map(|it| (&it["scope"], &it["name"])).collect();
    let wanted = [("fleet", Value::Null), ("group", json!("heartbeat")), ("device", json!("heartbeat-1"))];
    assert!(names.iter().zip(&wanted).all(|(is, (scope, name))| is.0 == scope && is.1 == name), "{scopes}");
    assert_eq!(all[2]["document"]["fault"][0]["id"], "of-device", "{scopes}");
    assert_eq!(fleet.curl(&["-X", "DELETE"], "/devices/heartbeat-1/faults").0, 200);
    assert_eq!(fleet.get("/faults/scopes").as_array().map(Vec::len), Some(2));
}

#[test]
fn a_connection_is_broken_by_hand_and_comes_back() {
    let broker = Mosquitto::start();
    let fleet = Fleet::run(&["--devices", "2", "--faults", "none", "--broker", &broker.url()]).ready();
    let (status, done) = fleet.send("POST", "/devices/heartbeat-1/disconnect?seconds=2", "");
    assert_eq!((status, &done["order"]), (200, &json!("disconnect")), "{done}");
    fleet.wait_until("it is offline", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/devices/heartbeat-1")["state"] == "offline"
    });
    assert_eq!(fleet.get("/devices/heartbeat-0")["state"], "connected");
    // Without DISCONNECT, as when a cable is cut.
    broker.log.wait_for("heartbeat-1 closed its connection");
    fleet.wait_until("it is back", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/devices/heartbeat-1")["state"] == "connected"
    });
    // The fault is gone, so the connection stays.
    assert_eq!(fleet.get("/devices/heartbeat-1")["active_faults"], json!([]));
    for (path, status) in [
        ("/devices/heartbeat-1/disconnect?seconds=0.5", 400),
        ("/devices/heartbeat-1/disconnect?seconds=7200", 400),
        ("/devices/heartbeat-9/disconnect", 404),
    ] {
        assert_eq!(fleet.send("POST", path, "").0, status, "{path}");
    }
    let plan = fleet.curl(&[], "/plan").1;
    assert!(plan.contains("[timeline.disconnect]") && plan.contains("heartbeat-1"), "{plan}");
}

#[test]
fn an_update_shows_its_progress_and_is_rolled_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = other_heartbeat(folder.path());
    let fleet = Fleet::run(&["--devices", "4", "--faults", "none", "--canary", "2s"]).ready();
    let behaviour = || fleet.get("/behaviours/heartbeat");
    let before = behaviour();
    assert_eq!((&before["can_roll_back"], &before["progress"]), (&json!(false), &Value::Null), "{before}");
    let (status, error) = fleet.send("POST", "/behaviours/heartbeat/rollback", "");
    assert_eq!(status, 409, "{error}");
    let body = format!("@{}", file.display());
    std::thread::scope(|scope| {
        let upload =
            scope.spawn(|| fleet.curl(&["-X", "PUT", "--data-binary", &body], "/behaviours/heartbeat"));
        fleet.wait_until("a canary tries it", DEFAULT_TIMEOUT, |_| {
            let progress = &behaviour()["progress"];
            progress["step"] == "canaries"
                && progress["canaries"] == json!(["heartbeat-0"])
                && progress["devices"] == 4
        });
        assert_eq!(upload.join().expect("it ended").0, 200);
    });
    let after = behaviour();
    assert_ne!(after["sha256"], before["sha256"]);
    assert_eq!((&after["can_roll_back"], &after["progress"]), (&json!(true), &Value::Null), "{after}");
    let (status, back) = fleet.send("POST", "/behaviours/heartbeat/rollback", "");
    assert_eq!((status, &back["swapped"]), (200, &json!(4)), "{back}");
    assert_eq!((&back["sha256"], &back["replaced"]), (&before["sha256"], &after["sha256"]));
    assert_eq!(behaviour()["versions"][0]["source"], "roll back");
    for device in ["heartbeat-0", "heartbeat-3"] {
        assert_eq!(fleet.get(&format!("/devices/{device}"))["behaviour_version"], before["sha256"]);
    }
    assert_eq!(fleet.send("POST", "/behaviours/absent/rollback", "").0, 404);
}
