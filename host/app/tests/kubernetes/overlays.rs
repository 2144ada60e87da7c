//! Checks that every overlay in `deploy/` renders valid manifests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use wasmote_fleet::document::Format;
use wasmote_fleet::fault_set::FaultSet;

use crate::command::{container, named, of_kind, rendered, variable};
use crate::kustomize::render;
use crate::schema::assert_valid;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").canonicalize().unwrap()
}

fn overlays() -> Vec<PathBuf> {
    let entries = fs::read_dir(deploy().join("overlays")).unwrap();
    let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn overlay(name: &str) -> Vec<Value> {
    render(&deploy().join("overlays").join(name))
}

#[test]
fn every_overlay_passes_strict_validation() {
    assert!(overlays().len() >= 10);
    for folder in overlays().into_iter().chain([deploy().join("base")]) {
        assert_valid(&render(&folder), &folder.display().to_string());
    }
}

#[test]
fn every_overlay_has_a_broker_and_devices_that_find_it_and_their_behaviour() {
    for folder in overlays() {
        let objects = render(&folder);
        let broker = named(&objects, "Service", "mqtt-broker");
        let port = broker["spec"]["ports"][0]["port"].as_u64().unwrap();
        let workloads = [of_kind(&objects, "Deployment"), of_kind(&objects, "StatefulSet")].concat();
        let devices: Vec<_> =
            workloads.into_iter().filter(|it| it["metadata"]["labels"]["app"] == "iot-device").collect();
        assert!(!devices.is_empty(), "{}", folder.display());
        for workload in devices {
            let url = variable(workload, "WASMOTE_BROKER").unwrap()["value"].as_str().unwrap();
            assert!(url.ends_with(&format!("://mqtt-broker:{port}")), "{}: {url}", folder.display());
            // ConfigMaps have the names of `make configmaps`.
            let volumes = workload["spec"]["template"]["spec"]["volumes"].to_string();
            let name = workload["metadata"]["labels"]["app.kubernetes.io/instance"].as_str().unwrap();
            assert!(volumes.contains(&format!("behaviour-{name}")), "{}: {volumes}", folder.display());
        }
    }
}

#[test]
fn overlays_match_their_names() {
    let heartbeat = |objects: &[Value]| named(objects, "Deployment", "iot-heartbeat").clone();
    assert_eq!(heartbeat(&overlay("fifty-nodes"))["spec"]["replicas"], 50);
    let value = |objects: &[Value], name: &str| variable(&heartbeat(objects), name).unwrap()["value"].clone();
    assert_eq!(value(&overlay("no-faults"), "WASMOTE_FAULTS"), "none");
    let harsh = overlay("harsh");
    assert_eq!(value(&harsh, "WASMOTE_FAULTS"), "/faults/faults.toml");
    let faults = named(&harsh, "ConfigMap", "iot-faults")["data"]["faults.toml"].as_str().unwrap();
    let models = wasmote_fleet::fault_models::FaultModels::default();
    FaultSet::parse("harsh", faults, Format::Toml, &models.without_files()).unwrap();
    let dense = overlay("dense");
    let sensor = named(&dense, "Deployment", "iot-sensor");
    assert_eq!(variable(sensor, "WASMOTE_DEVICES").unwrap()["value"], "100");
    assert_eq!(container(sensor)["resources"]["limits"]["memory"], "128Mi");
    assert_eq!(of_kind(&overlay("gateway"), "Deployment").len(), 3);
    assert_eq!(of_kind(&overlay("routing"), "StatefulSet").len(), 1);
    assert_eq!(of_kind(&overlay("monitored"), "PodMonitor").len(), 1);
}

/// The overlay and the command must not diverge.
#[test]
fn the_tls_overlay_is_what_the_command_renders() {
    let sorted = |mut objects: Vec<Value>| {
        objects.iter_mut().for_each(normalize);
        objects.sort_by_key(|object| format!("{}{}", object["kind"], object["metadata"]["name"]));
        objects
    };
    let command = rendered(&["--tls", "--only", "broker,devices"]);
    assert_eq!(sorted(overlay("tls")), sorted(command));
}

/// Compares with kustomize itself, if one with support for components is installed.
#[test]
fn kustomize_itself_renders_the_same() {
    let version = Command::new("kubectl").args(["version", "--client", "--output", "json"]).output();
    let version: Value =
        version.ok().and_then(|it| serde_json::from_slice(&it.stdout).ok()).unwrap_or_default();
    if !version["kustomizeVersion"].as_str().is_some_and(|version| version.starts_with("v5.")) {
        eprintln!("no kubectl with kustomize 5 here; only the renderer of these tests was used");
        return;
    }
    for folder in overlays() {
        let output = Command::new("kubectl").arg("kustomize").arg(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let sorted = |mut objects: Vec<Value>| {
            objects.iter_mut().for_each(normalize);
            objects.sort_by_key(|object| format!("{}{}", object["kind"], object["metadata"]["name"]));
            objects
        };
        let theirs = crate::command::read(std::str::from_utf8(&output.stdout).unwrap());
        assert_eq!(sorted(theirs), sorted(render(&folder)), "{}", folder.display());
    }
}

/// Sorts lists of objects, whose order is not significant.
fn normalize(value: &mut Value) {
    match value {
        Value::Object(object) => object.values_mut().for_each(normalize),
        Value::Array(list) => {
            list.iter_mut().for_each(normalize);
            if list.iter().all(Value::is_object) {
                list.sort_by_key(ToString::to_string);
            }
        }
        _ => {}
    }
}
