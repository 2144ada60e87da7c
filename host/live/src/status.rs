//! What a fleet tells of itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::device_id::Identity;
use wasmote_sim::behaviour::Version;
use wasmote_sim::context::Refusals;
use wasmote_sim::device::{ConnectionState, Now, PowerState, SwapCounts};
use wasmote_sim::faults::ActiveFault;
use wasmote_sim::histogram::Histogram;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::metrics::Metric;
use wasmote_sim::notice::DeviceNotice;

use crate::broker::BrokerReport;
use crate::lag::LagStats;

/// One device, at one moment.
#[derive(Clone, Debug)]
pub struct DeviceStatus {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// Its behaviour's name.
    pub behaviour: String,
    /// The version of it that runs, or starts next.
    pub version: Version,
    /// How often it got another version, or did not.
    pub swaps: SwapCounts,
    /// Whether it runs, and if not, why.
    pub power: PowerState,
    /// Whether it is connected, and if not, why.
    pub link: ConnectionState,
    /// How long it has been running; `None` when it is not.
    pub uptime: Option<Duration>,
    /// What is left in its battery, if it has one.
    pub joules: Option<f64>,
    /// By how many seconds its calendar clock is ahead.
    pub clock_error_s: f64,
    /// Faults that hold it now.
    pub active_faults: Vec<ActiveFault>,
    /// The account of its messages.
    pub ledger: Ledger,
    /// Messages that wait: out, and in.
    pub waiting: (u64, u64),
    /// How long received messages were under way, in seconds.
    pub latency: Histogram,
    /// The last ten of these, oldest first.
    pub latency_samples: Vec<Duration>,
    /// How often its behaviour trapped.
    pub traps: u64,
    /// What its behaviour was refused.
    pub refusals: Refusals,
    /// What its behaviour measures of itself.
    pub metrics: BTreeMap<String, Metric>,
}

/// A fleet's sums, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Devices in all.
    pub devices: u64,
    /// Devices whose behaviour runs.
    pub running: u64,
    /// Devices that are connected.
    pub connected: u64,
    /// Devices that a silence holds.
    pub silent: u64,
    /// Devices whose behaviour refused to start.
    pub failed: u64,
    /// The accounts of all devices together.
    pub ledger: Ledger,
    /// Messages that wait: out, and in.
    pub waiting: (u64, u64),
    /// How long received messages were under way, in seconds.
    pub latency: Histogram,
    /// The latest samples over the fleet, oldest first; at most ten.
    pub latency_samples: Vec<Duration>,
    /// How often behaviours trapped.
    pub traps: u64,
    /// How often devices got another version, or did not.
    pub swaps: SwapCounts,
    /// Devices by the version that runs, or starts next.
    pub versions: BTreeMap<Version, u64>,
    /// What behaviours were refused.
    pub refusals: Refusals,
    /// Connections made, first ones and reconnects.
    pub connects: u64,
    /// How late devices were woken.
    pub lag: LagStats,
    /// Behaviours' own measurements, summed, by behaviour and name; with the number of devices that have it.
    pub metrics: BTreeMap<(String, String), (Metric, u64)>,
    /// What the embedded broker tells, if devices are linked to it.
    pub broker: Option<BrokerReport>,
}

/// Something that happened to a device.
#[derive(Clone, Debug)]
pub struct DeviceEvent {
    /// When.
    pub at: Now,
    /// To whom.
    pub device: Arc<Identity>,
    /// What.
    pub notice: DeviceNotice,
}
