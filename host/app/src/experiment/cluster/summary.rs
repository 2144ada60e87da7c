//! Samples as the files that reports read. What pods cannot know of each other is 0 or `null`: who should have been
//! given a message, and so what share of them was.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use wasmote_sim::rng::Seed;

use super::samples::{RunEnd, Sample, Sampler};
use super::windows::{MeasuredWindows, between};
use crate::experiment::ExperimentError;
use crate::experiment::ledger_file::FaultReport;
use crate::experiment::plan::Point;
use crate::experiment::results::{pretty_json, write_atomically};
use crate::experiment::sweep::PointValues;
use crate::experiment::tables::{ALL, LATENCIES_HEADER, OUTAGES_HEADER};
use crate::experiment::threshold::ThresholdInput;
use crate::experiment::verdict::Verdict;
use crate::experiment::windows;
use crate::fleet_query::pod_metrics::Messages;
use crate::manifests::fleet::FleetManifests;

/// A run on a cluster in figures, with the fields of every other run.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterSummary {
    /// The seed.
    pub seed: u64,
    /// The values that are swept.
    pub point: PointValues,
    /// How long it lasted.
    pub duration_s: f64,
    /// How long was not measured.
    pub warm_up_s: f64,
    /// Devices of the pods that answered.
    pub devices: u64,
    #[serde(flatten)]
    stats: Value,
    faults: BTreeMap<String, FaultReport>,
    groups: BTreeMap<String, Value>,
    phases: Vec<Value>,
    /// What became of each threshold.
    pub thresholds: Vec<Verdict>,
    /// Whether a missed threshold ended it.
    pub aborted: bool,
    /// Whether somebody ended it before its time.
    pub interrupted: bool,
    /// Whether every message is accounted for, in every pod that answered.
    pub ledger_closes: bool,
    /// What the collection lacks.
    pub missing: Vec<String>,
    /// Latency for people.
    #[serde(skip)]
    pub total: Messages,
}

impl ClusterSummary {
    /// Put together.
    pub fn new(
        point: &Point,
        seed: Seed,
        fleet: &FleetManifests,
        sampler: &Sampler<'_>,
        run_end: RunEnd,
        missing: &[String],
    ) -> Self {
        let plan = &point.plan;
        let (samples, warm_up_s) = (sampler.samples(), plan.warm_up.0.as_secs_f64());
        let windows = MeasuredWindows::new(point, fleet, samples);
        let duration_s = samples.last().map_or(0.0, |sample| sample.at_s);
        let devices = |group: Option<&str>| -> u64 {
            samples.last().map_or(0, |last| last.of(group).map(|(_, answer)| answer.devices).sum())
        };
        let total = windows.whole(None);
        let by_group = fleet.groups.iter().map(|group| {
            let mut stats = report(&windows.whole(Some(group)));
            stats["devices"] = devices(Some(group.instance.as_str())).into();
            (group.group.clone(), stats)
        });
        let phases = point.timeline.phases.iter().filter(|phase| phase.from < windows.end()).map(|phase| {
            let (from, to) = windows::phase(point, phase, windows.end());
            let mut stats = report(&windows.phase(phase));
            stats["name"] = phase.name.as_str().into();
            stats["from_s"] = from.elapsed().as_secs_f64().into();
            stats["to_s"] = to.elapsed().as_secs_f64().into();
            stats
        });
        let thresholds = plan.thresholds.iter().map(|entry| {
            let value = entry.check.value(&windows.scope(&entry.check.scope));
            Verdict::new(&entry.check, value, None)
        });
        let closes = |sample: &Sample| sample.of(None).all(|(_, answer)| answer.messages.ledger_closes);
        let faults = total.faults.iter().map(|(fault, counts)| (fault.clone(), counts.into()));
        Self {
            seed: seed.value(),
            point: point.values.clone(),
            duration_s,
            warm_up_s: warm_up_s.min(duration_s),
            devices: devices(None),
            stats: report(&total),
            faults: faults.collect(),
            groups: by_group.collect(),
            phases: phases.collect(),
            thresholds: thresholds.collect(),
            aborted: run_end == RunEnd::ThresholdMissed,
            interrupted: run_end == RunEnd::Interrupted,
            ledger_closes: samples.last().is_some_and(closes),
            missing: missing.to_vec(),
            total,
        }
    }

    /// Whether all thresholds held, at the end and until then.
    pub fn holds(&self) -> bool {
        !self.aborted && self.thresholds.iter().all(|verdict| verdict.ok)
    }

