//! Timelines of plans on a cluster.

use std::fs;
use std::path::Path;

use wasmote_results::{TimelineRow, read_table};

use crate::experiment::{PLAN, RUN, assert_code, with_plan};
use crate::fake_cluster::{FakeCluster, json, results, text};

/// Rows of `timeline.csv`.
fn rows(folder: &Path) -> Vec<TimelineRow> {
    read_table(folder).unwrap()
}

/// Executed actions, each with its due time, its requests and its failed requests.
fn done(folder: &Path) -> Vec<String> {
    let cell = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    let line = |row: &TimelineRow| {
        let due = row.due_s.expect("a due time");
        format!("{},{},{due},{},{}", row.source, row.what, cell(row.requests), cell(row.failed))
    };
    rows(folder).iter().map(line).collect()
}

fn run(plan: &str) -> (FakeCluster, std::path::PathBuf) {
    let cluster = with_plan(plan);
    assert_code(&cluster.call(&[&RUN[..], &["--json"]].concat()), 0);
    assert!(cluster.is_empty());
    let folder = results(cluster.path());
    (cluster, folder)
}

/// Each pod executes the plan for its own devices.
#[test]
fn a_timeline_is_executed_on_the_pods() {
    let plan = PLAN.replace("faults = \"realistic\"", "faults = \"none\"");
    let timeline = "\n[[timeline]]\nat = \"1s\"\nfaults = { fault = [{ kind = \"loss\", id = \"gone\", probability = 1 }] }\n\
        \n[[timeline]]\nat = \"3s\"\ndevice = \"heartbeat-1\"\nfaults = \"none\"\n\
        \n[[timeline]]\nat = \"4s\"\nstop = { devices = [\"heartbeat-2\"] }\n";
    let cluster = with_plan(&format!(
        "{}{timeline}",
        plan.replace("thresholds = [\"latency_seconds p95 < 5\", ", "thresholds = [")
    ));
    assert_code(&cluster.call(&[&RUN[..], &["--json"]].concat()), 0);
    let folder = results(cluster.path());
    assert_eq!(done(&folder), ["plan,faults,1,3,0", "plan,faults,3,1,0", "plan,stop,4,1,0"]);
    for row in rows(&folder) {
        assert!(row.time_s >= row.due_s.unwrap(), "executed too early: {row:?}");
    }
    assert!(rows(&folder)[0].detail.starts_with("all; loss ("), "{:?}", rows(&folder)[0]);
    let pod = |number: u32| json(&folder.join(format!("pods/iot-heartbeat-{number}.json")));
    for number in 1..=3 {
        let lost = &pod(number)["metrics"]["dropped"]["gone"];
        assert!(lost.as_u64() > Some(0), "{:#}", pod(number)["metrics"]);
    }
    let state = |number: u32| pod(number)["status"]["state"].clone();
    assert_eq!((state(2), state(3)), ("connected".into(), "stopped".into()));
    assert!(cluster.is_empty());
}

/// Messages and requests of a plan go to devices over the APIs of their pods.
#[test]
fn publish_and_request_actions_reach_devices_on_their_pods() {
    let timeline = "\n[[timeline]]\nat = \"3s\"\n\
        publish = { device = \"heartbeat-0\", topic = \"wasmote/all/message\", payload = \"good day\" }\n\
        \n[[timeline]]\nat = \"4s\"\nrequest = { device = \"heartbeat-*\", path = \"/peers\" }\n";
    let cluster = with_plan(&format!("{}{timeline}", PLAN.replace("\"realistic\"", "\"none\"")));
    assert_code(&cluster.call(&[&RUN[..], &["--json"]].concat()), 0);
    let folder = results(cluster.path());
    assert_eq!(done(&folder), ["plan,publish,3,1,0", "plan,request,4,3,0"]);
    for pod in ["iot-heartbeat-2", "iot-heartbeat-3"] {
        let log = fs::read_to_string(folder.join(format!("logs/{pod}.log"))).unwrap();
        assert!(log.contains("good day"), "{log}");
    }
}

