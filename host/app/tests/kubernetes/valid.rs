//! Checks that all combinations of options render valid manifests.

use std::fs;

use crate::command::{of_kind, read, rendered};
use crate::schema::assert_valid;

const FAULTS: &str = "[[fault]]\nkind = \"loss\"\nprobability = 0.25\nid = \"lossy\"\n";
const FLEET: &str = "faults = \"faults.toml\"\nseed = 7\n\n[[group]]\nname = \"West_Side\"\nbehaviour = \"sensor\"\n\
    count = 20\nconfig = { report_interval = \"2s\" }\nlimits = { timers = 8 }\n\n[[group]]\nname = \"sums\"\n\
    behaviour = \"aggregator\"\ncount = 10\nfaults = \"none\"\nallow_hosts = [\"example.org\"]\n";

#[test]
fn every_combination_of_options_passes_strict_validation() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (faults, fleet) = (file("faults.toml", FAULTS), file("fleet.toml", FLEET));
    let fleets: [&[&str]; 7] = [
        &[],
        &["--behaviour", "sensor", "--replicas", "50", "--devices", "100"],
        &["--behaviour", "routing", "--stable-names", "--device-config", "topology=grid"],
        &["--behaviour", "sensor", "--behaviour", "aggregator=1", "--seed", "42", "--built-in"],
        &["--behaviour", "sensor", "--behaviour-image", "registry.example:5000/me/behaviour:1"],
        &["--config", &fleet, "--devices", "10"],
        &["--behaviour", "sensor", "--compile-memory", "256Mi"],
    ];
    let broker: [&[&str]; 4] = [
        &[],
        &["--tls"],
        &["--broker", "mqtt://broker.example"],
        &[
            "--broker",
            "MQTTS://broker.example",
            "--ca",
            "my-ca",
            "--credentials",
            "my-login",
            "--tls-alpn",
            "mqtt",
        ],
    ];
    let rest: [&[&str]; 3] = [
        &[],
        &[
            "--monitoring",
            "--namespace",
            "lab",
            "--image",
            "me/wasmote:0.1",
            "--faults",
            &faults,
            "--memory",
            "128Mi",
            "--cpu",
            "1m",
        ],
        &[
            "--mqtt",
            "3.1.1",
            "--keepalive",
            "20s",
            "--session-expiry",
            "5m",
            "--topic-root",
            "plant/west",
            "--ramp",
            "50/s",
            "--log",
            "json",
            "--log-messages",
            "on",
            "--limit",
            "timers=8",
        ],
    ];
    for fleets in fleets {
        for broker in broker {
            for rest in rest {
                let words = [fleets, broker, rest].concat();
                assert_valid(&rendered(&words), &words.join(" "));
            }
        }
    }
}

#[test]
fn separately_rendered_parts_equal_the_whole() {
    let whole = rendered(&[]);
    let parts: Vec<_> =
        ["broker", "behaviours", "devices"].iter().flat_map(|part| rendered(&["--only", part])).collect();
    assert_eq!(parts, whole);
    assert_eq!(rendered(&["--only", "broker,behaviours,devices"]), whole);
}

#[test]
fn several_behaviours_have_separate_workloads() {
    let objects = rendered(&["--behaviour", "sensor=50", "--behaviour", "heartbeat", "--devices", "10"]);
    let replicas: Vec<_> = of_kind(&objects, "Deployment")
        .into_iter()
        .map(|it| (it["metadata"]["name"].as_str().unwrap(), it["spec"]["replicas"].as_u64().unwrap()))
        .collect();
    assert_eq!(replicas, [("mqtt-broker", 1), ("iot-sensor", 50), ("iot-heartbeat", 9)]);
    // Selectors must differ, so that none matches the pods of another behaviour.
    let selectors: Vec<_> =
        of_kind(&objects, "Deployment").into_iter().map(|it| it["spec"]["selector"].to_string()).collect();
    assert_ne!(selectors[1], selectors[2]);
}

#[test]
fn output_is_deterministic() {
    let bytes = || crate::command::call(&["--behaviour", "sensor", "--seed", "1"]).stdout;
    assert!(bytes() == bytes());
    assert!(!read(&String::from_utf8(bytes()).unwrap()).is_empty());
}
