//! `summary.json`: the figures of one run at its end.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::experiment::recorder::swap_refusals::SwapRefusal;
use crate::experiment::verdict::ThresholdMiss;

/// The summary. Counts and latencies leave the warm-up out.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Summary {
    /// Simulated time, in seconds.
    pub duration_s: f64,
    /// The part of it that is not measured, in seconds.
    #[serde(default)]
    pub warm_up_s: f64,
    /// Devices at the end.
    pub devices: u64,
    /// Those of them that were not there at the beginning.
    #[serde(default)]
    pub joined: u64,
    /// Events in the chain.
    #[serde(default)]
    pub events: u64,
    /// Of the chain of events; a run in real time has none.
    #[serde(default)]
    pub digest: Option<String>,
    /// Handed to MQTT connections.
    #[serde(default)]
    pub sent: u64,
    /// Messages and latencies of all.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// What faults did, by their id.
    #[serde(default)]
    pub faults: BTreeMap<String, FaultCounts>,
    /// By group.
    #[serde(default)]
    pub groups: BTreeMap<String, Group>,
    /// By phase of the timeline.
    #[serde(default)]
    pub phases: Vec<Phase>,
    /// What the plan demanded.
    #[serde(default)]
    pub thresholds: Vec<Threshold>,
    /// Whether a threshold ended the run before its time.
    #[serde(default)]
    pub aborted: bool,
    /// Whether somebody ended the run before its time.
    #[serde(default)]
    pub interrupted: bool,
    /// Whether it was killed and left no summary, so that this one is made of its intervals, warm-up included.
    #[serde(skip)]
    pub partial: bool,
    /// What users did to the run while it lasted.
    #[serde(default)]
    pub edits: Vec<Edit>,
    /// Swaps that devices refused, and why.
    #[serde(default)]
    pub swaps_refused: Vec<SwapRefusal>,
    /// Whether every message is accounted for.
    pub ledger_closes: bool,
}

impl Summary {
    /// Whether the run lasted as long as its plan says. One that did not has figures of another length of time.
    pub fn is_whole(&self) -> bool {
        !self.aborted && !self.interrupted
    }
}

/// What a user did to a run.
#[derive(Clone, Debug, Deserialize)]
pub struct Edit {
    /// Seconds from the start of the run.
    pub at_s: f64,
    /// What, in words.
    pub message: String,
}

/// Messages and their latencies.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Traffic {
    /// Published by behaviours.
    pub generated: u64,
    /// Receptions there would be in a perfect world.
    #[serde(default)]
    pub expected: u64,
    /// Receptions there were.
    pub delivered: u64,
    /// The one divided by the other; nothing when none was expected.
    pub delivery_ratio: Option<f64>,
    /// How long messages were under way.
    #[serde(default)]
    pub latency_seconds: Latency,
}

/// A distribution of latencies, in seconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// Their mean.
    pub mean: Option<f64>,
    /// The median.
    pub p50: Option<f64>,
    /// Nine of ten are no longer.
    pub p90: Option<f64>,
    /// 95 of 100 are no longer.
    pub p95: Option<f64>,
    /// 99 of 100 are no longer.
    pub p99: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
}

/// What one fault did.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FaultCounts {
    /// Messages that vanished on the way out.
    pub dropped_out: u64,
    /// Messages that vanished on the way in.
    pub dropped_in: u64,
    /// Messages that had to wait.
    pub delayed: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Messages whose payload changed.
    pub corrupted: u64,
    /// Outages that began.
    pub outages: u64,
}

/// One group of devices.
#[derive(Clone, Debug, Deserialize)]
pub struct Group {
    /// How many devices.
    #[serde(default)]
    pub devices: u64,
    /// Their messages.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// One phase of the timeline.
#[derive(Clone, Debug, Deserialize)]
pub struct Phase {
    /// As the plan calls it.
    #[serde(default)]
    pub name: String,
    /// When it began, in seconds.
    #[serde(default)]
    pub from_s: Option<f64>,
    /// When it ended, in seconds.
    #[serde(default)]
    pub to_s: Option<f64>,
    /// The messages in it.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// What the plan demanded, and what came of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Threshold {
    /// As the plan says it.
    pub text: String,
    /// Whether it was met.
    pub ok: bool,
    /// What was measured; nothing when there was nothing to measure.
    #[serde(default)]
    pub value: Option<f64>,
    /// What was found when it ended the run, if it did.
    #[serde(default)]
    pub breached: Option<ThresholdMiss>,
}
