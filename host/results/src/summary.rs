//! `summary.json`: figures of one run at its end.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{FaultCounts, JsonFile, PointValues};

/// The figures of a run. Counts and latencies are those after the warm-up; `devices`, `joined`, `events`, `digest` and
/// `ledger_closes` concern the whole run. A group has the messages that its devices published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Seed of all randomness.
    #[serde(default)]
    pub seed: u64,
    /// Values of the swept fields.
    #[serde(default)]
    pub point: PointValues,
    /// Duration of the run in seconds; shorter than planned if a threshold or a signal ended it.
    pub duration_s: f64,
    /// The part of the duration that is not measured, in seconds.
    #[serde(default)]
    pub warm_up_s: f64,
    /// Devices at the end.
    pub devices: u64,
    /// Devices that joined during the run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub joined: u64,
    /// Number of events. Not known on a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Digest of the chain of events; `null` in real time.
    #[serde(default)]
    pub digest: Option<String>,
    /// Messages and latencies of all devices.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// How often connections gave a message back. It was sent again, or is counted as refused, lost or dropped.
    #[serde(default)]
    pub returned: u64,
    /// Messages lost because a device was not connected, or stopped while they waited.
    #[serde(default)]
    pub lost_offline: u64,
    /// The refused messages by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused_by_cause: BTreeMap<String, u64>,
    /// Negative answers of the broker, such as `PUBACK 0x87 not authorized`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub negative_answers: BTreeMap<String, u64>,
    /// Effects of faults, by their id.
    #[serde(default)]
    pub faults: BTreeMap<String, FaultCounts>,
    /// Figures by group.
    #[serde(default)]
    pub groups: BTreeMap<String, GroupSummary>,
    /// Figures by phase of the timeline, in the order of the plan.
    #[serde(default)]
    pub phases: Vec<PhaseSummary>,
    /// Outcome of each threshold.
    #[serde(default)]
    pub thresholds: Vec<ThresholdOutcome>,
    /// Outcome of each invariant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invariants: Vec<InvariantOutcome>,
    /// True if a missed threshold ended the run early.
    #[serde(default)]
    pub aborted: bool,
    /// True if a signal ended the run early.
    #[serde(default)]
    pub interrupted: bool,
    /// True if every message is accounted for; on a cluster, in every pod that answered.
    pub ledger_closes: bool,
    /// Reasons why the run failed although it lasted to its end, such as a behaviour that never started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// Failures of parts of the fleet, which do not make the run a failure, such as single traps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// On a cluster: missing parts of the collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
    /// In real time: changes that users made over HTTP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// Swaps that devices refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swaps_refused: Vec<SwapRefusal>,
    /// In real time: messages whose latency cannot be right, because the clock of their sender is wrong or their time cannot
    /// be read. They are in no latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implausible_latencies: Option<ImplausibleLatencies>,
    /// In real time: lateness of the machine, which is how much later than due it woke devices. Quantiles are upper
    /// bounds of buckets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_seconds: Option<DurationSummary>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl JsonFile for Summary {
    const FILE: &'static str = "summary.json";
}

impl Summary {
    /// True if the run lasted as long as planned. Figures of a shorter run cannot be compared with those of a
    /// whole one.
    pub fn is_whole(&self) -> bool {
        !self.aborted && !self.interrupted
    }

    /// True if all thresholds held, at the end and until then, and no invariant was broken.
    pub fn holds(&self) -> bool {
        !self.aborted
            && self.thresholds.iter().all(|outcome| outcome.ok)
            && self.invariants.iter().all(|outcome| outcome.ok)
    }

    /// Messages that faults dropped.
    pub fn dropped(&self) -> u64 {
        self.faults.values().map(FaultCounts::dropped).sum()
    }
}

/// Counts of messages and their latencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Messages published by behaviours.
    pub generated: u64,
    /// Messages that left for good: acknowledged by the broker, or at QoS 0 written to the connection.
    #[serde(default)]
    pub sent: u64,
    /// Messages refused by a full queue, by a limit of the broker, or by the broker's answer.
    #[serde(default)]
    pub refused: u64,
    /// On a cluster: messages handed to behaviours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
    /// Receptions that a run without any loss would have; 0 on a cluster, where it is not known.
    #[serde(default)]
    pub expected: u64,
    /// Receptions that happened; 0 on a cluster, where it is not known.
    pub delivered: u64,
    /// `delivered` divided by `expected`; `null` if nothing was expected.
    pub delivery_ratio: Option<f64>,
    /// Latencies from the times at which behaviours published the messages.
    #[serde(default)]
    pub latency_seconds: DurationSummary,
    /// Latencies from the times at which the messages were intended to be published: when the timers that caused them were
    /// due. Under overload they include the wait that `latency_seconds` hides. Absent if no message was late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended_latency_seconds: Option<DurationSummary>,
}

