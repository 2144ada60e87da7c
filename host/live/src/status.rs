//! State and counts of devices and of the whole fleet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use wasmote_mqtt::device_id::Identity;
use wasmote_sim::behaviour::Version;
use wasmote_sim::context::Refusals;
use wasmote_sim::device::{ConnectionState, Now, PowerState, SwapCounts};
use wasmote_sim::faults::ActiveFault;
use wasmote_sim::histogram::Histogram;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::metrics::MetricSums;
use wasmote_sim::notice::DeviceNotice;

use crate::broker::BrokerReport;
use crate::lag::LagStats;

/// Status of one device.
#[derive(Clone, Debug)]
pub struct DeviceStatus {
    /// Name, group and position of the device.
    pub identity: Arc<Identity>,
    /// Name of its behaviour.
    pub behaviour: String,
    /// Version of the behaviour that runs, or starts next.
    pub version: Version,
    /// Whether it runs, and if not, the reason.
    pub power: PowerState,
    /// Whether it is connected, and if not, the reason.
    pub link: ConnectionState,
    /// Time since its behaviour started; `None` when it does not run.
    pub uptime: Option<Duration>,
    /// Energy left in its battery, if it has one.
    pub joules: Option<f64>,
    /// Seconds by which its calendar clock is ahead.
    pub clock_error_s: f64,
    /// Faults that act on it now.
    pub active_faults: Vec<ActiveFault>,
    /// Counts of this device alone.
    pub totals: Totals,
}

/// Counts and distributions at one moment: of one device, or summed over a shard or a fleet.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Devices by state.
    pub devices: DeviceCounts,
    /// Ledger of the messages.
    pub ledger: Ledger,
    /// Waiting messages, outbound and inbound.
    pub waiting: (u64, u64),
    /// Latency of received messages, in seconds.
    pub latency: Histogram,
    /// The latest latencies, oldest first; at most ten.
    pub latency_samples: Vec<Duration>,
    /// Traps of behaviours.
    pub traps: u64,
    /// Swaps of behaviours to other versions.
    pub swaps: SwapCounts,
    /// Devices by the version that runs, or starts next.
    pub versions: BTreeMap<Version, u64>,
    /// Refused requests of behaviours.
    pub refusals: Refusals,
    /// Metrics that behaviours record about themselves.
    pub metrics: MetricSums,
    /// Number of connections, including reconnects. Counted by shard, so it is 0 for one device.
    pub connects: u64,
    /// Lateness of the host's timers. Measured by shard, so it is empty for one device.
    pub lag: LagStats,
    /// Report of the embedded broker, for a fleet that is linked to it.
    pub broker: Option<BrokerReport>,
}

/// Counts of devices by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DeviceCounts {
    /// Total number of devices.
    pub total: u64,
    /// Devices whose behaviour runs.
    pub running: u64,
    /// Devices that are connected.
    pub connected: u64,
    /// Devices under a silence fault.
    pub silent: u64,
    /// Devices whose behaviour refused to start.
    pub failed: u64,
}

impl DeviceCounts {
    /// Adds the counts of other devices.
    pub(crate) fn add(&mut self, other: Self) {
        self.total += other.total;
        self.running += other.running;
        self.connected += other.connected;
        self.silent += other.silent;
        self.failed += other.failed;
    }
}

/// Event of a device.
#[derive(Clone, Debug)]
pub struct DeviceEvent {
    /// Time of the event.
    pub at: Now,
    /// The device.
    pub device: Arc<Identity>,
    /// The event.
    pub notice: DeviceNotice,
}
