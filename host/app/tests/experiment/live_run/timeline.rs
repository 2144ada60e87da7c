//! Timelines have the same effects in real time as in virtual time.

use std::fs;

use crate::lines::DEFAULT_TIMEOUT;
use crate::live_run::Running;
use crate::mosquitto::Mosquitto;
use crate::workspace::{Workspace, json, text};

const PLAN: &str = r#"
name = "everything"
duration = "16s"
warm_up = "1s"
interval = "1s"

[[group]]
name = "west"
behaviour = "heartbeat"
count = 4
config = { interval = "500ms", peers = "all" }

[[group]]
name = "east"
behaviour = "heartbeat"
count = 2
config = { interval = "500ms" }

[[timeline]]
at = "2s"
phase = "trouble"
crash = { devices = ["west-1"] }

[[timeline]]
at = "3s"
partition = { group = "east", for = "2s", peers = [] }

[[timeline]]
at = "4s"
publish = { topic = "wasmote/all/message", payload = "from the host", qos = 1 }

[[timeline]]
at = "5s"
publish = { topic = "plant/lamp", payload = "from a device", device = "west-0" }

[[timeline]]
at = "6s"
add = { group = "west", count = 2 }

[[timeline]]
at = "8s"
stop = { devices = ["west-2"] }

[[timeline]]
at = "9s"
configure = { group = "east", config = { interval = "100ms" } }

[[timeline]]
at = "10s"
faults = { fault = [{ kind = "loss", probability = 1.0 }] }
device = "west-3"

[[timeline]]
at = "12s"
start = { devices = ["west-2"] }

[[timeline]]
at = "13s"
faults = "inherit"
device = "west-3"
"#;

