//! Objects for the Prometheus operator and Grafana: a PodMonitor, alert rules and a dashboard.

use super::objects::{ObjectIdentity, object};
use super::options::DeployOptions;
use super::workload::{APP, PORT_NAME};
use super::yaml::Map;

const NAME: &str = "wasmote";
/// The Grafana dashboard.
pub const DASHBOARD: &str = include_str!("../../../../deploy/monitoring/dashboard.json");

/// Alert rules: name, minimum duration, severity, condition and summary.
const ALERTS: [(&str, &str, &str, &str, &str); 6] = [
    (
        "WasmoteDevicesFailed",
        "1m",
        "warning",
        "sum by (namespace) (wasmote_devices_failed) > 0",
        "Devices in {{ $labels.namespace }} refused to start; the pods' logs have the reasons.",
    ),
    (
        "WasmoteLedgerOpen",
        "1m",
        "critical",
        "min by (namespace, pod) (wasmote_ledger_closes) == 0",
        "Messages of {{ $labels.pod }} are not accounted for; that is a defect of wasmote, please report it.",
    ),
    (
        "WasmoteTraps",
        "0m",
        "warning",
        "sum by (namespace) (increase(wasmote_traps_total[5m])) > 0",
        "Behaviours in {{ $labels.namespace }} trapped: they panicked, ran out of fuel or of memory.",
    ),
    (
        "WasmoteMessagesRefused",
        "5m",
        "warning",
        "sum by (namespace, reason) (rate(wasmote_messages_refused_total[5m])) > 0",
        "Devices in {{ $labels.namespace }} publish more than their limits let out ({{ $labels.reason }}).",
    ),
    (
        // Silences and crashes are part of the simulation and last 30 s in the preset `realistic`, so the alert
        // waits longer.
        "WasmoteFleetOffline",
        "3m",
        "critical",
        "sum by (namespace) (wasmote_devices_connected) < 0.5 * sum by (namespace) (wasmote_devices)",
        "Less than half of the devices in {{ $labels.namespace }} are connected: is the broker there?",
    ),
    (
        "WasmoteQueuesGrow",
        "10m",
        "warning",
        "sum by (namespace) (wasmote_messages_waiting) > 100 * sum by (namespace) (wasmote_devices)",
        "More than a hundred messages for each device in {{ $labels.namespace }} wait.",
    ),
];

/// The PodMonitor, the alert rules, and the dashboard's ConfigMap.
pub fn objects(options: &DeployOptions) -> Vec<Map> {
    let identity = ObjectIdentity {
        app: APP,
        name: NAME,
        instance: NAME.into(),
        component: "monitoring",
        version: Some(env!("CARGO_PKG_VERSION")),
        namespace: options.namespace.clone(),
    };
    let endpoint = Map::new().with("port", PORT_NAME).with("path", "/metrics").with("interval", "15s");
    let monitor = Map::new()
        .with("selector", Map::new().with("matchLabels", Map::new().with("app", APP)))
        .with("podMetricsEndpoints", vec![endpoint]);
    let alert = |(name, time, severity, condition, text): (&str, &str, &str, &str, &str)| {
        Map::new()
            .with("alert", name)
            .with("expr", condition)
            .with("for", time)
            .with("labels", Map::new().with("severity", severity))
            .with("annotations", Map::new().with("summary", text))
    };
    let group = Map::new().with("name", NAME).with("rules", ALERTS.map(alert).to_vec());
    // Grafana's sidecar looks for this label.
    let labels = identity.labels().with("grafana_dashboard", "1");
    let dashboard = Map::new()
        .with("name", "wasmote-dashboard")
        .with_some("namespace", options.namespace.as_ref().map(super::name::Name::as_str))
        .with("labels", labels);
    let api = "monitoring.coreos.com/v1";
    vec![
        object(api, "PodMonitor", identity.metadata(NAME)).with("spec", monitor),
        object(api, "PrometheusRule", identity.metadata(NAME))
            .with("spec", Map::new().with("groups", vec![group])),
        object("v1", "ConfigMap", dashboard).with("data", Map::new().with("wasmote.json", DASHBOARD)),
    ]
}
