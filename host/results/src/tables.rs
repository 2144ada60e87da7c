//! Rows of the CSV files.

use serde::{Deserialize, Serialize};

use crate::ALL;
use crate::table::{Row, number, optional_number};

/// `timeseries.csv`: state of a group at the end of an interval, and counts within the interval.
///
/// A message counts in the interval in which it was published, whenever it arrives. On a cluster it counts in the
/// interval in which pods counted it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeseriesRow {
    /// End of the interval, in seconds.
    #[serde(with = "number")]
    pub time_s: f64,
    /// Name of the group; `*` is all groups.
    pub group: String,
    /// Devices that exist.
    pub devices: u64,
    /// Devices that run, are connected, and are not silent.
    pub up: u64,
    /// Devices under a silence fault.
    pub silent: u64,
    /// Messages published by behaviours.
    pub generated: u64,
    /// Messages that left for good: acknowledged by the broker, or at QoS 0 written to the connection.
    pub sent: u64,
    /// Receptions that a run without any loss would have. Not known on a cluster.
    pub expected: Option<u64>,
    /// Receptions that happened. Not known on a cluster.
    pub delivered: Option<u64>,
    /// Messages that faults dropped.
    pub dropped: u64,
    /// Median latency in seconds; empty if no message arrived.
    #[serde(default, with = "optional_number")]
    pub latency_p50_s: Option<f64>,
    /// 95th percentile of latency in seconds.
    #[serde(default, with = "optional_number")]
    pub latency_p95_s: Option<f64>,
    /// 99th percentile of latency in seconds.
    #[serde(default, with = "optional_number")]
    pub latency_p99_s: Option<f64>,
    /// Mean energy left in batteries, in joules; empty if no device has a battery. Not known on a cluster.
    #[serde(default, with = "optional_number")]
    pub battery_mean_j: Option<f64>,
    /// Energy left in the emptiest battery, in joules.
    #[serde(default, with = "optional_number")]
    pub battery_min_j: Option<f64>,
    /// Seconds by which the slowest calendar clock is ahead; negative if it is behind. Not known on a cluster.
    #[serde(default, with = "optional_number")]
    pub clock_error_min_s: Option<f64>,
    /// Seconds by which the fastest calendar clock is ahead.
    #[serde(default, with = "optional_number")]
    pub clock_error_max_s: Option<f64>,
    /// Messages refused by a full queue, by a limit of the broker, or by the broker's answer.
    #[serde(default)]
    pub refused: u64,
    /// Median latency in seconds from the intended times of publication.
    #[serde(default, with = "optional_number")]
    pub intended_latency_p50_s: Option<f64>,
    /// 95th percentile of that latency.
    #[serde(default, with = "optional_number")]
    pub intended_latency_p95_s: Option<f64>,
    /// 99th percentile of that latency.
    #[serde(default, with = "optional_number")]
    pub intended_latency_p99_s: Option<f64>,
}

impl Row for TimeseriesRow {
    const FILE: &'static str = "timeseries.csv";
}

/// `latency.csv`: one bucket of a group's latency histogram, after the warm-up. Empty buckets are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyRow {
    /// Name of the group; `*` is all groups.
    pub group: String,
    /// Upper bound of the bucket, in seconds.
    #[serde(with = "number")]
    pub upper_bound_s: f64,
    /// Messages in this bucket alone.
    pub count: u64,
    /// Messages in this bucket by their latency from the intended times of publication.
    #[serde(default)]
    pub intended_count: Option<u64>,
}

impl Row for LatencyRow {
    const FILE: &'static str = "latency.csv";
}

/// `outages.csv`: one outage of a device, or of the broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutageRow {
    /// Name of the device; `*` if the broker failed, which concerns every device.
    pub device: String,
    /// Group of the device; `*` if the broker failed.
    pub group: String,
    /// Id of the fault; `timeline` for an action of the plan, `http` for a request of a user.
    pub fault: String,
    /// Kind of the fault or of the action.
    pub kind: String,
    /// Start, in seconds.
    #[serde(with = "number")]
    pub from_s: f64,
    /// End, in seconds; empty if the outage did not end.
    #[serde(with = "optional_number")]
    pub to_s: Option<f64>,
}

impl OutageRow {
    /// Name for reports: the fault's id, or the kind of the outage if the plan or a user caused it without a
    /// fault.
    pub fn name(&self) -> &str {
        let is_manual = self.fault == "http" || self.fault.starts_with("timeline");
        if is_manual { &self.kind } else { &self.fault }
    }

    /// True if the broker failed.
    pub fn is_broker_outage(&self) -> bool {
        self.device == ALL
    }

    /// End in seconds; infinite if the outage did not end.
    pub fn end_s(&self) -> f64 {
        self.to_s.unwrap_or(f64::INFINITY)
    }
}

impl Row for OutageRow {
    const FILE: &'static str = "outages.csv";
}

/// `timeline.csv`: one action of the plan's timeline that was carried out. Only runs with a timeline have the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimelineRow {
    /// Time at which the action was carried out, in seconds.
    #[serde(with = "number")]
    pub time_s: f64,
    /// Origin of the action: `plan`.
    pub source: String,
    /// Name of the action.
    pub what: String,
    /// Target and parameters of the action, and the number of devices concerned where it is known.
    #[serde(default)]
    pub detail: String,
    /// Time at which the plan has the action, in seconds. On a cluster actions can be late.
    #[serde(default, with = "optional_number")]
    pub due_s: Option<f64>,
    /// Requests that the action took on a cluster; empty in other runs.
    pub requests: Option<u64>,
    /// Number of these requests that failed.
    pub failed: Option<u64>,
    /// Status codes with which behaviours answered a `request`, each with its number, such as `200: 3; 404: 1`; `none` for
    /// devices that did not answer at once. Empty for other actions and on a cluster.
    #[serde(default)]
    pub statuses: Option<String>,
}

impl Row for TimelineRow {
    const FILE: &'static str = "timeline.csv";
}

/// `losses.csv`: messages that a fault dropped in an interval. An interval without losses has no row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LossRow {
    /// End of the interval, as in `timeseries.csv`, in seconds.
    #[serde(with = "number")]
    pub time_s: f64,
    /// Id of the fault.
    pub fault: String,
    /// Messages that it dropped on all devices, in both directions.
    pub dropped: u64,
}

impl Row for LossRow {
    const FILE: &'static str = "losses.csv";
}

/// `routes.csv`: a device changed its next hop for a destination. Only runs whose behaviours log routes have the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteRow {
    /// Time of the change, in seconds.
    #[serde(with = "number")]
    pub time_s: f64,
    /// Name of the device.
    pub device: String,
    /// Destination of the route.
    pub destination: String,
    /// The next device on the way; empty if the device lost its route.
    pub next_hop: Option<String>,
    /// Number of hops to the destination; empty if the device lost its route.
    pub hops: Option<u32>,
}

impl Row for RouteRow {
    const FILE: &'static str = "routes.csv";
}

/// `versions.csv`: a device got a version of its behaviour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VersionRow {
    /// Name of the device.
    pub device: String,
    /// Group of the device.
    pub group: String,
    /// Name of the behaviour.
    pub behaviour: String,
    /// SHA-256 of the component, in hexadecimal.
    pub sha256: String,
    /// Time from which the device has it, in seconds.
    #[serde(with = "number")]
    pub from_s: f64,
}

impl Row for VersionRow {
    const FILE: &'static str = "versions.csv";
}