    /// Leave the files of a run.
    pub fn write(
        &self,
        folder: &Path,
        fleet: &FleetManifests,
        sampler: &Sampler<'_>,
    ) -> Result<(), ExperimentError> {
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            write_atomically(&path, text.as_bytes()).map_err(ExperimentError::writing(&path.display()))
        };
        write("timeseries.csv", time_series(fleet, sampler.samples()))?;
        write("latency.csv", latencies(fleet, self))?;
        write("outages.csv", OUTAGES_HEADER.to_owned())?;
        write("ledger.json", ledger(self, sampler.samples().last()))?;
        write("summary.json", pretty_json(self))
    }
}

impl ThresholdInput for Messages {
    fn generated(&self) -> u64 {
        self.generated
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn mean_latency(&self) -> Option<f64> {
        self.latency.mean()
    }

    fn latency_quantile(&self, share: f64) -> Option<f64> {
        self.latency.quantile(share)
    }
}

fn report(messages: &Messages) -> Value {
    let quantile = |share| messages.latency.quantile(share);
    json!({
        "generated": messages.generated,
        "sent": messages.sent,
        "received": messages.received,
        "expected": 0,
        "delivered": 0,
        "delivery_ratio": null,
        "latency_seconds": {
            "count": messages.latency.count,
            "mean": messages.latency.mean(),
            "p50": quantile(0.5),
            "p90": quantile(0.9),
            "p95": quantile(0.95),
            "p99": quantile(0.99),
            "max": null,
        },
    })
}

/// `timeseries.csv`: state at each look, and counts since the one before.
fn time_series(fleet: &FleetManifests, samples: &[Sample]) -> String {
    let mut text = String::from(
        "time_s,group,devices,up,silent,generated,sent,expected,delivered,dropped,latency_p50_s,\
         latency_p95_s,latency_p99_s\n",
    );
    for pair in samples.windows(2) {
        let [before, now] = pair else { continue };
        let groups = fleet.groups.iter().map(|group| (group.group.as_str(), Some(group.instance.as_str())));
        for (name, instance) in groups.chain([(ALL, None)]) {
            let messages = between(before, now, instance);
            let state =
                |state: &str| -> u64 { now.of(instance).map(|(_, answer)| answer.in_state(state)).sum() };
            let devices: u64 = now.of(instance).map(|(_, answer)| answer.devices).sum();
            let quantile =
                |share| messages.latency.quantile(share).map(|it| it.to_string()).unwrap_or_default();
            let _ = writeln!(
                text,
                "{},{name},{devices},{},{},{},{},0,0,{},{},{},{}",
                now.at_s,
                state("connected"),
                state("silent"),
                messages.generated,
                messages.sent,
                messages.total_dropped(),
                quantile(0.5),
                quantile(0.95),
                quantile(0.99),
            );
        }
    }
    text
}

/// `latency.csv`: how many messages took how long, after the warm-up, by the buckets that pods count in.
fn latencies(fleet: &FleetManifests, summary: &ClusterSummary) -> String {
    let mut text = String::from(LATENCIES_HEADER);
    let mut rows = |name: &str, messages: &Messages| {
        let mut before = 0;
        for bucket in &messages.latency.buckets {
            if bucket.count > before {
                let _ = writeln!(text, "{name},{},{}", bucket.le, bucket.count - before);
            }
            before = bucket.count;
        }
    };
    // Of the groups only the sums are kept; with one group they are its own.
    if let [group] = &fleet.groups[..] {
        rows(&group.group, &summary.total);
    }
    rows(ALL, &summary.total);
    text
}

/// `ledger.json`: the account of every pod, and of all, since they began.
fn ledger(summary: &ClusterSummary, last: Option<&Sample>) -> String {
    let ledger_json = |messages: &Messages| {
        let faults: BTreeMap<_, FaultReport> =
            messages.faults.iter().map(|(fault, counts)| (fault, counts.into())).collect();
        json!({
            "generated": messages.generated,
            "sent": messages.sent,
            "lost_offline": messages.lost_offline,
            "arrived": messages.arrived,
            "received": messages.received,
            "faults": faults,
        })
    };
    let pods = last.into_iter().flat_map(|last| last.pods.iter()).map(|(pod, (group, answer))| {
        let mut own = ledger_json(&answer.messages);
        own["device"] = pod.as_str().into();
        own["group"] = group.as_str().into();
        own["closes"] = answer.messages.ledger_closes.into();
        own
    });
    let total = last.map(|last| {
        let nothing = Sample { at_s: 0.0, pods: BTreeMap::new() };
        between(&nothing, last, None)
    });
    pretty_json(&json!({
        "closes": summary.ledger_closes,
        "total": ledger_json(&total.unwrap_or_default()),
        "devices": pods.collect::<Vec<_>>(),
    }))
}
