//! The state of a run at one instant.

use serde_json::Value;

use crate::workspace::{Workspace, text};

const PLAN: &str = r#"
name = "watched"
duration = "60s"
session_expiry = "30s"

[[group]]
behaviour = "heartbeat"
count = 3
config = { interval = "1s" }

[[timeline]]
at = "20s"
crash = { devices = ["heartbeat-1"] }

[[timeline]]
at = "30s"
disconnect = { devices = ["heartbeat-2"], for = "8s" }
"#;

fn inspect(workspace: &Workspace, what: &str, args: &[&str]) -> Value {
    let output = workspace.call(&[&["inspect", what, "--json"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_device_is_seen_at_an_instant_of_a_plan_and_of_its_results() {
    let workspace = Workspace::with_plan(PLAN);
    let results = workspace.run(&["plan.toml"], 0);
    for what in ["plan.toml", results.to_str().unwrap()] {
        let device = |at: &str, name: &str| {
            inspect(&workspace, what, &["--at", at, "--device", name])["devices"][0].clone()
        };
        let before = device("19.5s", "heartbeat-1");
        assert_eq!((&before["power"], &before["connection"]), (&"on".into(), &"up".into()), "{before}");
        assert_eq!(before["session"]["connected"], true);
        assert_eq!(before["subscriptions"]["wasmote/heartbeat-1/cmd"], 1, "{before}");
        assert_eq!(before["will"][1], "offline");
        let sent = before["metrics"]["heartbeats_sent_total"].as_f64().unwrap();
        assert!((18.0..=20.0).contains(&sent), "{before}");
        assert!(before["snapshot"]["Ok"].as_str().unwrap().contains("\"seq\":"), "{before}");
        let timers = before["timers"].as_array().unwrap();
        assert!(
            timers.iter().all(|timer| timer[1].as_f64().unwrap() >= 19.5) && !timers.is_empty(),
            "{before}"
        );
        let crashed = device("21s", "heartbeat-1");
        assert!(crashed["power"].as_str().unwrap().starts_with("down until 25 s"), "{crashed}");
        assert_eq!(crashed["session"]["connected"], false, "the broker keeps the session");
        assert!(!crashed["store"].as_object().unwrap().is_empty(), "the store survives: {crashed}");
        let lost = device("31s", "heartbeat-2");
        assert!(lost["connection"].as_str().unwrap().starts_with("down: fault"), "{lost}");
    }
    let whole = inspect(&workspace, "plan.toml", &["--at", "31"]);
    assert_eq!(whole["devices"].as_array().unwrap().len(), 3);
    assert_eq!(whole["broker"]["retained"]["wasmote/heartbeat-2/state"], "offline");
    assert_eq!(whole["broker"]["retained"]["wasmote/heartbeat-0/state"], "online");
    assert_eq!((&whole["broker"]["sessions"], &whole["broker"]["connected"]), (&3.into(), &2.into()));
}

#[test]
fn the_state_at_the_end_is_that_of_the_results() {
    let workspace = Workspace::with_plan(PLAN);
    let results = workspace.run(&["plan.toml"], 0);
    let ledger = crate::workspace::json(&results.join("ledger.json"));
    let state = inspect(&workspace, "plan.toml", &["--at", "1m"]);
    for (at, device) in state["devices"].as_array().unwrap().iter().enumerate() {
        for count in ["generated", "sent", "received", "arrived"] {
            assert_eq!(device["ledger"][count], ledger["devices"][at][count], "{count}");
        }
    }
}

#[test]
fn times_and_names_that_do_not_exist_are_refused() {
    let workspace = Workspace::with_plan(PLAN);
    for (args, expected) in [
        (&["--at", "2m"][..], "the run ends after 1m"),
        (&["--at", "1x"][..], "is no time"),
        (&["--at", "1s", "--device", "heartbeat-9"][..], "did you mean `heartbeat-"),
        (&["--at", "1s", "--run", "2"][..], "there are only 1 runs"),
    ] {
        let output = workspace.call(&[&["inspect", "plan.toml"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(expected), "{args:?}: {}", text(&output.stderr));
    }
}