/// The host's own message comes from no device: it goes to the broker through a forwarded port.
#[test]
fn the_host_publishes_a_message_of_its_own() {
    let timeline = "\n[[timeline]]\nat = \"2s\"\n\
        publish = { topic = \"wasmote/all/message\", payload = \"from the host\", qos = 1 }\n";
    let (cluster, folder) = run(&format!("{}{timeline}", PLAN.replace("\"realistic\"", "\"none\"")));
    assert_eq!(done(&folder), ["plan,publish,2,1,0"]);
    for pod in ["iot-heartbeat-1", "iot-heartbeat-2", "iot-heartbeat-3"] {
        let log = fs::read_to_string(folder.join(format!("logs/{pod}.log"))).unwrap();
        assert!(log.contains("from the host"), "{log}");
    }
    let broker_log = fs::read_to_string(folder.join("broker.log")).unwrap();
    assert!(broker_log.contains(" as wasmote-host ("), "{broker_log}");
    assert!(cluster.calls().iter().any(|call| call.contains("port-forward")));
}

/// Devices join on all pods of their group, under the names of a run in one process, and later actions reach them.
#[test]
fn devices_are_added_and_the_later_timeline_reaches_them() {
    let timeline = "\n[[timeline]]\nat = \"1s\"\nadd = { group = \"west\", count = 3 }\n\
        \n[[timeline]]\nat = \"4s\"\nstop = { devices = [\"west-4\"] }\n";
    let (_cluster, folder) = run(&[TWO_GROUPS, timeline].concat());
    assert_eq!(done(&folder), ["plan,add,1,2,0", "plan,stop,4,1,0"]);
    let summary = json(&folder.join("summary.json"));
    assert_eq!(
        (&summary["devices"], &summary["groups"]["west"]["devices"]),
        (&6.into(), &5.into()),
        "{summary:#}"
    );
    // Five devices on two pods: the first has west-0, west-2 and west-4.
    let states = |pod: &str| json(&folder.join(format!("pods/{pod}.json")))["status"]["states"].clone();
    assert_eq!(states("iot-west-1"), serde_json::json!({"connected": 2, "stopped": 1}));
    assert_eq!(states("iot-west-2"), serde_json::json!({"connected": 2}));
    let log = fs::read_to_string(folder.join("broker.log")).unwrap();
    assert!((2..5).all(|number| log.contains(&format!(" as west-{number} ("))), "{log}");
}

#[test]
fn a_group_is_configured_and_swapped_on_its_pods() {
    let plan = TWO_GROUPS.replace("count = 1\nconfig = { interval = \"500ms\" }\n", "count = 1\n");
    let timeline = "\n[[timeline]]\nat = \"1s\"\nconfigure = { group = \"west\", config = { interval = \"200ms\" } }\n\
        \n[[timeline]]\nat = \"2s\"\nswap = { group = \"east\", behaviour = \"v2.wasm\", trial = \"1s\" }\n\
        \n[[timeline]]\nat = \"4s\"\nconfigure = { group = \"east\", behaviour = \"sensor\", \
        config = { report_interval = \"300ms\" } }\n\
        \n[[timeline]]\nat = \"5s\"\nswap = { group = \"west\", devices = [\"west-1\"], behaviour = \"heartbeat\", \
        config = { interval = \"100ms\" } }\n";
    let cluster = with_plan(&[&plan, timeline].concat());
    // The heartbeat with another SHA-256: a custom section follows.
    let heartbeat = wasmote_fleet::builtins::find("heartbeat").unwrap().bytes;
    fs::write(cluster.path().join("v2.wasm"), [heartbeat, b"\0\x02\x01v"].concat()).unwrap();
    assert_code(&cluster.call(&[&RUN[..], &["--json"]].concat()), 0);
    let folder = results(cluster.path());
    assert_eq!(
        done(&folder),
        ["plan,configure,1,2,0", "plan,swap,2,1,0", "plan,configure,4,1,0", "plan,swap,5,2,0"]
    );
    let log = |pod: &str| fs::read_to_string(folder.join(format!("logs/{pod}.log"))).unwrap();
    let east = log("iot-east-1");
    assert!(east.contains("behaviour v2: ") && east.contains("wasmote/east-0/telemetry"), "{east}");
    assert!(
        log("iot-west-2").contains("group west: 1 of 1 devices have another configuration"),
        "{}",
        log("iot-west-2")
    );
    assert_eq!(log("iot-west-1").matches("have another configuration").count(), 1, "only the configuration");
    // A configuration restarts the devices; a swap keeps their sessions.
    let broker = fs::read_to_string(folder.join("broker.log")).unwrap();
    let connects = |device: &str| broker.matches(&format!(" as {device} (")).count();
    assert_eq!([connects("west-0"), connects("west-1"), connects("east-0")], [2, 2, 2], "{broker}");
}

