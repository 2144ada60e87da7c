//! Results files of a run on a cluster, from samples of the pods' metrics.
//!
//! A pod does not know the subscribers in other pods, so expected deliveries and the delivery ratio are unknown.

use std::collections::BTreeMap;
use std::path::Path;

use wasmote_experiment::ExperimentError;
use wasmote_experiment::failures;
use wasmote_experiment::ledger_file;
use wasmote_experiment::point::Point;
use wasmote_experiment::summary;
use wasmote_experiment::threshold::ThresholdInput;
use wasmote_experiment::windows;
use wasmote_fleet::refusals;
use wasmote_fleet::startup::RunError;
use wasmote_results::{
    ALL, DeviceLedger, GroupSummary, JsonFile, LatencyRow, Ledger, LedgerCounts, OutageRow, PhaseSummary,
    Row, Summary, TimeseriesRow, Traffic, write_json, write_table,
};
use wasmote_sim::rng::Seed;

use super::samples::{RunEnd, Sample, Sampler};
use super::windows::{MeasuredWindows, between};
use crate::fleet_query::pod_metrics::Messages;
use crate::manifests::fleet::FleetManifests;

/// A finished run on a cluster.
#[derive(Clone, Copy)]
pub struct ClusterRun<'a> {
    /// The plan with the values of the sweep.
    pub point: &'a Point,
    /// Seed of all randomness.
    pub seed: Seed,
    /// The objects that were applied.
    pub fleet: &'a FleetManifests,
    /// Samples of the pods.
    pub sampler: &'a Sampler<'a>,
    /// Reason of the end.
    pub run_end: RunEnd,
    /// Descriptions of data that could not be collected.
    pub missing: &'a [String],
}

impl ClusterRun<'_> {
    /// Writes the results files and returns the summary.
    pub fn write(self, folder: &Path) -> Result<Summary, ExperimentError> {
        let samples = self.sampler.samples();
        let total = self.windows().whole(None);
        let summary = self.summary(&total);
        table(folder, time_series(self.fleet, samples))?;
        table(folder, latencies(self.fleet, &total))?;
        table::<OutageRow>(folder, Vec::new())?;
        json(folder, &ledger(summary.ledger_closes, samples.last()))?;
        json(folder, &summary)?;
        Ok(summary)
    }

    fn windows(&self) -> MeasuredWindows<'_> {
        MeasuredWindows::new(self.point, self.fleet, self.sampler.samples())
    }

    fn summary(&self, total: &Messages) -> Summary {
        let (plan, samples, windows) = (&self.point.plan, self.sampler.samples(), self.windows());
        let duration_s = samples.last().map_or(0.0, |sample| sample.at_s);
        let devices = |group: Option<&str>| -> u64 {
            samples.last().map_or(0, |last| last.of(group).map(|(_, answer)| answer.devices).sum())
        };
        let traps = |group: Option<&str>| -> u64 {
            samples.last().map_or(0, |last| last.of(group).map(|(_, answer)| answer.messages.traps).sum())
        };
        let groups = self.fleet.groups.iter().map(|group| {
            let traffic = traffic(&windows.whole(Some(group)));
            let instance = Some(group.instance.as_str());
            let (devices, traps) = (devices(instance), traps(instance));
            (group.group.clone(), GroupSummary { devices, traps, traffic })
        });
        let phases = self.point.timeline.phases.iter().filter(|phase| phase.from < windows.end());
        let phases = phases.map(|phase| {
            let (from, to) = windows::phase(self.point, phase, windows.end());
            PhaseSummary {
                name: phase.name.clone(),
                from_s: from.elapsed().as_secs_f64(),
                to_s: to.elapsed().as_secs_f64(),
                traffic: traffic(&windows.phase(phase)),
            }
        });
        let thresholds = plan.thresholds.iter();
        let thresholds = thresholds
            .map(|entry| entry.check.judge(entry.check.value(&windows.scope(&entry.check.scope)), None));
        let closes = |sample: &Sample| sample.of(None).all(|(_, answer)| answer.messages.ledger_closes);
        Summary {
            seed: self.seed.value(),
            point: self.point.values.clone(),
            duration_s,
            warm_up_s: plan.warm_up.0.as_secs_f64().min(duration_s),
            devices: devices(None),
            traffic: traffic(total),
            returned: total.ledger.returned,
            lost_offline: total.ledger.lost_offline,
            refused_by_cause: ledger_file::refused_by_cause(&total.ledger),
            negative_answers: total.ledger.named_negative_answers(),
            faults: ledger_file::faults(&total.ledger),
            groups: groups.collect(),
            phases: phases.collect(),
            thresholds: thresholds.collect(),
            aborted: self.run_end == RunEnd::ThresholdMissed,
            interrupted: self.run_end == RunEnd::Interrupted,
            ledger_closes: samples.last().is_some_and(closes),
            missing: Some(self.missing.to_vec()),
            failures: self.failures(total),
            implausible_latencies: summary::implausible(total.latency_implausible),
            ..Summary::default()
        }
    }

    /// Reasons why the run failed.
    fn failures(&self, measured: &Messages) -> Vec<String> {
        let Some(last) = self.sampler.samples().last().filter(|_| self.run_end != RunEnd::Interrupted) else {
            return Vec::new();
        };
        let failed = self.fleet.groups.iter().filter_map(|group| {
            let of_group = || last.of(Some(group.instance.as_str())).map(|(_, answer)| answer);
            let devices: u64 = of_group().map(|answer| answer.devices).sum();
            let failed: u64 = of_group().map(|answer| answer.in_state("failed")).sum();
            (devices > 0 && failed == devices).then(|| {
                format!(
                    "all {devices} devices of group `{}` refused to start; their logs have the reason",
                    group.group
                )
            })
        });
        let failed: Vec<String> = failed.collect();
        let total = between(&Sample { at_s: 0.0, pods: BTreeMap::new() }, last, None);
        let silence = failures::silence(&counts(&total), &traffic(measured), &self.point.plan.thresholds);
        let traps = |silence: String| match total.traps {
            0 => silence,
            traps => format!("{silence}; the behaviours trapped {traps} times"),
        };
        if !failed.is_empty() {
            return failed;
        }
        let refused = refusals::nothing_accepted(&measured.ledger).map(RunError::NothingAccepted);
        silence.map(traps).into_iter().chain(refused.map(|error| error.to_string())).collect()
    }
}

