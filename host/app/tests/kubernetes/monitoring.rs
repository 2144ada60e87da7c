//! Checks that the dashboard and the alerts use existing metrics.

use std::collections::BTreeSet;

use serde_json::Value;
use wasmote_fleet::metrics::accept::MetricsFormat;
use wasmote_fleet::metrics::{Snapshot, openmetrics};

use crate::command::{named, rendered};

/// Names of the exposed samples.
fn exposed() -> BTreeSet<String> {
    let snapshot = Snapshot { is_fleet: true, ..Snapshot::default() };
    let text = openmetrics::write(&snapshot, MetricsFormat::Text);
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    families
        .flat_map(|(name, kind)| match kind {
            "histogram" => ["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")).to_vec(),
            _ => vec![name.to_owned()],
        })
        .collect()
}

/// Collects the strings of all fields with this name.
fn texts<'a>(value: &'a Value, field: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match value.as_str() {
                    Some(text) if name == field => found.push(text),
                    _ => texts(value, field, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| texts(value, field, found)),
        _ => {}
    }
}

fn names(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("wasmote_"))
}

#[test]
fn every_queried_metric_is_exposed() {
    let objects = rendered(&["--only", "monitoring"]);
    let dashboard = named(&objects, "ConfigMap", "wasmote-dashboard");
    let dashboard: Value = serde_json::from_str(dashboard["data"]["wasmote.json"].as_str().unwrap()).unwrap();
    let rules = named(&objects, "PrometheusRule", "wasmote");
    let mut expressions = Vec::new();
    texts(&dashboard, "expr", &mut expressions);
    texts(rules, "expr", &mut expressions);
    texts(&dashboard["templating"], "definition", &mut expressions);
    assert!(expressions.len() > 15, "{expressions:?}");
    let exposed = exposed();
    for expression in expressions {
        assert!(names(expression).count() > 0, "{expression}");
        for name in names(expression) {
            assert!(exposed.contains(name), "`{name}` in `{expression}` is not among {exposed:#?}");
        }
    }
}

#[test]
fn the_monitor_selects_the_devices_by_their_labels_and_port() {
    let objects = rendered(&["--monitoring"]);
    let monitor = named(&objects, "PodMonitor", "wasmote");
    let devices = named(&objects, "Deployment", "iot-heartbeat");
    let labels = &devices["spec"]["template"]["metadata"]["labels"];
    for (label, value) in monitor["spec"]["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&labels[label], value);
    }
    let port = &monitor["spec"]["podMetricsEndpoints"][0]["port"];
    assert_eq!(port, &crate::command::container(devices)["ports"][0]["name"]);
    let dashboard = named(&objects, "ConfigMap", "wasmote-dashboard");
    assert_eq!(dashboard["metadata"]["labels"]["grafana_dashboard"], "1");
}

#[test]
fn panels_of_the_dashboard_have_unique_ids_and_do_not_overlap() {
    let dashboard: Value =
        serde_json::from_str(wasmote_kubernetes::manifests::monitoring::DASHBOARD).unwrap();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let at = |field: &str| panel["gridPos"][field].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{} overlaps", panel["title"]);
            }
        }
    }
}
