//! `wasmote experiment run PLAN --on kubernetes`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output};

use crate::fake_cluster::{FakeCluster, json, results, text};

pub const PLAN: &str = "name = \"small\"\nduration = \"6s\"\nwarm_up = \"2s\"\ninterval = \"2s\"\nseeds = [7]\n\
    faults = \"realistic\"\nthresholds = [\"latency_seconds p95 < 5\", \"group heartbeat: generated > 5\"]\n\n\
    [[group]]\nbehaviour = \"heartbeat\"\ncount = 3\nconfig = { interval = \"500ms\" }\n";

pub const RUN: [&str; 5] = ["experiment", "run", "plan.toml", "--on", "kubernetes"];

pub fn with_plan(plan: &str) -> FakeCluster {
    let cluster = FakeCluster::new();
    fs::write(cluster.path().join("plan.toml"), plan).unwrap();
    cluster
}

pub fn assert_code(output: &Output, code: i32) {
    let stderr = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stderr}");
}

fn lines(file: &Path) -> usize {
    fs::read_to_string(file).unwrap_or_else(|problem| panic!("{}: {problem}", file.display())).lines().count()
}

#[test]
fn a_run_leaves_the_results_of_every_pod_and_nothing_on_the_cluster() {
    let cluster = with_plan(PLAN);
    let output = cluster.call(&[&RUN[..], &["--context", "mine", "--namespace", "lab", "--json"]].concat());
    assert_code(&output, 0);
    let folder = results(cluster.path());
    let manifest = json(&folder.join("manifest.json"));
    assert_eq!(manifest["complete"], true, "{manifest:#}");
    assert_eq!(manifest["cluster"]["context"], "mine");
    assert!(manifest["command"].as_str().unwrap().contains("--on kubernetes --context mine --namespace lab"));
    for pod in ["iot-heartbeat-1", "iot-heartbeat-2", "iot-heartbeat-3"] {
        assert!(lines(&folder.join(format!("logs/{pod}.log"))) > 5, "{pod}");
        let pod_state = json(&folder.join(format!("pods/{pod}.json")));
        assert!(pod_state["metrics"]["generated"].as_u64().unwrap() > 0, "{pod_state:#}");
        // The device has the same name and seed as in virtual time.
        let number = pod.rsplit_once('-').unwrap().1.parse::<u32>().unwrap() - 1;
        assert_eq!(pod_state["status"]["device"], format!("heartbeat-{number}"));
        let log = fs::read_to_string(folder.join(format!("logs/{pod}.log"))).unwrap();
        assert!(log.contains(&format!("1 of the fleet's devices (heartbeat-{number})")), "{log}");
        assert_eq!(pod_state["status"]["seed"], 7);
    }
    assert!(lines(&folder.join("broker.log")) > 3);
    // Probes do not connect to the broker.
    let broker_log = fs::read_to_string(folder.join("broker.log")).unwrap();
    assert!(!broker_log.contains("<unknown>"), "{broker_log}");
    let summary = json(&folder.join("summary.json"));
    assert_eq!((&summary["devices"], &summary["warm_up_s"]), (&3.into(), &2.0.into()), "{summary:#}");
    assert!(summary["latency_seconds"]["p95"].as_f64().is_some_and(|p95| p95 > 0.01), "{summary:#}");
    assert!(summary["thresholds"].as_array().unwrap().iter().all(|verdict| verdict["ok"] == true));
    assert!(lines(&folder.join("timeseries.csv")) > 2 * 3);
    assert!(fs::read_to_string(folder.join("report.html")).unwrap().contains("small"));
    assert!(cluster.is_empty(), "the fleet was removed");
    assert!(cluster.calls().iter().all(|call| call.starts_with("--context=mine --namespace=lab ")));
}

#[test]
fn a_pod_that_never_starts_is_named_and_the_fleet_is_removed() {
    let cluster = with_plan(PLAN);
    cluster.inject("never", "iot-heartbeat-2");
    let output = cluster.call(&[&RUN[..], &["--ready-timeout", "20s"]].concat());
    assert_code(&output, 1);
    let stderr = text(&output.stderr);
    for words in
        ["3 of 4 pods were ready after 20s", "iot-heartbeat-2: ImagePullBackOff: there is no such image"]
    {
        assert!(stderr.contains(words), "{stderr}");
    }
    let folder = results(cluster.path());
    assert_eq!(json(&folder.join("manifest.json"))["complete"], false);
    assert!(lines(&folder.join("logs/iot-heartbeat-1.log")) > 0, "the logs of the other pods are kept");
    assert!(cluster.is_empty());
}

#[test]
fn ctrl_c_collects_artifacts_and_cleans_up() {
    let cluster = with_plan(&PLAN.replace("6s", "10m"));
    let mut child = cluster.wasmote(&RUN).spawn().expect("the program starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
    assert!(stderr.any(|line| line.contains("all are ready")), "the run starts");
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let rest: Vec<String> = stderr.collect();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{rest:?}");
    let folder = results(cluster.path());
    assert_eq!(json(&folder.join("manifest.json"))["complete"], false);
    assert_eq!(json(&folder.join("summary.json"))["interrupted"], true);
    assert!(lines(&folder.join("logs/iot-heartbeat-1.log")) > 0);
    assert!(cluster.is_empty());
}

#[test]
fn missing_logs_make_the_collection_partial() {
    let cluster = with_plan(PLAN);
    cluster.inject("no-logs", "iot-heartbeat-3");
    let output = cluster.call(&RUN);
    assert_code(&output, 1);
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("the collection is partial") && stderr.contains("log of iot-heartbeat-3"),
        "{stderr}"
    );
    let folder = results(cluster.path());
    let manifest = json(&folder.join("manifest.json"));
    assert_eq!(manifest["complete"], false);
    let missing = manifest["cluster"]["missing"].to_string();
    assert!(missing.contains("log of iot-heartbeat-3") && missing.contains("no route to host"), "{missing}");
    assert!(lines(&folder.join("logs/iot-heartbeat-1.log")) > 0);
    assert!(folder.join("summary.json").exists(), "the metrics are kept");
    assert!(cluster.is_empty());
}

