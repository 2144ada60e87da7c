//! `experiments/run_experiment.sh`, an interface compatible with the predecessor of this simulator.

use std::fs;
use std::path::Path;

use crate::fake_cluster::{FakeCluster, json, results, text};

#[test]
fn the_script_runs_for_the_given_seconds_with_the_image_of_the_env_file() {
    let cluster = FakeCluster::new();
    fs::write(cluster.path().join(".env"), "DOCKERHUB_USERNAME=somebody\nBEHAVIOUR=sensor\n").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/run_experiment.sh");
    let interval = "group.sensor.config.report_interval=1s";
    let words = ["4", "--set", "group.sensor.count=2", "--set", interval, "--namespace", "lab"];
    let mut command = cluster.command(&script, &words);
    let output = command.env("WASMOTE", env!("CARGO_BIN_EXE_wasmote")).output().expect("the script starts");
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    let folder = results(cluster.path());
    assert!(folder.file_name().unwrap().to_str().unwrap().starts_with("experiment_2nodes_"));
    let manifest = json(&folder.join("manifest.json"));
    assert_eq!(manifest["cluster"]["image"], format!("somebody/wasmote:{}", env!("CARGO_PKG_VERSION")));
    let summary = json(&folder.join("summary.json"));
    assert!((4.0..30.0).contains(&summary["duration_s"].as_f64().unwrap()), "{summary:#}");
    for file in ["broker.log", "logs/iot-sensor-1.log", "logs/iot-sensor-2.log"] {
        assert!(fs::metadata(folder.join(file)).unwrap().len() > 0, "{file}");
    }
    assert!(cluster.is_empty());
}

#[test]
fn the_script_refuses_an_invalid_number_of_seconds() {
    let cluster = FakeCluster::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/run_experiment.sh");
    let output = cluster.command(&script, &["soon"]).output().expect("the script starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("seconds") && cluster.calls().is_empty());
}
