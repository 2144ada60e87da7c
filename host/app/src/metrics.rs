//! Metrics, read once and written as JSON or as text for Prometheus.

pub mod accept;
pub mod json;
pub mod openmetrics;

use std::collections::BTreeMap;
use std::time::Duration;

use wasmote_live::broker::BrokerReport;
use wasmote_live::lag::LagStats;
use wasmote_live::status::{DeviceStatus, Totals};
use wasmote_sim::behaviour::Version;
use wasmote_sim::context::Refusals;
use wasmote_sim::device::SwapCounts;
use wasmote_sim::histogram::Histogram;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::metrics::Metric;

/// The figures of a device or of a fleet, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The account of the messages.
    pub ledger: Ledger,
    /// Messages that wait: out, and in.
    pub waiting: (u64, u64),
    /// How long received messages were under way, in seconds.
    pub latency: Histogram,
    /// The latest samples, oldest first.
    pub latency_samples: Vec<Duration>,
    /// How often behaviours trapped.
    pub traps: u64,
    /// How often devices got another version of their behaviour, or did not.
    pub swaps: SwapCounts,
    /// Devices by the version that they run.
    pub versions: BTreeMap<Version, u64>,
    /// Updates of behaviours, by behaviour: those that went through, and those that came to nothing.
    pub updates: BTreeMap<String, (u64, u64)>,
    /// What behaviours were refused.
    pub refusals: Refusals,
    /// What is only known of a fleet.
    pub fleet: Option<FleetCounts>,
    /// What the embedded broker tells; of a fleet whose devices are linked to it.
    pub broker: Option<BrokerReport>,
    /// What behaviours measure of themselves, by behaviour and name; with the number of devices that do.
    pub metrics: BTreeMap<(String, String), (Metric, u64)>,
    /// How long the fleet has been up.
    pub uptime: Duration,
}

/// Counts of devices and connections.
#[derive(Clone, Debug, Default)]
pub struct FleetCounts {
    /// Devices in all.
    pub devices: u64,
    /// Those whose behaviour runs.
    pub running: u64,
    /// Those that are connected.
    pub connected: u64,
    /// Those that a silence holds.
    pub silent: u64,
    /// Those whose behaviour refused to start.
    pub failed: u64,
    /// Connections made, first ones and reconnects.
    pub connects: u64,
    /// How late this host woke its devices.
    pub lag: LagStats,
}

impl Snapshot {
    /// Of one device.
    pub fn of_device(status: DeviceStatus, uptime: Duration) -> Self {
        let behaviour = status.behaviour;
        let metrics = status.metrics.into_iter();
        Self {
            ledger: status.ledger,
            waiting: status.waiting,
            latency: status.latency,
            latency_samples: status.latency_samples,
            traps: status.traps,
            swaps: status.swaps,
            versions: BTreeMap::from([(status.version, 1)]),
            updates: BTreeMap::new(),
            refusals: status.refusals,
            fleet: None,
            broker: None,
            metrics: metrics.map(|(name, metric)| ((behaviour.clone(), name), (metric, 1))).collect(),
            uptime,
        }
    }

    /// Of the fleet.
    pub fn of_fleet(totals: Totals, uptime: Duration) -> Self {
        Self {
            ledger: totals.ledger,
            waiting: totals.waiting,
            latency: totals.latency,
            latency_samples: totals.latency_samples,
            traps: totals.traps,
            swaps: totals.swaps,
            versions: totals.versions,
            updates: BTreeMap::new(),
            refusals: totals.refusals,
            fleet: Some(FleetCounts {
                devices: totals.devices,
                running: totals.running,
                connected: totals.connected,
                silent: totals.silent,
                failed: totals.failed,
                connects: totals.connects,
                lag: totals.lag,
            }),
            broker: totals.broker,
            metrics: totals.metrics,
            uptime,
        }
    }

    /// Whether every message is accounted for.
    pub fn ledger_closes(&self) -> bool {
        self.ledger.closes(self.waiting.0, self.waiting.1)
    }
}