/// A version that no device takes over makes the collection partial.
#[test]
fn a_swap_that_the_devices_refuse_is_reported() {
    let timeline = "\n[[timeline]]\nat = \"1s\"\nswap = { group = \"east\", behaviour = \"sensor\" }\n";
    let cluster = with_plan(&[TWO_GROUPS, timeline].concat());
    let output = cluster.call(&RUN);
    assert_code(&output, 1);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("swap: 1 of 1 requests failed; iot-east-1: it answers 422"), "{stderr}");
    assert!(stderr.contains("keep the old version"), "{stderr}");
}

/// A pod that refuses a change makes the collection partial, and the run goes on.
#[test]
fn a_change_that_a_pod_does_not_get_is_reported() {
    let timeline =
        "\n[[timeline]]\nat = \"1s\"\nconfigure = { group = \"west\", config = { interval = \"200ms\" } }\n";
    let cluster = with_plan(&[TWO_GROUPS, timeline].concat());
    cluster.inject("deaf", "iot-west-2");
    let output = cluster.call(&RUN);
    assert_code(&output, 1);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("timeline at 1 s, configure: 1 of 2 requests failed; iot-west-2: "), "{stderr}");
    assert_eq!(done(&results(cluster.path())), ["plan,configure,1,2,1"]);
}

const TWO_GROUPS: &str = "name = \"two\"\nduration = \"8s\"\ninterval = \"2s\"\nfaults = \"none\"\n\n\
    [[group]]\nname = \"west\"\nbehaviour = \"heartbeat\"\ncount = 2\nconfig = { interval = \"500ms\" }\n\n\
    [[group]]\nname = \"east\"\nbehaviour = \"heartbeat\"\ncount = 1\nconfig = { interval = \"500ms\" }\n";

fn say(at: &str, what: &str) -> String {
    format!(
        "\n[[timeline]]\nat = \"{at}\"\n\
         publish = {{ device = \"west-0\", topic = \"wasmote/all/message\", payload = \"{what}\" }}\n"
    )
}

/// Messages between the groups are lost during the partition, in both directions.
#[test]
fn groups_are_partitioned_and_reunited() {
    let timeline = "\n[[timeline]]\nat = \"1s\"\npartition = { group = \"west\", for = \"3s\" }\n";
    let plan = [TWO_GROUPS, timeline, &say("2s", "while parted"), &say("6s", "together again")].concat();
    let (_cluster, folder) = run(&plan);
    assert_eq!(
        done(&folder),
        ["plan,partition,1,3,0", "plan,publish,2,1,0", "plan,end of a fault,4,3,0", "plan,publish,6,1,0"]
    );
    let heard = |pod: &str, what: &str| {
        let log = fs::read_to_string(folder.join(format!("logs/{pod}.log"))).unwrap();
        log.contains(what)
    };
    assert!(!heard("iot-east-1", "while parted") && heard("iot-east-1", "together again"));
    assert!(heard("iot-west-2", "while parted") && heard("iot-west-2", "together again"));
}

