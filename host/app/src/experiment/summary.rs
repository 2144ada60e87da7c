//! `summary.json`: a run in figures.

use std::collections::BTreeMap;

use serde::Serialize;
use wasmote_sim::rng::Seed;
use wasmote_sim::time::Time;

use super::accounts::FaultReport;
use super::cells::Cells;
use super::company::Company;
use super::edits::Edited;
use super::figures::{FigureReport, Figures};
use super::latencies::seconds;
use super::parts;
use super::plan::Point;
use super::recorder::refusals::Refused;
use super::results::pretty;
use super::sweep::PointValues;
use super::verdict::{Breach, Verdict};
use super::world::Late;

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
    figures: FigureReport,
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
    pub edits: Vec<Edited>,
    /// Swaps that devices refused, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub swaps_refused: Vec<Refused>,
    /// How much later than they were due this machine woke devices, in real time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_seconds: Option<Late>,
    /// The figures themselves.
    #[serde(skip)]
    pub total: Figures,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[derive(Clone, Debug, Serialize)]
struct GroupReport {
    /// Devices at the end.
    devices: usize,
    #[serde(flatten)]
    figures: FigureReport,
}

#[derive(Clone, Debug, Serialize)]
struct PhaseReport {
    name: String,
    from_s: f64,
    to_s: f64,
    #[serde(flatten)]
    figures: FigureReport,
}

/// What a run leaves behind, beside its table.
pub struct Remains<'a> {
    /// Who took part.
    pub company: &'a Company,
    /// When it ended.
    pub end: Time,
    /// What was found of each threshold that ended it, in the order of the plan.
    pub breaches: Vec<Option<Breach>>,
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
    pub edits: Vec<Edited>,
    /// Swaps that devices refused.
    pub refused: Vec<Refused>,
    /// How late the machine was.
    pub late: Option<Late>,
}

impl Summary {
    /// Put together.
    pub fn new(point: &Point, seed: Seed, cells: &Cells, remains: Remains<'_>) -> Self {
        let Remains {
            company,
            end,
            breaches,
            interrupted,
            digest,
            events,
            faults,
            ledger_closes,
            edits,
            refused,
            late,
        } = remains;
        let (from, to) = parts::measured(point, end);
        let total = cells.sum(from, to, None);
        let group = |(at, name): (usize, &String)| {
            let devices = company.members(name).count();
            (name.clone(), GroupReport { devices, figures: cells.sum(from, to, Some(at)).report() })
        };
        let phase = |phase: &super::script::Phase| {
            let (from, to) = parts::phase(point, phase, end);
            PhaseReport {
                name: phase.name.clone(),
                from_s: seconds(from.as_nanos()),
                to_s: seconds(to.as_nanos()),
                figures: cells.sum(from, to, None).report(),
            }
        };
        let verdict = |(at, entry): (usize, &super::threshold::ThresholdEntry)| {
            let value = entry.check.value(&parts::figures(point, cells, &entry.check.part, end));
            Verdict::new(&entry.check, value, breaches.get(at).copied().flatten())
        };
        Self {
            seed: seed.value(),
            point: point.values.clone(),
            duration_s: seconds(end.as_nanos()),
            warm_up_s: point.document.warm_up.0.as_secs_f64(),
            devices: company.devices.len(),
            joined: company.devices.len().saturating_sub(point.settings.devices()),
            events,
            digest,
            figures: total.report(),
            faults,
            groups: company.groups.iter().enumerate().map(group).collect(),
            phases: point.script.phases.iter().filter(|phase| phase.from < end).map(phase).collect(),
            thresholds: point.document.thresholds.iter().enumerate().map(verdict).collect(),
            aborted: end < point.end() && !interrupted,
            interrupted,
            ledger_closes,
            edits,
            swaps_refused: refused,
            late_seconds: late,
            total,
        }
    }

    /// As the file has it.
    pub fn json(&self) -> String {
        pretty(self)
    }

    /// Whether all thresholds held, at the end and until then.
    pub fn holds(&self) -> bool {
        !self.aborted && self.thresholds.iter().all(|verdict| verdict.ok)
    }
}
