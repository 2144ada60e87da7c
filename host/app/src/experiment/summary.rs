//! `summary.json`: a run in figures.

use std::collections::BTreeMap;

use serde::Serialize;
use wasmote_mqtt::time::Time;
use wasmote_sim::rng::Seed;

use super::audit::AuditRecord;
use super::driver::LagSummary;
use super::latencies::seconds;
use super::ledger_file::FaultReport;
use super::message_stats::{MessageStats, MessageStatsReport};
use super::plan::Point;
use super::population::Population;
use super::recorder::swap_refusals::SwapRefusal;
use super::results::pretty_json;
use super::sweep::PointValues;
use super::time_buckets::TimeBuckets;
use super::verdict::{ThresholdMiss, Verdict};
use super::windows;

/// A run in figures. All but `devices`, `joined`, `events`, `digest` and `ledger_closes` is of the time after the
/// warm-up; what a group has is of the messages that its devices published.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The seed.
    pub seed: u64,
    /// The values that are swept.
    pub point: PointValues,
    /// How long the run lasted; less than planned if a threshold ended it.
    pub duration_s: f64,
    /// How long was not measured.
    pub warm_up_s: f64,
    /// Devices at the end.
    pub devices: usize,
    /// Those of them that were not there at the beginning.
    #[serde(skip_serializing_if = "is_zero")]
    pub joined: usize,
    /// Everything that happened, one by one.
    pub events: u64,
    /// Stands for all of it; in real time nothing does.
    pub digest: Option<String>,
    #[serde(flatten)]
    stats: MessageStatsReport,
    faults: BTreeMap<String, FaultReport>,
    groups: BTreeMap<String, GroupReport>,
    phases: Vec<PhaseReport>,
    /// What became of each threshold.
    pub thresholds: Vec<Verdict>,
    /// Whether a threshold ended the run before its time.
    pub aborted: bool,
    /// Whether a signal did.
    pub interrupted: bool,
    /// Whether every message is accounted for.
    pub ledger_closes: bool,
    /// What users did to it while it ran, which only real time has room for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<AuditRecord>,
    /// Swaps that devices refused, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub swaps_refused: Vec<SwapRefusal>,
    /// How much later than they were due this machine woke devices, in real time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_seconds: Option<LagSummary>,
    /// The figures themselves.
    #[serde(skip)]
    pub total: MessageStats,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[derive(Clone, Debug, Serialize)]
struct GroupReport {
    /// Devices at the end.
    devices: usize,
    #[serde(flatten)]
    stats: MessageStatsReport,
}

#[derive(Clone, Debug, Serialize)]
struct PhaseReport {
    name: String,
    from_s: f64,
    to_s: f64,
    #[serde(flatten)]
    stats: MessageStatsReport,
}

/// What a run leaves behind, beside its table.
pub struct SummaryInput<'a> {
    /// Who took part.
    pub population: &'a Population,
    /// When it ended.
    pub end: Time,
    /// What was found of each threshold that ended it, in the order of the plan.
    pub misses: Vec<Option<ThresholdMiss>>,
    /// Whether a signal ended it.
    pub interrupted: bool,
    /// Stands for all that happened.
    pub digest: Option<String>,
    /// How much happened.
    pub events: u64,
    /// What faults did in the time that was measured.
    pub faults: BTreeMap<String, FaultReport>,
    /// Whether every message is accounted for.
    pub ledger_closes: bool,
    /// What users did.
    pub edits: Vec<AuditRecord>,
    /// Swaps that devices refused.
    pub swap_refusals: Vec<SwapRefusal>,
    /// How late the machine was.
    pub lag: Option<LagSummary>,
}

impl Summary {
    /// Put together.
    pub fn new(point: &Point, seed: Seed, buckets: &TimeBuckets, input: SummaryInput<'_>) -> Self {
        let SummaryInput {
            population,
            end,
            misses,
            interrupted,
            digest,
            events,
            faults,
            ledger_closes,
            edits,
            swap_refusals,
            lag,
        } = input;
        let (from, to) = windows::measured(point, end);
        let total = buckets.sum(from, to, None);
        let group = |(at, name): (usize, &String)| {
            let devices = population.members(name).count();
            (name.clone(), GroupReport { devices, stats: buckets.sum(from, to, Some(at)).report() })
        };
        let phase = |phase: &super::timeline::Phase| {
            let (from, to) = windows::phase(point, phase, end);
            PhaseReport {
                name: phase.name.clone(),
                from_s: seconds(from.as_nanos()),
                to_s: seconds(to.as_nanos()),
                stats: buckets.sum(from, to, None).report(),
            }
        };
        let verdict = |(at, entry): (usize, &super::threshold::ThresholdEntry)| {
            let value = entry.check.value(&windows::stats(point, buckets, &entry.check.scope, end));
            Verdict::new(&entry.check, value, misses.get(at).copied().flatten())
        };
        Self {
            seed: seed.value(),
            point: point.values.clone(),
            duration_s: seconds(end.as_nanos()),
            warm_up_s: point.plan.warm_up.0.as_secs_f64(),
            devices: population.devices.len(),
            joined: population.devices.len().saturating_sub(point.settings.devices()),
            events,
            digest,
            stats: total.report(),
            faults,
            groups: population.groups.iter().enumerate().map(group).collect(),
            phases: point.timeline.phases.iter().filter(|phase| phase.from < end).map(phase).collect(),
            thresholds: point.plan.thresholds.iter().enumerate().map(verdict).collect(),
            aborted: end < point.end() && !interrupted,
            interrupted,
            ledger_closes,
            edits,
            swaps_refused: swap_refusals,
            late_seconds: lag,
            total,
        }
    }

    /// As the file has it.
    pub fn json(&self) -> String {
        pretty_json(self)
    }

    /// Whether all thresholds held, at the end and until then.
    pub fn holds(&self) -> bool {
        !self.aborted && self.thresholds.iter().all(|verdict| verdict.ok)
    }
}
