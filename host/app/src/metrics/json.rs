//! Metrics as JSON. The first four are those of the simulator that this one grew out of.

use std::collections::BTreeMap;

use serde::Serialize;
use wasmote_live::broker::BrokerReport;
use wasmote_mqtt::broker::counters::DropReason;
use wasmote_sim::device::SwapCounts;
use wasmote_sim::ledger::FaultCounts;
use wasmote_sim::metrics::Metric;

use super::{FleetCounts, Snapshot};
use crate::fleet_query::buckets::Buckets;
use wasmote_live::lag::LagStats;

/// The figures of a device or of a fleet.
#[derive(Clone, Debug, Serialize)]
pub struct Metrics {
    sent: u64,
    received: u64,
    avg_latency: Option<f64>,
    latency_samples: Vec<f64>,
    latency: Buckets,
    generated: u64,
    /// Came back from a connection that was full, or broke before an acknowledgement.
    returned: u64,
    arrived: u64,
    /// By the fault that took them.
    dropped: BTreeMap<String, u64>,
    delayed: u64,
    duplicated: u64,
    corrupted: u64,
    lost_offline: u64,
    discarded: u64,
    refused: RefusedCounts,
    waiting: WaitingCounts,
    faults: BTreeMap<String, FaultMetrics>,
    traps: u64,
    swaps: SwapMetrics,
    /// Devices by behaviour and the beginning of the hash of what they run.
    versions: BTreeMap<String, BTreeMap<String, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connects: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<DeviceCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduleMetrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broker: Option<BrokerMetrics>,
    behaviours: BTreeMap<String, BTreeMap<String, MetricValue>>,
    ledger_closes: bool,
    uptime_s: f64,
}

#[derive(Clone, Debug, Serialize)]
struct RefusedCounts {
    queue_full: u64,
    publish_rate: u64,
    publish_invalid: u64,
    log_rate: u64,
}

/// Devices that were to get another version of their behaviour.
#[derive(Clone, Debug, Serialize)]
struct SwapMetrics {
    done: u64,
    refused: u64,
    undone: u64,
}

#[derive(Clone, Debug, Serialize)]
struct WaitingCounts {
    out: u64,
    r#in: u64,
}

#[derive(Clone, Debug, Serialize)]
struct FaultMetrics {
    dropped_out: u64,
    dropped_in: u64,
    delayed: u64,
    duplicated_out: u64,
    duplicated_in: u64,
    corrupted: u64,
    outages: u64,
    traps: u64,
}

#[derive(Clone, Debug, Serialize)]
struct DeviceCounts {
    total: u64,
    running: u64,
    connected: u64,
    silent: u64,
    failed: u64,
}

/// How late this host woke its devices.
#[derive(Clone, Debug, Serialize)]
struct ScheduleMetrics {
    wakes: u64,
    mean_lateness_s: Option<f64>,
    /// Later than 0.1 s.
    overruns: u64,
}

impl ScheduleMetrics {
    fn new(lag: &LagStats) -> Self {
        Self { wakes: lag.wakes(), mean_lateness_s: lag.lateness.mean(), overruns: lag.overruns }
    }
}

/// The embedded broker's account.
#[derive(Clone, Debug, Serialize)]
struct BrokerMetrics {
    connected: usize,
    sessions: usize,
    subscriptions: usize,
    retained: usize,
    received: u64,
    delivered: u64,
    waiting: u64,
    /// Copies for subscribers that came to nothing, by reason.
    dropped: BTreeMap<&'static str, u64>,
    account_closes: bool,
}

impl BrokerMetrics {
    fn new(report: &BrokerReport) -> Self {
        let BrokerReport { counters, stats, .. } = report;
        Self {
            connected: stats.connected,
            sessions: stats.sessions,
            subscriptions: stats.subscriptions,
            retained: stats.retained,
            received: counters.received,
            delivered: counters.delivered,
            waiting: stats.waiting,
            dropped: DropReason::ALL.iter().map(|it| (it.as_str(), counters.dropped(*it))).collect(),
            account_closes: counters.closes(stats.waiting),
        }
    }
}

/// What a behaviour measures; over a fleet it is summed.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum MetricValue {
    Counter {
        sum: f64,
        devices: u64,
    },
    Gauge {
        sum: f64,
        devices: u64,
    },
    Histogram {
        #[serde(flatten)]
        distribution: Buckets,
        mean: Option<f64>,
        devices: u64,
    },
}