/// Statistics of durations in seconds, such as latencies; `null` without any duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DurationSummary {
    /// Number of durations.
    pub count: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// Maximum; `null` also where only buckets are known, as on a cluster.
    pub max: Option<f64>,
}

impl DurationSummary {
    /// Statistics without a maximum, from a distribution whose quantile for a share from 0 to 1 is `quantile`.
    pub fn new(count: u64, mean: Option<f64>, quantile: impl Fn(f64) -> Option<f64>) -> Self {
        let [p50, p90, p95, p99] = [0.5, 0.9, 0.95, 0.99].map(quantile);
        Self { count, mean, p50, p90, p95, p99, max: None }
    }
}

/// Figures of one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// Devices at the end.
    #[serde(default)]
    pub devices: u64,
    /// Traps of their behaviours in the whole run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub traps: u64,
    /// Messages that they published.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// Figures of one phase of the timeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseSummary {
    /// Name of the phase.
    pub name: String,
    /// Start, in seconds.
    pub from_s: f64,
    /// End, in seconds.
    pub to_s: f64,
    /// Messages published in the phase; on a cluster, counted in it.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// A threshold of the plan and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdOutcome {
    /// The threshold as the plan has it.
    pub text: String,
    /// True if it held at the end and, where it can end the run, until then.
    pub ok: bool,
    /// The value at the end; `null` if nothing was measured.
    #[serde(default)]
    pub value: Option<f64>,
    /// The miss that ended the run, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breached: Option<ThresholdMiss>,
}

/// A missed threshold that ended a run early.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdMiss {
    /// Time of the miss, in seconds.
    pub at_s: f64,
    /// End of the time that was judged, in seconds. Messages of the last interval may still have been in flight.
    pub settled_s: f64,
    /// The value found.
    pub value: f64,
}

impl fmt::Display for ThresholdMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} s: {:.4}, of the first {} s", self.at_s, self.value, self.settled_s)
    }
}

/// An invariant of the plan and its outcome.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InvariantOutcome {
    /// Name of the invariant.
    pub name: String,
    /// The check as the plan has it.
    pub text: String,
    /// True if nothing broke it.
    pub ok: bool,
    /// Number of violations.
    #[serde(default)]
    pub violations: u64,
    /// The first violation, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Violation>,
    /// Events that were not checked, because the invariant has as many values and open goals as it may keep.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub untracked: u64,
}

/// A violation of an invariant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// Time, in seconds.
    pub at_s: f64,
    /// Devices that are involved.
    #[serde(default)]
    pub devices: Vec<String>,
    /// The violation in words.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} s: {}", self.at_s, self.message)
    }
}

/// A change that a user made over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// Time, in seconds.
    pub at_s: f64,
    /// The change, in words.
    pub message: String,
}

/// Devices of a group that refused a new version of their behaviour. They keep the old one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwapRefusal {
    /// Time of the first refusal, in seconds.
    pub at_s: f64,
    /// Name of the group.
    pub group: String,
    /// The version: its name and the beginning of its hash.
    pub version: String,
    /// Number of devices.
    pub devices: usize,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for SwapRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_s, group, version, devices, reason } = self;
        let noun = if *devices == 1 { "device" } else { "devices" };
        write!(f, "at {at_s} s {devices} {noun} of {group} refused {version}: {reason}")
    }
}

/// Counts of messages whose latency cannot be right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImplausibleLatencies {
    /// Messages from the future.
    pub negative: u64,
    /// Messages whose time is more than a year ago or ahead, or cannot be read.
    pub too_large: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_is_written_with_time_and_value() {
        let miss = ThresholdMiss { at_s: 10.0, settled_s: 5.0, value: 0.6875 };
        assert_eq!(miss.to_string(), "at 10 s: 0.6875, of the first 5 s");
    }

    #[test]
    fn a_summary_reads_back_as_it_was_written() {
        let traffic = Traffic { generated: 7, delivered: 3, ..Traffic::default() };
        let group = GroupSummary { devices: 2, traps: 1, traffic };
        let summary = Summary {
            duration_s: 1.5,
            events: Some(9),
            traffic,
            faults: [("rain".to_owned(), FaultCounts { traps: 4, ..FaultCounts::default() })].into(),
            groups: [("west".to_owned(), group)].into(),
            ..Summary::default()
        };
        let text = crate::pretty_json(&summary);
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }
}
