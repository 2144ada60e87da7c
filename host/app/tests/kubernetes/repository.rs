//! Checks that the manifests in the repository are output of the command.
//!
//! To update them: `WASMOTE_UPDATE=1 cargo test --workspace --locked --test kubernetes repository`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{call, read};
use crate::schema::assert_valid;
use wasmote_kubernetes::manifests::name::Image;

const DEVICES: &str = "\
# Nine simulated devices, one per pod, with the behaviour mounted from a ConfigMap:
#
#   kubectl create configmap behaviour-$BEHAVIOUR --from-file=behaviours/built/$BEHAVIOUR.wasm
#   envsubst '$DOCKERHUB_USERNAME $BEHAVIOUR' < k8s.yaml | kubectl apply -f -
#
# Output of `wasmote manifests --only devices`, with two names left as variables; a test compares both.
";

const BROKER: &str = "\
# Eclipse Mosquitto for the devices of k8s.yaml:  kubectl apply -f mqtt-broker.yaml
#
# Output of `wasmote manifests --only broker`; a test compares both.
";

fn rendered(words: &[&str]) -> String {
    String::from_utf8(call(words).stdout).unwrap()
}

fn assert_in_repository(path: &str, wanted: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("WASMOTE_UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "{} differs from the output of the command; the top of this test has the command to update it",
        path.display()
    );
}

#[test]
fn k8s_yaml_is_rendered_with_two_variables() {
    let text = rendered(&["--only", "devices", "--image", &format!("dockerhub-username/{}", Image::DEFAULT)]);
    let open =
        text.replace("dockerhub-username", "${DOCKERHUB_USERNAME}").replace("heartbeat", "${BEHAVIOUR}");
    assert_in_repository("k8s.yaml", &format!("{DEVICES}{open}"));
    // The variables as replaced by `envsubst`.
    let filled = open.replace("${DOCKERHUB_USERNAME}", "somebody").replace("${BEHAVIOUR}", "sensor");
    assert!(!filled.contains("${"), "{filled}");
    assert_valid(&read(&filled), "k8s.yaml");
}

#[test]
fn mqtt_broker_yaml_is_rendered() {
    let text = rendered(&["--only", "broker"]);
    assert_in_repository("mqtt-broker.yaml", &format!("{BROKER}{text}"));
    assert_valid(&read(&text), "mqtt-broker.yaml");
}

const BASE: &str = "# Output of `wasmote manifests`; a test compares both.\n";

#[test]
fn the_parts_for_kustomize_are_rendered() {
    let cases: [(&str, &[&str]); 7] = [
        ("broker/broker.yaml", &["--only", "broker"]),
        ("broker-tls/broker.yaml", &["--only", "broker", "--tls"]),
        ("behaviours/heartbeat/devices.yaml", &["--only", "devices"]),
        ("behaviours/sensor/devices.yaml", &["--only", "devices", "--behaviour", "sensor"]),
        (
            "behaviours/routing/devices.yaml",
            &["--only", "devices", "--behaviour", "routing", "--stable-names"],
        ),
        ("behaviours/aggregator/devices.yaml", &["--only", "devices", "--behaviour", "aggregator=1"]),
        ("monitoring/monitoring.yaml", &["--only", "monitoring"]),
    ];
    for (file, words) in cases {
        assert_in_repository(&format!("deploy/{file}"), &format!("{BASE}{}", rendered(words)));
    }
}

/// `compose.yaml` has the same broker configuration and image as the cluster.
#[test]
fn compose_has_the_brokers_configuration() {
    assert_in_repository(
        "deploy/compose/mosquitto.conf",
        &wasmote_kubernetes::manifests::broker::configuration(false),
    );
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../compose.yaml");
    let compose = read(&fs::read_to_string(&path).unwrap()).remove(0);
    let mount = &compose["services"]["mqtt-broker"]["volumes"][0];
    assert_eq!(mount, "./deploy/compose/mosquitto.conf:/mosquitto/config/mosquitto.conf:ro,z");
    let image = compose["services"]["devices"]["image"].as_str().unwrap();
    assert_eq!(image, format!("${{DOCKERHUB_USERNAME:-local}}/{}", Image::DEFAULT));
    // Compose 1 rejects other keys at the top, such as `name`, and configurations with inline content.
    let keys: Vec<_> = compose.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["services"]);
    let settings = compose["services"]["devices"]["environment"].as_object().unwrap();
    let known = call_help();
    for name in settings.keys() {
        assert!(known.contains(&format!("[env: {name}")), "{name} is not a setting");
    }
}

/// The overlays set the image of `wasmote manifests`, so a loaded image works without an edit.
#[test]
fn overlays_name_the_default_image() {
    let overlays = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/overlays");
    let mut count = 0;
    for overlay in fs::read_dir(overlays).unwrap() {
        let text = fs::read_to_string(overlay.unwrap().path().join("kustomization.yaml")).unwrap();
        let tag = read(&text)[0]["images"][0]["newTag"].as_str().unwrap().to_owned();
        assert_eq!(format!("wasmote:{tag}"), Image::DEFAULT);
        count += 1;
    }
    assert!(count > 5);
}

fn call_help() -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasmote"));
    String::from_utf8(command.args(["run", "--help"]).output().unwrap().stdout).unwrap()
}

/// The names and kinds of all targets that `cargo build` may compile, from the manifests of a folder.
fn targets(folder: &Path) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        for target in package["targets"].as_array().unwrap() {
            if target["kind"][0] != "test" {
                found.push(format!("{} {} {}", package["name"], target["name"], target["kind"]));
            }
        }
    }
    found.sort();
    found
}

/// The image compiles its dependencies from this copy: all manifests and targets, and no code.
#[test]
fn the_image_has_a_placeholder_for_every_cargo_target() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let copy = tempfile::tempdir().unwrap();
    let done = Command::new(root.join(".ci/manifests")).arg(copy.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for workspace in [".", "behaviours"] {
        let wanted = targets(&root.join(workspace));
        assert!(wanted.len() > 5, "{wanted:?}");
        assert_eq!(targets(&copy.path().join(workspace)), wanted);
        let lock = format!("{workspace}/Cargo.lock");
        assert_eq!(fs::read(copy.path().join(&lock)).unwrap(), fs::read(root.join(&lock)).unwrap());
    }
    let mut folders = vec![copy.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let code = fs::read_to_string(&path).unwrap();
                assert!(
                    code.starts_with("//! Placeholder.") && code.lines().count() < 3,
                    "{}",
                    path.display()
                );
            }
        }
    }
}

/// Docker's builder before BuildKit refuses an empty platform, knows no mounts, heredocs and new flags of COPY, and sets
/// none of the arguments that BuildKit sets. Without a registry, no other version of the syntax can be loaded.
#[test]
fn the_dockerfile_works_without_buildkit() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let dockerfile = fs::read_to_string(root.join("Dockerfile")).unwrap();
    for line in dockerfile.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            assert!(!comment.trim_start().starts_with("syntax="), "{line}");
            continue;
        }
        for unknown in
            ["--mount", "--link", "--parents", "--chmod", "--exclude", "--checksum", "--network", "<<"]
        {
            assert!(!line.contains(unknown), "{line}");
        }
        for set in ["BUILDPLATFORM", "TARGETPLATFORM", "BUILDARCH", "TARGETARCH", "BUILDOS", "TARGETOS"] {
            let uses = line.matches(&format!("${{{set}:-")).count();
            assert!(line.matches(set).count() == uses || line == format!("ARG {set}"), "no default: {line}");
        }
    }
    assert!(dockerfile.contains("FROM --platform=${BUILDPLATFORM:-"));
}
