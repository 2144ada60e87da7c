//! JSON response of `GET /metrics`. Its first four fields are those of the simulator that this one replaces.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use wasmote_live::broker::{BrokerReport, ClientRefusals};
use wasmote_live::lag::LagStats;
use wasmote_live::status::{DelayedDevice, DeviceCounts, SocketWrites};
use wasmote_mqtt::broker::counters::DropReason;
use wasmote_mqtt::budget::BudgetReport;
use wasmote_sim::context::Refusals;
use wasmote_sim::device::SwapCounts;
use wasmote_sim::histogram::Histogram;
use wasmote_sim::latency::ImplausibleCounts;
use wasmote_sim::ledger::{FaultCounts, RefusedMessages};
use wasmote_sim::metrics::MetricSums;

use super::{HttpCounts, Snapshot};

/// Counts and latencies of a device or of the fleet.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Metrics {
    /// Messages that left for good: at QoS 1 and 2 acknowledged by the broker, at QoS 0 written to the connection.
    sent: u64,
    /// Messages given to behaviours.
    received: u64,
    /// Mean latency in seconds; null before anything was received.
    avg_latency: Option<f64>,
    /// The last ten latencies in seconds, oldest first.
    latency_samples: Vec<f64>,
    /// Latency of received messages, in seconds.
    latency: Histogram,
    /// Mean latency from the intended times of publication, in seconds: an overloaded host publishes late, and this latency
    /// includes the wait.
    avg_latency_intended: Option<f64>,
    /// Latency of received messages from the intended times of publication, in seconds.
    latency_intended: Histogram,
    /// Received messages whose latency cannot be right, which are in no mean and no histogram.
    latency_implausible: ImplausibleCounts,
    /// Messages published by behaviours, or by users on their behalf.
    generated: u64,
    /// How often a connection gave a message back, because it was full, broke before an acknowledgement, or cannot take
    /// the message. It is sent again, or counted as refused, lost offline or dropped.
    returned: u64,
    /// Messages delivered by the broker.
    arrived: u64,
    /// Messages dropped by faults, by the fault that took them.
    dropped: BTreeMap<String, u64>,
    /// Messages delayed by faults.
    delayed: u64,
    /// Copies made by faults.
    duplicated: u64,
    /// Messages changed by faults.
    corrupted: u64,
    /// Messages at QoS 0 that were published without a connection, and messages that waited when their device stopped.
    lost_offline: u64,
    /// Messages that arrived while no behaviour ran, or were too large.
    discarded: u64,
    /// Refused messages and log lines, by cause.
    refused: RefusedCounts,
    /// Negative answers of the broker, by packet and reason code, such as `PUBACK 0x87 not authorized`.
    negative_answers: BTreeMap<String, u64>,
    /// Messages that wait for a delay to end, for a connection or for an acknowledgement.
    waiting: WaitingCounts,
    /// Effects of each fault.
    faults: BTreeMap<String, FaultCounts>,
    /// Traps of behaviours.
    traps: u64,
    /// Devices that got another version, kept the old one, or went back to it.
    swaps: SwapCounts,
    /// Devices by behaviour and the beginning of their version's SHA-256.
    versions: BTreeMap<String, BTreeMap<String, u64>>,
    /// Number of connections, including reconnects; absent for one device.
    #[serde(skip_serializing_if = "Option::is_none")]
    connects: Option<u64>,
    /// Writes to the sockets of the devices; absent for one device.
    #[serde(skip_serializing_if = "Option::is_none")]
    sockets: Option<SocketMetrics>,
    /// Devices by state; absent for one device.
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<DeviceCounts>,
    /// Lateness of this host's timers; absent for one device.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduleMetrics>,
    /// Counts of the embedded broker; absent for one device and with another broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    broker: Option<BrokerMetrics>,
    /// Requests to this API; absent for a named device.
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<HttpCounts>,
    /// Devices that used more than their share of a thread while others waited, the heaviest first; absent for one device.
    #[serde(skip_serializing_if = "Option::is_none")]
    delayed_devices: Option<Vec<DelayedDeviceMetrics>>,
    /// Stores with a limit in bytes, by name; absent for one device.
    #[serde(skip_serializing_if = "Option::is_none")]
    stores: Option<BTreeMap<&'static str, StoreMetrics>>,
    /// Groups of devices whose counts are older than this response, because their thread was busy; absent for one device.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_shards: Option<u64>,
    /// Metrics that behaviours record about themselves, by behaviour and name.
    behaviours: MetricSums,
    /// Whether every message is accounted for.
    ledger_closes: bool,
    /// Seconds since the fleet started.
    uptime_s: f64,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct RefusedCounts {
    /// Published messages that were refused.
    #[serde(flatten)]
    messages: RefusedMessages,
    /// Requests of behaviours that were refused, which published no message.
    #[serde(flatten)]
    by_limit: Refusals,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct WaitingCounts {
    /// Waiting messages to the broker, including those in flight.
    out: u64,
    /// Waiting messages to the behaviour.
    r#in: u64,
    /// Messages that were handed to the connection, and are not acknowledged or, at QoS 0, not written.
    in_flight: u64,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct DelayedDeviceMetrics {
    /// The device.
    device: String,
    /// Seconds that it used its thread since its first delay.
    used_s: f64,
    /// Number of delays.
    delays: u64,
}

impl From<&DelayedDevice> for DelayedDeviceMetrics {
    fn from(delayed: &DelayedDevice) -> Self {
        let DelayedDevice { device, used, pauses } = delayed;
        Self { device: device.id.to_string(), used_s: used.as_secs_f64(), delays: *pauses }
    }
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct StoreMetrics {
    /// Bytes in use.
    used_bytes: u64,
    /// Limit in bytes.
    limit_bytes: u64,
    /// Items that were refused because they did not fit.
    refused: u64,
}

impl From<BudgetReport> for StoreMetrics {
    fn from(report: BudgetReport) -> Self {
        let BudgetReport { used, limit, refused } = report;
        Self { used_bytes: used, limit_bytes: limit, refused }
    }
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct ScheduleMetrics {
    /// Timers that fired.
    wakes: u64,
    /// Mean of actual less scheduled time, in seconds.
    mean_lateness_s: Option<f64>,
    /// Timers that fired more than 0.1 s late.
    overruns: u64,
}

impl From<&LagStats> for ScheduleMetrics {
    fn from(lag: &LagStats) -> Self {
        Self { wakes: lag.wakes(), mean_lateness_s: lag.lateness.mean(), overruns: lag.overruns }
    }
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct SocketMetrics {
    /// Writes, each of one or more packets.
    writes: u64,
    /// Number of times that a socket was full, so that packets waited until it was ready again.
    waits: u64,
}

impl From<SocketWrites> for SocketMetrics {
    fn from(SocketWrites { writes, waits }: SocketWrites) -> Self {
        Self { writes, waits }
    }
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct BrokerMetrics {
    /// Sessions with a connection.
    connected: usize,
    /// Sessions with or without a connection.
    sessions: usize,
    /// Subscriptions of all sessions.
    subscriptions: usize,
    /// Topics with a retained message.
    retained: usize,
    /// Messages taken from clients.
    received: u64,
    /// Messages refused because the store of retained messages had no room.
    refused: u64,
    /// Copies delivered to subscribers.
    delivered: u64,
    /// Copies that are queued, or in flight without an acknowledgement.
    waiting: u64,
    /// Copies that were dropped, by reason.
    dropped: BTreeMap<&'static str, u64>,
    /// Whether every copy is accounted for.
    account_closes: bool,
    /// Connections from other programs, those without CONNECT included.
    clients: usize,
    /// Connections from other programs that were refused or closed by a limit, by reason.
    clients_refused: RefusedClients,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct RefusedClients {
    /// Refused, because there were too many.
    too_many: u64,
    /// Closed without CONNECT, after ten seconds or to make room for others.
    no_connect: u64,
    /// Closed because a packet took too long.
    too_slow: u64,
}

impl From<&BrokerReport> for BrokerMetrics {
    fn from(report: &BrokerReport) -> Self {
        let BrokerReport { counters, stats, clients, .. } = report;
        let ClientRefusals { too_many, no_connect, too_slow } = clients.refused;
        Self {
            connected: stats.connected,
            sessions: stats.sessions,
            subscriptions: stats.subscriptions,
            retained: stats.retained,
            received: counters.received,
            refused: counters.refused,
            delivered: counters.delivered,
            waiting: stats.waiting,
            dropped: DropReason::ALL.iter().map(|it| (it.as_str(), counters.dropped(*it))).collect(),
            account_closes: counters.closes(stats.waiting),
            clients: clients.open,
            clients_refused: RefusedClients { too_many, no_connect, too_slow },
        }
    }
}

impl Metrics {
    /// Creates the response for a snapshot.
    pub fn new(snapshot: &Snapshot) -> Self {
        let Snapshot { totals, is_fleet, uptime, .. } = snapshot;
        let ledger = &totals.ledger;
        let faults = ledger.fault_total();
        let mut versions: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for (version, devices) in &totals.versions {
            let behaviour = versions.entry(version.name.to_string()).or_default();
            *behaviour.entry(version.short().to_owned()).or_default() += devices;
        }
        Self {
            sent: ledger.sent,
            received: ledger.received,
            avg_latency: totals.latency.mean(),
            latency_samples: totals.latency_samples.iter().map(|sample| sample.as_secs_f64()).collect(),
            latency: totals.latency.clone(),
            avg_latency_intended: totals.intended_latency.mean(),
            latency_intended: totals.intended_latency.clone(),
            latency_implausible: totals.implausible,
            generated: ledger.generated,
            returned: ledger.returned,
            arrived: ledger.arrived,
            dropped: ledger.faults().map(|(id, counts)| (id.to_string(), counts.dropped())).collect(),
            delayed: faults.delayed,
            duplicated: faults.duplicated_out + faults.duplicated_in,
            corrupted: faults.corrupted,
            lost_offline: ledger.lost_offline,
            discarded: ledger.discarded,
            refused: RefusedCounts { messages: ledger.refused, by_limit: totals.refusals },
            negative_answers: ledger.named_negative_answers(),
            waiting: WaitingCounts {
                out: totals.waiting.0,
                r#in: totals.waiting.1,
                in_flight: totals.in_flight,
            },
            faults: ledger.faults().map(|(id, counts)| (id.to_string(), *counts)).collect(),
            traps: totals.traps,
            swaps: totals.swaps,
            versions,
            connects: is_fleet.then_some(totals.connects),
            sockets: is_fleet.then(|| totals.socket_writes.into()),
            devices: is_fleet.then_some(totals.devices),
            schedule: is_fleet.then(|| (&totals.lag).into()),
            broker: totals.broker.as_ref().map(BrokerMetrics::from),
            http: snapshot.http.clone(),
            delayed_devices: is_fleet
                .then(|| totals.delayed_devices.iter().map(DelayedDeviceMetrics::from).collect()),
            stores: is_fleet
                .then(|| snapshot.stores().into_iter().map(|(name, report)| (name, report.into())).collect()),
            stale_shards: is_fleet.then_some(totals.stale_shards),
            behaviours: totals.metrics.clone(),
            ledger_closes: snapshot.ledger_closes(),
            uptime_s: uptime.as_millis() as f64 / 1_000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wasmote_sim::metrics::{Metric, MetricSum};

    use super::*;

    #[test]
    fn the_old_simulators_four_come_first_and_keep_their_names() {
        let mut snapshot = Snapshot::default();
        snapshot.totals.latency_samples.push(Duration::from_millis(120));
        snapshot.totals.latency.observe(0.12);
        snapshot.totals.ledger.sent = 42;
        let text = serde_json::to_string(&Metrics::new(&snapshot)).unwrap();
        let start =
            r#"{"sent":42,"received":0,"avg_latency":0.12,"latency_samples":[0.12],"latency":{"count":1"#;
        assert!(text.starts_with(start), "{text}");
    }

    #[test]
    fn a_behaviours_metrics_are_under_its_name() {
        let mut snapshot = Snapshot::default();
        let sum = MetricSum::new(Metric::Gauge { sum: 18.0 }, 9);
        let sums = [("peers_alive".to_owned(), sum)].into();
        snapshot.totals.metrics.insert("heartbeat".to_owned(), sums);
        let metrics = serde_json::to_value(Metrics::new(&snapshot)).unwrap();
        let wanted = serde_json::json!({"type": "gauge", "sum": 18.0, "mean": 2.0, "devices": 9});
        assert_eq!(metrics["behaviours"]["heartbeat"]["peers_alive"], wanted);
    }
}
