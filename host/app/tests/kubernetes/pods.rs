//! Properties of every pod of a fleet.

use serde_json::{Value, json};

use crate::command::{container, named, of_kind, rendered, variable};

fn workloads(objects: &[Value]) -> Vec<&Value> {
    [of_kind(objects, "Deployment"), of_kind(objects, "StatefulSet")].concat()
}

#[test]
fn nine_pods_have_nine_names_and_each_its_device() {
    let objects = rendered(&[]);
    let devices = named(&objects, "Deployment", "iot-heartbeat");
    assert_eq!(devices["spec"]["replicas"], 9);
    let id = variable(devices, "WASMOTE_DEVICE_ID").expect("a name");
    assert_eq!(id["valueFrom"]["fieldRef"]["fieldPath"], "metadata.name");
    assert_eq!(variable(devices, "WASMOTE_DEVICES").unwrap()["value"], "1");
    // Pods have no common seed. One would be harmless, because each device has its own random stream by name.
    assert!(variable(devices, "WASMOTE_SEED").is_none());
    let service = named(&objects, "Service", "iot-heartbeat");
    assert_eq!(service["spec"]["clusterIP"], "None");
    let labels = &devices["spec"]["template"]["metadata"]["labels"];
    for (name, value) in service["spec"]["selector"].as_object().unwrap() {
        assert_eq!(&labels[name], value, "{name}");
    }
}

#[test]
fn stable_names_give_each_pod_its_share_of_one_fleet() {
    let objects = rendered(&["--behaviour", "routing=4", "--devices", "5", "--stable-names"]);
    let devices = named(&objects, "StatefulSet", "iot-routing");
    assert_eq!(devices["spec"]["serviceName"], "iot-routing");
    assert_eq!(variable(devices, "WASMOTE_DEVICES").unwrap()["value"], "20");
    assert_eq!(variable(devices, "WASMOTE_SHARD").unwrap()["value"], "$(POD_INDEX)/4");
    let index = &variable(devices, "POD_INDEX").unwrap()["valueFrom"]["fieldRef"]["fieldPath"];
    assert_eq!(index, "metadata.labels['apps.kubernetes.io/pod-index']");
    assert!(variable(devices, "WASMOTE_DEVICE_ID").is_none());
}

/// Parts of a fleet are numbered from 1, and devices from 0.
#[test]
fn the_numbers_of_pods_and_devices_are_explained() {
    let note = |words: &[&str]| String::from_utf8(crate::command::call(words).stderr).unwrap();
    let stable = note(&["--behaviour", "routing", "--stable-names"]);
    assert!(stable.contains("the pod iot-routing-1 has the device routing-0"), "{stable}");
    assert!(!note(&["--behaviour", "routing"]).contains("has the device"));
    let yaml = String::from_utf8(crate::command::call(&["--stable-names"]).stdout).unwrap();
    assert!(yaml.contains("# Shards are numbered from 1, and devices from 0: pod 1 has device 0."), "{yaml}");
}

/// The standard `restricted`, and the limits of a small device.
#[test]
fn pods_are_restricted_and_small() {
    for options in [&[][..], &["--tls"], &["--stable-names", "--built-in"]] {
        for workload in workloads(&rendered(options)) {
            let pod = &workload["spec"]["template"]["spec"];
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
            assert_eq!(pod["automountServiceAccountToken"], false);
            let security = &container(workload)["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false);
            assert_eq!(security["readOnlyRootFilesystem"], true);
            assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}));
        }
    }
    let objects = rendered(&[]);
    let limits = &container(named(&objects, "Deployment", "iot-heartbeat"))["resources"]["limits"];
    assert_eq!(limits, &json!({"cpu": "100m", "memory": "64Mi"}));
}

#[test]
fn simulated_failures_do_not_affect_liveness() {
    let objects = rendered(&[]);
    let container = container(named(&objects, "Deployment", "iot-heartbeat"));
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
}