fn table<R: Row>(folder: &Path, rows: Vec<R>) -> Result<(), ExperimentError> {
    write_table(folder, rows).map_err(ExperimentError::writing(&folder.join(R::FILE).display()))
}

fn json<T: JsonFile>(folder: &Path, value: &T) -> Result<(), ExperimentError> {
    write_json(folder, value).map_err(ExperimentError::writing(&folder.join(T::FILE).display()))
}

impl ThresholdInput for Messages {
    fn generated(&self) -> u64 {
        self.ledger.generated
    }

    fn sent(&self) -> u64 {
        self.ledger.sent
    }

    fn refused(&self) -> u64 {
        self.ledger.refused.total()
    }

    fn mean_latency(&self) -> Option<f64> {
        self.latency.mean()
    }

    fn latency_quantile(&self, share: f64) -> Option<f64> {
        self.latency.quantile(share)
    }

    fn mean_intended_latency(&self) -> Option<f64> {
        self.latency_intended.mean()
    }

    fn intended_latency_quantile(&self, share: f64) -> Option<f64> {
        self.latency_intended.quantile(share)
    }
}

fn traffic(messages: &Messages) -> Traffic {
    Traffic {
        generated: messages.ledger.generated,
        sent: messages.ledger.sent,
        refused: messages.ledger.refused.total(),
        received: Some(messages.ledger.received),
        expected: 0,
        delivered: 0,
        delivery_ratio: None,
        latency_seconds: messages.latency_summary(),
        intended_latency_seconds: messages.intended_latency_summary(),
    }
}

/// Rows of `timeseries.csv`: state at each sample, and counts since the previous one.
fn time_series(fleet: &FleetManifests, samples: &[Sample]) -> Vec<TimeseriesRow> {
    let mut rows = Vec::new();
    for pair in samples.windows(2) {
        let [before, now] = pair else { continue };
        let groups = fleet.groups.iter().map(|group| (group.group.as_str(), Some(group.instance.as_str())));
        for (name, instance) in groups.chain([(ALL, None)]) {
            let messages = between(before, now, instance);
            let in_state =
                |state: &str| -> u64 { now.of(instance).map(|(_, answer)| answer.in_state(state)).sum() };
            rows.push(TimeseriesRow {
                time_s: now.at_s,
                group: name.to_owned(),
                devices: now.of(instance).map(|(_, answer)| answer.devices).sum(),
                up: in_state("connected"),
                silent: in_state("silent"),
                generated: messages.ledger.generated,
                sent: messages.ledger.sent,
                refused: messages.ledger.refused.total(),
                dropped: messages.total_dropped(),
                latency_p50_s: messages.latency.quantile(0.5),
                latency_p95_s: messages.latency.quantile(0.95),
                latency_p99_s: messages.latency.quantile(0.99),
                intended_latency_p50_s: messages.latency_intended.quantile(0.5),
                intended_latency_p95_s: messages.latency_intended.quantile(0.95),
                intended_latency_p99_s: messages.latency_intended.quantile(0.99),
                ..TimeseriesRow::default()
            });
        }
    }
    rows
}

/// Rows of `latency.csv`, in the buckets of the pods' histograms.
fn latencies(fleet: &FleetManifests, total: &Messages) -> Vec<LatencyRow> {
    // Histograms are kept only for the whole fleet. They also hold for a group that is the whole fleet.
    let only = match &fleet.groups[..] {
        [group] => Some(group.group.as_str()),
        _ => None,
    };
    let mut rows = Vec::new();
    for name in only.into_iter().chain([ALL]) {
        let both = total.latency.counts().zip(total.latency_intended.counts());
        for ((upper_bound_s, count), (_, intended)) in both.filter(|((bound, _), _)| bound.is_finite()) {
            if count > 0 || intended > 0 {
                let (group, intended_count) = (name.to_owned(), Some(intended));
                rows.push(LatencyRow { group, upper_bound_s, count, intended_count });
            }
        }
    }
    rows
}

fn counts(messages: &Messages) -> LedgerCounts {
    LedgerCounts {
        // Pods do not report these.
        waiting_out: None,
        discarded: None,
        waiting_in: None,
        faults: ledger_file::faults(&messages.ledger),
        ..ledger_file::counts(&messages.ledger, (0, 0))
    }
}

/// Content of `ledger.json`: counts of every pod, and of all pods, since their start.
fn ledger(closes: bool, last: Option<&Sample>) -> Ledger {
    let pods =
        last.into_iter().flat_map(|last| last.pods.iter()).map(|(pod, (group, answer))| DeviceLedger {
            device: pod.clone(),
            group: group.clone(),
            closes: answer.messages.ledger_closes,
            counts: counts(&answer.messages),
        });
    let total = last.map(|last| {
        let empty = Sample { at_s: 0.0, pods: BTreeMap::new() };
        between(&empty, last, None)
    });
    Ledger { closes, total: counts(&total.unwrap_or_default()), broker: None, devices: pods.collect() }
}