#[test]
fn an_existing_fleet_is_left_alone() {
    let cluster = with_plan(PLAN);
    cluster.apply(&text(&cluster.call(&["manifests", "--replicas", "1", "--only", "broker"]).stdout));
    let output = cluster.call(&RUN);
    assert_code(&output, 1);
    assert!(text(&output.stderr).contains("configmap/mqtt-broker"), "{}", text(&output.stderr));
    assert!(!cluster.is_empty());
    assert!(!cluster.calls().iter().any(|call| call.starts_with("delete")));
}

#[test]
fn config_maps_of_the_user_stay() {
    let cluster = with_plan(PLAN);
    // As `kubectl create configmap behaviour-heartbeat --from-file=heartbeat.wasm` makes it, and as `make configmaps` does.
    let own = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: behaviour-heartbeat\nbinaryData:\n  heartbeat.wasm: AGFzbQ==\n";
    cluster.apply(own);
    let words = ["manifests", "--only", "behaviours", "--behaviour", "sensor"];
    cluster.apply(&text(&cluster.call(&words).stdout));
    assert_code(&cluster.call(&RUN), 0);
    assert_eq!(cluster.objects(), ["configmap/behaviour-heartbeat", "configmap/behaviour-sensor"]);
}

#[test]
fn an_object_of_the_same_name_is_neither_overwritten_nor_deleted() {
    let cluster = with_plan(PLAN);
    let own = "apiVersion: v1\nkind: Service\nmetadata:\n  name: iot-heartbeat\nspec: {}\n";
    cluster.apply(own);
    let output = cluster.call(&RUN);
    assert_code(&output, 1);
    assert!(
        text(&output.stderr).contains("kubectl delete service/iot-heartbeat"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(cluster.objects(), ["service/iot-heartbeat"]);
}

#[test]
fn a_run_that_may_not_create_all_objects_removes_those_it_created() {
    let cluster = with_plan(PLAN);
    cluster.inject("denied", "statefulset.apps/iot-heartbeat");
    let output = cluster.call(&RUN);
    assert_code(&output, 1);
    assert!(text(&output.stderr).contains("Forbidden"), "{}", text(&output.stderr));
    assert!(cluster.is_empty(), "{:?}", cluster.objects());
}

#[test]
fn unsupported_plans_are_refused_before_anything_is_applied() {
    let timeline = format!("{PLAN}\n[[timeline]]\nat = \"3s\"\nbroker = {{ pause = \"1s\" }}\n");
    let restart = format!("{PLAN}\n[[timeline]]\nat = \"3s\"\nbroker = {{ restart = \"1s\" }}\n");
    let large = format!(
        "{PLAN}\n[[timeline]]\nat = \"3s\"\nswap = {{ group = \"heartbeat\", behaviour = \"sensor\" }}\n"
    );
    let cut = format!("{PLAN}\n[[timeline]]\nat = \"3s\"\ndisconnect = {{ count = 1, for = \"1s\" }}\n");
    let ratio = PLAN.replace("latency_seconds p95 < 5", "delivery_ratio > 0.5");
    let latency = format!("packet_latency = \"5ms\"\n{PLAN}");
    for (plan, field) in [
        (timeline, "timeline: `broker` needs the embedded broker"),
        (restart, "timeline: `broker` needs the embedded broker"),
        (large, "timeline: `swap`: to compile the behaviour, a pod needs about "),
        (cut, "timeline: a `disconnect` lasts 2s or longer on a cluster"),
        (ratio, "delivery_ratio"),
        (latency, "packet_latency"),
    ] {
        let cluster = with_plan(&plan);
        let output = cluster.call(&[&RUN[..], &["--memory", "24Mi"]].concat());
        assert_code(&output, 2);
        let stderr = text(&output.stderr);
        assert!(stderr.contains(field) && stderr.contains("--on kubernetes"), "{stderr}");
        assert!(cluster.calls().is_empty() && !cluster.path().join("results").exists());
    }
    let output = with_plan(PLAN).call(&["experiment", "run", "plan.toml", "--namespace", "lab"]);
    assert_code(&output, 2);
    assert!(text(&output.stderr).contains("add `--on kubernetes`"));
}

#[test]
fn results_of_a_cluster_are_not_verified_but_reported() {
    let cluster = with_plan(PLAN);
    assert_code(&cluster.call(&RUN), 0);
    let folder = results(cluster.path());
    let output = cluster.call(&["experiment", "verify", folder.to_str().unwrap()]);
    assert_code(&output, 2);
    assert!(text(&output.stderr).contains("it ran on a cluster"), "{}", text(&output.stderr));
    assert_code(&cluster.call(&["experiment", "report", folder.to_str().unwrap()]), 0);
}