/// The volume that is mounted on a folder.
fn mounted<'a>(workload: &'a Value, folder: &str) -> Option<&'a Value> {
    let mounts = container(workload)["volumeMounts"].as_array()?;
    let mount = mounts.iter().find(|mount| mount["mountPath"] == folder)?;
    assert_ne!(mount["readOnly"], json!(true), "{mount}");
    let volumes = workload["spec"]["template"]["spec"]["volumes"].as_array()?;
    volumes.iter().find(|volume| volume["name"] == mount["name"])
}

/// The cache is on disk, because memory would count against the pod's 64Mi. `fsGroup` makes it writable for the pod.
#[test]
fn pods_that_compile_their_behaviour_have_a_cache() {
    for options in [&[][..], &["--stable-names"], &["--behaviour-image", "me/behaviour:1"]] {
        let objects = rendered(options);
        let workload = workloads(&objects)
            .into_iter()
            .find(|it| it["metadata"]["labels"]["app"] == "iot-device")
            .unwrap();
        let folder = variable(workload, "WASMOTE_CACHE").expect("a cache")["value"].as_str().unwrap();
        let volume = mounted(workload, folder).expect("a volume");
        assert_eq!(volume["emptyDir"], json!({"sizeLimit": "64Mi"}), "{options:?}");
        let security = &workload["spec"]["template"]["spec"]["securityContext"];
        assert_eq!(security["fsGroup"], security["runAsUser"]);
        assert_eq!(variable(workload, "WASMOTE_COMPILE").unwrap()["value"], "quick", "{options:?}");
    }
    let objects = rendered(&["--cpu", "2"]);
    assert!(variable(named(&objects, "Deployment", "iot-heartbeat"), "WASMOTE_COMPILE").is_none());
}

/// Behaviours of the image are compiled ahead and need no cache.
#[test]
fn pods_with_a_behaviour_of_the_image_have_no_cache() {
    let objects = rendered(&["--built-in"]);
    let devices = named(&objects, "Deployment", "iot-heartbeat");
    assert!(variable(devices, "WASMOTE_CACHE").is_none() && variable(devices, "WASMOTE_COMPILE").is_none());
    assert!(devices["spec"]["template"]["spec"].get("volumes").is_none());
}

/// A mount of a single file would not get updates.
#[test]
fn config_maps_are_mounted_as_folders_that_exist() {
    let faults = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    std::fs::write(&faults, "[[fault]]\nkind = \"loss\"\nprobability = 1\n").unwrap();
    let objects = rendered(&["--tls", "--faults", faults.path().to_str().unwrap()]);
    for workload in workloads(&objects) {
        let pod = &workload["spec"]["template"]["spec"];
        let names: Vec<_> = pod["volumes"].as_array().unwrap().iter().map(|volume| &volume["name"]).collect();
        for mount in container(workload)["volumeMounts"].as_array().unwrap() {
            assert!(mount.get("subPath").is_none(), "{mount}");
            assert!(names.contains(&&mount["name"]), "{mount} of {names:?}");
        }
        let maps = pod["volumes"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|volume| volume["configMap"]["name"].as_str());
        for map in maps {
            named(&objects, "ConfigMap", map);
        }
    }
    let devices = named(&objects, "Deployment", "iot-heartbeat");
    assert_eq!(variable(devices, "WASMOTE_FAULTS").unwrap()["value"], "/faults/faults.json");
    let document = &named(&objects, "ConfigMap", "iot-heartbeat-faults")["data"]["faults.json"];
    let document: Value = serde_json::from_str(document.as_str().unwrap()).unwrap();
    assert_eq!(document["fault"][0]["kind"], "loss");
}

#[test]
fn objects_have_scrape_annotations_and_standard_labels() {
    let objects = rendered(&["--namespace", "lab"]);
    let devices = named(&objects, "Deployment", "iot-heartbeat");
    let annotations = &devices["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/scrape"], "true");
    assert_eq!(annotations["prometheus.io/port"], "5000");
    assert_eq!(annotations["prometheus.io/path"], "/metrics");
    for object in &objects {
        let labels = object["metadata"]["labels"].as_object().unwrap();
        for label in ["name", "instance", "component", "part-of"] {
            assert!(labels.contains_key(&format!("app.kubernetes.io/{label}")), "{label}: {object}");
        }
        assert_eq!(object["metadata"]["namespace"], "lab");
    }
}

