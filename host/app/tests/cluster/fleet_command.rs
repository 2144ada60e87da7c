//! `wasmote fleet`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fake_cluster::{FakeCluster, text};

/// A `wasmote` process with its own embedded broker.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(words: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wasmote"))
            .args(["run", "--http", "127.0.0.1:0", "--broker", "embedded:0", "--faults", "none"])
            .args(words)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stderr_lines =
            BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let line = stderr_lines
            .find(|line| line.contains("  http    http://"))
            .expect("the log has the address of the API");
        let url = line.split_whitespace().nth(1).expect("an address").to_owned();
        // Reads stderr until the end, so that a full pipe never blocks the process.
        std::thread::spawn(move || stderr_lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn fleet(urls: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasmote"));
    let output = command.arg("fleet").args(urls).arg("--json").output().expect("the program starts");
    let report = text(&output.stdout);
    (output.status.code(), serde_json::from_str(&report).unwrap_or_else(|why| panic!("{why}: {report}")))
}

/// Waits until the condition is true.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn several_processes_are_one_fleet_and_their_histograms_add_up() {
    let quick = ["heartbeat", "--device-config", "interval=200ms"];
    let one = Process::start(&[&quick[..], &["-n", "2"]].concat());
    let two = Process::start(&[&quick[..], &["-n", "3"]].concat());
    let single = Process::start(&["sensor", "-n", "1"]);
    let urls = [one.url.as_str(), &two.url, &single.url];
    wait_until("messages have arrived in both", || {
        let (_, report) = fleet(&urls);
        report["pods"].as_array().unwrap()[..2]
            .iter()
            .all(|pod| pod["messages"]["received"].as_u64() > Some(10))
    });
    let (code, report) = fleet(&urls);
    assert_eq!(code, Some(0));
    assert_eq!(report["total"]["devices"], 6);
    assert_eq!(report["total"]["answered"], 3);
    let pods = report["pods"].as_array().unwrap();
    let bucket =
        |value: &Value, at: usize| value["messages"]["latency"]["buckets"][at]["count"].as_u64().unwrap();
    for at in 0..22 {
        let sum: u64 = pods.iter().map(|pod| bucket(pod, at)).sum();
        assert_eq!(bucket(&report["total"], at), sum, "bucket {at}");
    }
    let received: u64 = pods.iter().map(|pod| pod["messages"]["received"].as_u64().unwrap()).sum();
    assert_eq!(report["total"]["messages"]["received"], received);
    let (p50, p99) = (&report["total"]["latency_seconds"]["p50"], &report["total"]["latency_seconds"]["p99"]);
    assert!(p50.as_f64().unwrap() <= p99.as_f64().unwrap(), "{report:#}");
}

#[test]
fn an_unreachable_process_is_shown() {
    let one = Process::start(&["-n", "1"]);
    let gone = {
        let two = Process::start(&["-n", "1"]);
        two.url.clone()
    };
    let (code, report) = fleet(&[&one.url, &gone]);
    assert_eq!(code, Some(1), "scripts see the failure");
    assert!(report["pods"][1]["unreachable"].as_str().is_some_and(|why| !why.is_empty()), "{report:#}");
    assert_eq!((&report["total"]["answered"], &report["total"]["asked"]), (&1.into(), &2.into()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasmote"));
    let table = command.args(["fleet", &one.url, &gone]).output().unwrap();
    let table = text(&table.stdout);
    assert!(table.contains("unreachable: ") && table.contains("1 of 2"), "{table}");
}

#[test]
fn watching_continues_until_a_signal() {
    let one = Process::start(&["-n", "1"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_wasmote"))
        .args(["fleet", &one.url, "--json", "--watch=100ms"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    for _ in 0..3 {
        let line = lines.next().expect("another line");
        let report: Value = serde_json::from_str(&line).expect("one object per line");
        assert_eq!(report["total"]["devices"], 1);
    }
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// The default output of `wasmote manifests` works on a cluster.
#[test]
fn nine_pods_have_nine_devices_and_are_seen_as_one_fleet() {
    let cluster = FakeCluster::new();
    let rendered = cluster.call(&["manifests", "--device-config", "interval=1s", "--faults", "none"]);
    cluster.apply(&text(&rendered.stdout));
    let mut report = Value::Null;
    wait_until("all nine are connected", || {
        let output = cluster.call(&["fleet", "--json"]);
        report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        report["total"]["states"]["connected"] == 9
    });
    assert_eq!(report["total"]["answered"], 9, "{report:#}");
    // Names are unique: of two devices with the same name, the broker would disconnect one whenever the other
    // connects.
    let ids: std::collections::BTreeSet<_> =
        report["pods"].as_array().unwrap().iter().map(|pod| pod["name"].to_string()).collect();
    assert_eq!(ids.len(), 9);
    // Each pod has cached the compiled code of its behaviour in its own folder.
    let compiled = cluster.compiled_code();
    assert_eq!(compiled.len(), 9, "{compiled:?}");
    wait_until("each device has received messages of all nine", || {
        let output = cluster.call(&["fleet", "--json"]);
        report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        report["total"]["messages"]["behaviours"] != Value::Null
            && report["total"]["messages"]["received"].as_u64() > Some(81)
    });
}

/// The init container's code is what the pod runs: it compiles nothing itself.
#[test]
fn pods_run_the_code_that_their_init_container_has_compiled() {
    let cluster = FakeCluster::new();
    let words = ["manifests", "--replicas", "2", "--compile-memory", "256Mi", "--faults", "none"];
    cluster.apply(&text(&cluster.call(&words).stdout));
    wait_until("both are connected", || {
        let output = cluster.call(&["fleet", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        report["total"]["states"]["connected"] == 2
    });
    assert_eq!(cluster.precompiled_code().len(), 2);
    assert!(cluster.compiled_code().is_empty(), "{:?}", cluster.compiled_code());
}

#[test]
fn without_pods_or_kubectl_there_is_advice() {
    let cluster = FakeCluster::new();
    let output = cluster.call(&["fleet"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("no pods have the labels app=iot-device"),
        "{}",
        text(&output.stderr)
    );
    let output =
        Command::new(env!("CARGO_BIN_EXE_wasmote")).arg("fleet").env("PATH", "/nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("install it"), "{}", text(&output.stderr));
}
