//! Builds `summary.json` from the counts of a run.

use wasmote_mqtt::time::Time;
use wasmote_results::{
    DurationSummary, Edit, GroupSummary, ImplausibleLatencies, InvariantOutcome, PhaseSummary, Summary,
    SwapRefusal, ThresholdMiss,
};
use wasmote_sim::health::FleetHealth;
use wasmote_sim::latency::ImplausibleCounts;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::rng::Seed;

use super::latencies::seconds;
use super::ledger_file;
use super::point::Point;
use super::population::Population;
use super::threshold::ThresholdEntry;
use super::time_buckets::TimeBuckets;
use super::timeline::Phase;
use super::windows;

/// Data of a finished run in addition to its time buckets.
pub struct SummaryInput<'a> {
    /// The devices.
    pub population: &'a Population,
    /// End of the run.
    pub end: Time,
    /// For each threshold of the plan, the miss that ended the run.
    pub misses: Vec<Option<ThresholdMiss>>,
    /// True if a signal ended the run.
    pub interrupted: bool,
    /// Digest of the chain of events.
    pub digest: Option<String>,
    /// Number of events.
    pub events: u64,
    /// Health of the devices.
    pub health: &'a FleetHealth,
    /// Reasons why the run failed.
    pub failures: Vec<String>,
    /// The ledger of all devices after the warm-up.
    pub measured: Ledger,
    /// True if every message is accounted for.
    pub ledger_closes: bool,
    /// Changes that users made.
    pub edits: Vec<Edit>,
    /// Swaps that devices refused.
    pub swap_refusals: Vec<SwapRefusal>,
    /// Received messages whose latency cannot be right.
    pub implausible: ImplausibleCounts,
    /// Lag of the machine.
    pub lag: Option<DurationSummary>,
    /// Outcomes of the invariants.
    pub invariants: Vec<InvariantOutcome>,
}

/// The summary of a run.
pub fn summary(point: &Point, seed: Seed, buckets: &TimeBuckets, input: SummaryInput<'_>) -> Summary {
    let SummaryInput { population, end, misses, interrupted, .. } = input;
    let (from, to) = windows::measured(point, end);
    let traps = |group: &str| input.health.0.get(group).map_or(0, |health| health.traps);
    let group = |(at, name): (usize, &String)| {
        let devices = population.members(name).count() as u64;
        (
            name.clone(),
            GroupSummary { devices, traps: traps(name), traffic: buckets.sum(from, to, Some(at)).traffic() },
        )
    };
    let phase = |phase: &Phase| {
        let (from, to) = windows::phase(point, phase, end);
        PhaseSummary {
            name: phase.name.clone(),
            from_s: seconds(from.as_nanos()),
            to_s: seconds(to.as_nanos()),
            traffic: buckets.sum(from, to, None).traffic(),
        }
    };
    let threshold = |(at, entry): (usize, &ThresholdEntry)| {
        let value = entry.check.value(&windows::stats(point, buckets, &entry.check.scope, end));
        entry.check.judge(value, misses.get(at).copied().flatten())
    };
    let devices = population.devices.len();
    Summary {
        seed: seed.value(),
        point: point.values.clone(),
        duration_s: seconds(end.as_nanos()),
        warm_up_s: point.plan.warm_up.0.as_secs_f64(),
        devices: devices as u64,
        joined: devices.saturating_sub(point.settings.devices()) as u64,
        events: Some(input.events),
        digest: input.digest,
        traffic: buckets.sum(from, to, None).traffic(),
        returned: input.measured.returned,
        lost_offline: input.measured.lost_offline,
        refused_by_cause: ledger_file::refused_by_cause(&input.measured),
        negative_answers: input.measured.named_negative_answers(),
        faults: ledger_file::faults(&input.measured),
        groups: population.groups.iter().enumerate().map(group).collect(),
        phases: point.timeline.phases.iter().filter(|phase| phase.from < end).map(phase).collect(),
        thresholds: point.plan.thresholds.iter().enumerate().map(threshold).collect(),
        aborted: end < point.end() && !interrupted,
        interrupted,
        ledger_closes: input.ledger_closes,
        failures: input.failures,
        warnings: input.health.warnings(),
        missing: None,
        edits: input.edits,
        swaps_refused: input.swap_refusals,
        implausible_latencies: implausible(input.implausible),
        late_seconds: input.lag,
        invariants: input.invariants,
    }
}

/// Counts of implausible latencies in the format of results files; `None` if there are none.
pub fn implausible(counts: ImplausibleCounts) -> Option<ImplausibleLatencies> {
    let ImplausibleCounts { negative, too_large } = counts;
    (counts.total() > 0).then_some(ImplausibleLatencies { negative, too_large })
}