#[test]
fn passwords_come_from_secrets_and_never_from_a_manifest() {
    let objects = rendered(&["--tls"]);
    let devices = named(&objects, "Deployment", "iot-heartbeat");
    let password = &variable(devices, "WASMOTE_BROKER_PASSWORD").unwrap()["valueFrom"]["secretKeyRef"];
    assert_eq!(password, &json!({"name": "mqtt-credentials", "key": "password"}));
    assert_eq!(variable(devices, "WASMOTE_BROKER").unwrap()["value"], "mqtts://mqtt-broker:8883");
    assert!(of_kind(&objects, "Secret").is_empty());
    let broker = &named(&objects, "ConfigMap", "mqtt-broker")["data"]["mosquitto.conf"];
    assert!(broker.as_str().unwrap().contains("allow_anonymous false"));
}

#[test]
fn pods_connect_with_the_options_of_the_command() {
    let words = [
        "--broker",
        "MQTTS://broker.example",
        "--tls-name",
        "other.example",
        "--tls-sni=false",
        "--tls-alpn",
        "mqtt,x-amzn-mqtt-ca",
        "--tls-resumption=false",
        "--interface",
        "net1",
    ];
    let objects = rendered(&words);
    let devices = named(&objects, "Deployment", "iot-heartbeat");
    for (name, expected) in [
        ("WASMOTE_BROKER", "mqtts://broker.example:8883"),
        ("WASMOTE_TLS_NAME", "other.example"),
        ("WASMOTE_TLS_SNI", "false"),
        ("WASMOTE_TLS_ALPN", "mqtt,x-amzn-mqtt-ca"),
        ("WASMOTE_TLS_RESUMPTION", "false"),
        ("WASMOTE_INTERFACE", "net1"),
    ] {
        assert_eq!(variable(devices, name).map(|found| &found["value"]), Some(&expected.into()), "{name}");
    }
    let plain = crate::command::call(&["--tls-alpn", "mqtt"]);
    let error = String::from_utf8_lossy(&plain.stderr);
    assert!(
        !plain.status.success() && error.contains("--tls-alpn: this option is for brokers with TLS"),
        "{error}"
    );
    let secured = rendered(&["--tls", "--tls-alpn", "mqtt"]);
    let devices = named(&secured, "Deployment", "iot-heartbeat");
    assert_eq!(variable(devices, "WASMOTE_TLS_ALPN").unwrap()["value"], "mqtt");
}

#[test]
fn headers_and_proxies_of_pods_come_from_secrets() {
    let words =
        ["--broker", "WSS://broker.example/mqtt", "--ws-headers", "my-headers", "--proxy", "my-proxy"];
    let objects = rendered(&words);
    let devices = named(&objects, "Deployment", "iot-heartbeat");
    assert_eq!(variable(devices, "WASMOTE_BROKER").unwrap()["value"], "wss://broker.example:443/mqtt");
    for (name, secret, key) in
        [("WASMOTE_WS_HEADER", "my-headers", "headers"), ("WASMOTE_PROXY", "my-proxy", "url")]
    {
        let from = &variable(devices, name).unwrap()["valueFrom"]["secretKeyRef"];
        assert_eq!((&from["name"], &from["key"]), (&json!(secret), &json!(key)), "{name}");
    }
    for (words, expected) in [
        (&["--broker", "wss://broker.example/mqtt?token=s3cret"][..], "manifests hold no secret"),
        (&["--broker", "mqtt://broker.example", "--ws-headers", "x"], "headers are for WebSocket"),
        (&["--broker", "mqtt://me:s3cret@broker.example"], "credentials do not belong in the URL"),
    ] {
        let refused = crate::command::call(words);
        let error = String::from_utf8_lossy(&refused.stderr);
        assert!(error.contains(expected) && !error.contains("s3cret"), "{words:?}: {error}");
        assert!(refused.stdout.is_empty());
    }
}