#[test]
fn every_action_works_with_mosquitto_and_all_files_are_written() {
    let broker = Mosquitto::start();
    let outside = broker.subscribe("#");
    let workspace = Workspace::with_plan(PLAN);
    let running = Running::start(&workspace, &["--broker", &broker.url(), "--junit", "junit.xml"]);
    outside.lines.wait(1, DEFAULT_TIMEOUT, |line| line.ends_with("from the host"));
    outside.lines.wait(1, DEFAULT_TIMEOUT, |line| line == "plant/lamp from a device");
    let output = running.child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = workspace.0.path().join(printed["folder"].as_str().unwrap());

    let manifest = json(&folder.join("manifest.json"));
    assert_eq!((&manifest["time"], &manifest["complete"]), (&"real".into(), &true.into()));
    assert_eq!(manifest["broker"], broker.url());
    assert!(manifest["runs"][0]["digest"].is_null());
    assert!(manifest["no_digest"].as_str().unwrap().contains("does not apply"));
    assert!(manifest["command"].as_str().unwrap().contains("--time real"));
    for file in ["plan.toml", "timeseries.csv", "latency.csv", "summary.json", "report.html"] {
        assert!(fs::metadata(folder.join(file)).unwrap().len() > 0, "{file}");
    }
    assert!(!folder.join("chain.ndjson").exists());
    assert_eq!(json(&folder.join("ledger.json"))["closes"], true);
    assert!(fs::read_to_string(workspace.0.path().join("junit.xml")).unwrap().contains("failures=\"0\""));

    let log = |name: &str| fs::read_to_string(folder.join(format!("logs/{name}.log"))).unwrap();
    for name in ["west-0", "west-1", "west-2", "west-3", "west-4", "west-5", "east-0", "east-1"] {
        assert!(log(name).lines().count() > 5, "{name}");
    }
    assert!(log("west-1").contains("crashed"));
    assert!(log("west-4").contains("started"), "the device joined");
    assert_eq!(log("west-2").matches("started").count(), 2);
    assert!(log("west-3").contains("dropped by fault `loss`"));
    assert!(log("east-0").contains("dropped by fault `timeline-1`"));
    let broker_log = fs::read_to_string(folder.join("broker.log")).unwrap();
    assert!(broker_log.lines().next().unwrap().contains("as its devices see it"), "{broker_log}");
    assert!(broker_log.contains("Client west-5 connected"), "{broker_log}");

    let summary = json(&folder.join("summary.json"));
    assert_eq!(summary["groups"]["west"]["devices"], 6);
    assert_eq!(summary["phases"][0]["name"], "trouble");
    let outages = fs::read_to_string(folder.join("outages.csv")).unwrap();
    let crash = outages.lines().find(|line| line.starts_with("west-1,west,timeline,crash,")).unwrap();
    let from: f64 = crash.split(',').nth(4).unwrap().parse().unwrap();
    assert!((2.0..8.0).contains(&from), "{crash}");

    let refused = workspace.call(&["verify", folder.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    let why = text(&refused.stderr);
    assert!(why.contains("real time") && why.contains("plan.toml") && why.contains("compare"), "{why}");
}

/// The embedded broker pauses and restarts as the broker model in virtual time does: connections end, devices
/// reconnect, and messages published meanwhile are delivered late or not at all.
#[test]
fn the_embedded_broker_pauses_and_restarts() {
    let (head, _) = PLAN.split_once("[[timeline]]").unwrap();
    let plan = format!(
        "{head}[[timeline]]\nat = \"3s\"\nbroker = {{ pause = \"2s\" }}\n\n\
         [[timeline]]\nat = \"8s\"\nbroker = {{ restart = \"2s\", persistent = true }}\n"
    );
    let workspace = Workspace::with_plan(&plan);
    let output = Running::start(&workspace, &["--broker", "embedded:0"]).child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = workspace.0.path().join(printed["folder"].as_str().unwrap());
    let log = fs::read_to_string(folder.join("broker.log")).unwrap();
    for line in [
        "is paused (`timeline-0`)",
        "resumes (`timeline-0`)",
        "shutting down (`timeline-1`)",
        "runs again with its stored state",
    ] {
        assert!(log.contains(line), "{line}\n{log}");
    }
    // The log is the broker's own, with the same texts as in virtual time.
    let west: Vec<&str> = log.lines().filter(|line| line.contains("west-0")).collect();
    let said: Vec<&str> = west.iter().filter_map(|line| line.split_once(' ')).map(|(_, said)| said).collect();
    let connected = "Client west-0 connected (MQTT 5, clean start true, keepalive 10 s).";
    let beginning = [connected, "Client west-0 has a will on wasmote/west-0/state."];
    assert_eq!(said[..2], beginning, "{log}");
    assert!(said[2].starts_with("Client west-0 subscribes to wasmote/"), "{log}");
    assert_eq!(said.iter().filter(|line| **line == connected).count(), 2, "{log}");
    assert_eq!(said.last(), Some(&"Client west-0 disconnected."), "{log}");
    assert!(!log.contains("as its devices see it"), "{log}");
    let computed = workspace.run(&["plan.toml", "--out", "computed"], 0);
    let computed = fs::read_to_string(computed.join("broker.log")).unwrap();
    let of_west: Vec<&str> = computed.lines().filter(|line| line.contains("west-0")).collect();
    let begins: Vec<&str> =
        of_west.iter().filter_map(|line| line.split_once(' ')).map(|(_, said)| said).collect();
    assert_eq!(begins[..3], said[..3], "{computed}");
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    assert_eq!(events.matches("broker_fault_began").count(), 2);
    assert_eq!(events.matches("broker_fault_ended").count(), 2);
    let outages = fs::read_to_string(folder.join("outages.csv")).unwrap();
    for (fault, from, to) in [("timeline-0,broker_pause", 3.0, 5.0), ("timeline-1,broker_restart", 8.0, 10.0)]
    {
        let row = outages.lines().find_map(|line| line.strip_prefix(&format!("*,*,{fault},")));
        let (began, ended) = row.unwrap_or_else(|| panic!("{fault}: {outages}")).split_once(',').unwrap();
        let [began, ended] = [began, ended].map(|at| at.parse::<f64>().unwrap());
        assert!(began >= from && ended >= began + to - from && ended < 16.0, "{outages}");
    }
    let plot = fs::read_to_string(folder.join("plots/devices-over-time.svg")).unwrap();
    assert!(plot.contains("<title>broker_pause</title>") && plot.contains("<title>broker_restart</title>"));
    assert_eq!(json(&folder.join("ledger.json"))["closes"], true);
    for device in ["west-0", "east-1"] {
        let log = fs::read_to_string(folder.join(format!("logs/{device}.log"))).unwrap();
        assert_eq!(log.matches(" connected").count(), 2, "{log}");
    }
}