/// A failed request is repeated, and the failure is reported.
#[test]
fn faults_are_sent_again_to_a_pod_that_missed_them() {
    let timeline = "\n[[timeline]]\nat = \"1s\"\npartition = { group = \"west\", for = \"1h\" }\n";
    let cluster = with_plan(&[TWO_GROUPS, timeline, &say("6s", "while parted")].concat());
    cluster.inject("deaf", "iot-east-1");
    let output = cluster.call(&RUN);
    assert_code(&output, 1);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("timeline at 1 s, partition: 1 of 3 requests failed; iot-east-1: "), "{stderr}");
    let folder = results(cluster.path());
    assert_eq!(done(&folder), ["plan,partition,1,3,1", "plan,publish,6,1,0"]);
    let faults = json(&folder.join("pods/iot-east-1.json"))["metrics"]["faults"].clone();
    assert!(faults["timeline-0"].is_object(), "{faults}");
    let log = fs::read_to_string(folder.join("logs/iot-east-1.log")).unwrap();
    assert!(!log.contains("while parted"), "{log}");
}

#[test]
fn selected_devices_lose_their_connection_once() {
    let timeline =
        "\n[[timeline]]\nat = \"2s\"\ndisconnect = { group = \"west\", count = 1, for = \"2s\" }\n";
    let (_cluster, folder) = run(&format!("{TWO_GROUPS}{timeline}"));
    assert_eq!(done(&folder), ["plan,disconnect,2,2,0"], "the fault is set and removed");
    // The broker's log shows the connections.
    let log = fs::read_to_string(folder.join("broker.log")).unwrap();
    let connects = |device: &str| log.matches(&format!(" as {device} (")).count();
    let mut west = [connects("west-0"), connects("west-1")];
    west.sort_unstable();
    assert_eq!((west, connects("east-0")), ([1, 2], 1), "{log}");
}

#[test]
fn phases_have_metrics_and_a_missed_threshold_ends_the_run() {
    let plan = PLAN
        .replace("\"6s\"", "\"1m\"")
        .replace("\"realistic\"", "\"none\"")
        .replace("thresholds = [", "thresholds = [{ check = \"phase deaf: sent >= 1000\", abort = true }, ");
    let timeline = "\n[[timeline]]\nat = \"2s\"\nphase = \"well\"\n\n[[timeline]]\nat = \"5s\"\nphase = \"deaf\"\n\
        faults = { fault = [{ kind = \"loss\", id = \"gone\", probability = 1 }] }\n";
    let cluster = with_plan(&format!("{plan}{timeline}"));
    let output = cluster.call(&RUN);
    assert_code(&output, 99);
    assert!(
        text(&output.stderr).contains("a threshold is missed that ends the run"),
        "{}",
        text(&output.stderr)
    );
    let folder = results(cluster.path());
    let summary = json(&folder.join("summary.json"));
    assert_eq!((&summary["aborted"], &summary["interrupted"]), (&true.into(), &false.into()), "{summary:#}");
    // The threshold is missed at the first sample of the second phase.
    let seconds = summary["duration_s"].as_f64().unwrap();
    assert!((7.0..30.0).contains(&seconds), "{summary:#}");
    let [well, deaf] = &summary["phases"].as_array().unwrap()[..] else { panic!("{summary:#}") };
    assert_eq!((&well["name"], &well["from_s"], &well["to_s"]), (&"well".into(), &2.0.into(), &5.0.into()));
    // Three devices send two messages per second for three seconds; a late sample moves messages between phases.
    let sent = well["sent"].as_u64().unwrap();
    assert!((9..=27).contains(&sent), "{well:#}");
    assert!(deaf["generated"].as_u64() > Some(0) && deaf["sent"].as_u64() < Some(sent / 2), "{deaf:#}");
    assert_eq!(json(&folder.join("manifest.json"))["complete"], true);
    assert!(cluster.is_empty());
}
