//! Agreement of virtual and real time: with equal plan and seeds, runs agree within the intervals that `compare`
//! prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::mosquitto::{Mosquitto, free_port};
use crate::workspace::{Workspace, json, text};

/// Plan with twelve devices that receive each other's messages, with delay, loss and duplication.
const PLAN: &str = r#"
name = "both"
duration = "8s"
warm_up = "2s"
interval = "1s"
seeds = 3

[[group]]
behaviour = "heartbeat"
count = 12
config = { interval = "250ms", peers = "all" }

[[faults.fault]]
kind = "delay"
min = "20ms"
max = "200ms"

[[faults.fault]]
kind = "loss"
probability = 0.1

[[faults.fault]]
kind = "duplicate"
probability = 0.1
"#;

/// 99th percentile of this machine's lag in a run, in seconds: the time by which devices woke later than scheduled. A
/// message can be late by this much at the end of its delay, and again on its way through the broker and the threads.
fn lateness(folder: &Path) -> f64 {
    let runs = json(&folder.join("manifest.json"))["runs"].as_array().unwrap().clone();
    let late = runs.iter().map(|run| {
        let summary = json(&folder.join(run["path"].as_str().unwrap()).join("summary.json"));
        summary["late_seconds"]["p99"].as_f64().expect("a real run reports its lag")
    });
    late.fold(0.0, f64::max)
}

fn assert_agreement(workspace: &Workspace, broker: &str) {
    let http = format!("127.0.0.1:{}", free_port());
    let real = workspace.run(&["plan.toml", "--time", "real", "--broker", broker, "--http", &http], 0);
    let computed = workspace.run(&["plan.toml"], 0);
    let folders = [computed.to_str().unwrap(), real.to_str().unwrap()];
    let output = workspace.call(&["compare", folders[0], folders[1], "--json"]);
    let compared: Value = serde_json::from_slice(&output.stdout).unwrap();
    let late = 2.0 * lateness(&real);
    for (metric, scheduling) in [
        // Messages that are late at the end of the run have not arrived: at most this share of the six measured
        // seconds.
        ("delivery_ratio", late / 6.0),
        ("latency_seconds.mean", late),
        ("latency_seconds.p50", late),
        ("latency_seconds.p95", late),
    ] {
        let rows = compared["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["metric"] == metric).unwrap_or_else(|| panic!("{compared:#}"));
        let difference = &row["differences"][0];
        let (value, half) = (difference["value"].as_f64(), difference["half_width"].as_f64());
        let (value, half) = (value.unwrap(), half.expect("three seeds have an interval"));
        assert!(value.abs() <= half + scheduling, "{metric}: {value} ± {half}, {scheduling} for scheduling");
    }
    let printed = text(&workspace.call(&["compare", folders[0], folders[1]]).stdout);
    assert!(printed.contains("virtual time") && printed.contains("real time"), "{printed}");

    assert_equal_draws(&computed, &real);
}

/// Asserts that the same seed draws the same faults for each device, so that the same messages are lost.
fn assert_equal_draws(computed: &Path, real: &Path) {
    for run in ["001-seed=1", "002-seed=2", "003-seed=3"] {
        let folders = [computed, real].map(|folder| folder.join("runs").join(run));
        assert!(folders.iter().all(|folder| json(&folder.join("ledger.json"))["closes"] == true));
        let offline = heartbeats_while_offline(&folders[1]);
        let others = folders.each_ref().map(|folder| others(folder));
        let mut equal_devices = 0;
        let [computed, real] = folders.each_ref().map(|folder| sent(folder));
        assert_eq!(computed.len(), 12);
        for (device, in_virtual_time) in &computed {
            // On a busy machine a connection may break. The messages about that consume random draws too, so such
            // devices are skipped.
            if others[0].get(device) != others[1].get(device) {
                continue;
            }
            equal_devices += 1;
            let in_real_time = &real[device];
            // The number of messages depends on the machine, and the last ones may still be in flight.
            let last = [in_virtual_time, in_real_time].map(|numbers| *numbers.last().unwrap());
            let known = last[0].min(last[1]) - 3;
            assert!(known > 15, "{run} {device}: {last:?}");
            let up_to = |numbers: &BTreeSet<u64>| numbers.range(..=known).copied().collect::<BTreeSet<_>>();
            let [computed, real] = [in_virtual_time, in_real_time].map(up_to);
            // On a machine that connects slowly, the first messages are lost without a fault.
            let offline = offline.get(device).copied().unwrap_or(0);
            let missing: Vec<u64> = computed.difference(&real).copied().collect();
            let context = format!("{run} {device}: {computed:?} {real:?}, {offline} sent while offline");
            assert!(real.is_subset(&computed) && missing.len() <= offline, "{context}");
        }
        assert!(
            equal_devices > 6,
            "{run}: only {equal_devices} of 12 devices sent as many messages in real time as in virtual time"
        );
    }
}

/// Number of heartbeats dropped before the connection was up, by device.
fn heartbeats_while_offline(run: &Path) -> BTreeMap<String, usize> {
    let events = fs::read_to_string(run.join("events.ndjson")).unwrap();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut offline = BTreeMap::new();
    for event in events.filter(|event| event["kind"] == "dropped" && event["fault"].is_null()) {
        if event["topic"].as_str().unwrap().ends_with("/heartbeat") {
            *offline.entry(event["device"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    offline
}

/// Number of messages of each device other than heartbeats, before it disconnects.
fn others(run: &Path) -> BTreeMap<String, usize> {
    let events = fs::read_to_string(run.join("events.ndjson")).unwrap();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut others = BTreeMap::new();
    for event in events.filter(|event| event["kind"] == "sent" || event["kind"] == "dropped") {
        if event["t_s"].as_f64().unwrap() < 7.5 && !event["topic"].as_str().unwrap().ends_with("/heartbeat") {
            *others.entry(event["device"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    others
}

/// Sequence numbers of the heartbeats sent, by device.
fn sent(run: &Path) -> BTreeMap<String, BTreeSet<u64>> {
    let events = fs::read_to_string(run.join("events.ndjson")).unwrap();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut sent: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for event in events.filter(|event| event["kind"] == "sent") {
        if event["topic"].as_str().unwrap().ends_with("/heartbeat") {
            let payload: Value = serde_json::from_str(event["payload"].as_str().unwrap()).unwrap();
            let device = event["device"].as_str().unwrap().to_owned();
            sent.entry(device).or_default().insert(payload["seq"].as_u64().unwrap());
        }
    }
    sent
}

#[test]
fn with_the_embedded_broker() {
    assert_agreement(&Workspace::with_plan(PLAN), &format!("embedded:{}", free_port()));
}

#[test]
fn with_mosquitto() {
    assert_agreement(&Workspace::with_plan(PLAN), &Mosquitto::start().url());
}