impl Metrics {
    /// The figures of this moment.
    pub fn new(snapshot: &Snapshot) -> Self {
        let Snapshot { ledger, refusals, fleet, .. } = snapshot;
        let total = ledger.fault_total();
        Self {
            sent: ledger.sent,
            received: ledger.received,
            avg_latency: snapshot.latency.mean(),
            latency_samples: snapshot.latency_samples.iter().map(|sample| sample.as_secs_f64()).collect(),
            latency: Buckets::from(&snapshot.latency),
            generated: ledger.generated,
            returned: ledger.returned,
            arrived: ledger.arrived,
            dropped: ledger.faults().map(|(id, counts)| (id.to_string(), counts.dropped())).collect(),
            delayed: total.delayed,
            duplicated: total.duplicated_out + total.duplicated_in,
            corrupted: total.corrupted,
            lost_offline: ledger.lost_offline,
            discarded: ledger.discarded,
            refused: RefusedCounts {
                queue_full: ledger.refused_full,
                publish_rate: refusals.publish_rate,
                publish_invalid: refusals.publish_invalid,
                log_rate: refusals.log_rate,
            },
            waiting: WaitingCounts { out: snapshot.waiting.0, r#in: snapshot.waiting.1 },
            faults: ledger.faults().map(|(id, counts)| (id.to_string(), FaultMetrics::new(counts))).collect(),
            traps: snapshot.traps,
            swaps: SwapMetrics::new(snapshot.swaps),
            versions: by_version(snapshot),
            connects: fleet.as_ref().map(|fleet| fleet.connects),
            devices: fleet.as_ref().map(DeviceCounts::new),
            schedule: fleet.as_ref().map(|fleet| ScheduleMetrics::new(&fleet.lag)),
            broker: snapshot.broker.as_ref().map(BrokerMetrics::new),
            behaviours: by_behaviour(snapshot),
            ledger_closes: snapshot.ledger_closes(),
            uptime_s: snapshot.uptime.as_millis() as f64 / 1_000.0,
        }
    }
}

impl FaultMetrics {
    fn new(counts: &FaultCounts) -> Self {
        let FaultCounts {
            dropped_out,
            dropped_in,
            delayed,
            duplicated_out,
            duplicated_in,
            corrupted,
            outages,
            traps,
        } = *counts;
        Self { dropped_out, dropped_in, delayed, duplicated_out, duplicated_in, corrupted, outages, traps }
    }
}

impl DeviceCounts {
    fn new(fleet: &FleetCounts) -> Self {
        let &FleetCounts { devices, running, connected, silent, failed, .. } = fleet;
        Self { total: devices, running, connected, silent, failed }
    }
}

impl SwapMetrics {
    fn new(SwapCounts { done, refused, rolled_back: undone }: SwapCounts) -> Self {
        Self { done, refused, undone }
    }
}

fn by_version(snapshot: &Snapshot) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut all: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (version, devices) in &snapshot.versions {
        let behaviour = all.entry(version.name.to_string()).or_default();
        *behaviour.entry(version.short().to_owned()).or_default() += devices;
    }
    all
}

fn by_behaviour(snapshot: &Snapshot) -> BTreeMap<String, BTreeMap<String, MetricValue>> {
    let mut all: BTreeMap<String, BTreeMap<String, MetricValue>> = BTreeMap::new();
    for ((behaviour, name), (metric, devices)) in &snapshot.metrics {
        let devices = *devices;
        let value = match metric {
            Metric::Counter(sum) => MetricValue::Counter { sum: *sum, devices },
            Metric::Gauge(sum) => MetricValue::Gauge { sum: *sum, devices },
            Metric::Histogram(it) => {
                MetricValue::Histogram { distribution: Buckets::from(&**it), mean: it.mean(), devices }
            }
        };
        all.entry(behaviour.clone()).or_default().insert(name.clone(), value);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_old_simulators_four_come_first_and_keep_their_names() {
        let mut snapshot =
            Snapshot { latency_samples: vec![Duration::from_millis(120)], ..Snapshot::default() };
        snapshot.latency.observe(0.12);
        snapshot.ledger.sent = 42;
        let text = serde_json::to_string(&Metrics::new(&snapshot)).unwrap();
        let start =
            r#"{"sent":42,"received":0,"avg_latency":0.12,"latency_samples":[0.12],"latency":{"count":1"#;
        assert!(text.starts_with(start), "{text}");
    }

    #[test]
    fn a_behaviours_metrics_are_under_its_name() {
        let mut snapshot = Snapshot::default();
        let key = ("heartbeat".to_owned(), "peers_alive".to_owned());
        snapshot.metrics.insert(key, (Metric::Gauge(16.0), 9));
        let metrics = serde_json::to_value(Metrics::new(&snapshot)).unwrap();
        let wanted = serde_json::json!({"type": "gauge", "sum": 16.0, "devices": 9});
        assert_eq!(metrics["behaviours"]["heartbeat"]["peers_alive"], wanted);
    }
}
