//! `timeline-as-run.toml`: a plan by which what happened in a run in real time happens again, in virtual time too.
//!
//! It is the plan with the values and the seed of this run, and the entries of its timeline are joined by what
//! users did over HTTP, each at its time.

use std::path::Path;

use serde_json::{Value, json};

use super::ExperimentError;
use super::audit::AuditRecord;
use super::plan::{Experiment, RunId};
use super::plan_snapshot::relocate;
use super::results::{to_toml, write_atomically};
use super::summary::Summary;
use super::sweep::at_point;

/// The file's name.
pub const FILE_NAME: &str = "timeline-as-run.toml";

/// Write it into a run's folder, which is `depth` folders below that of the results.
pub fn write(
    experiment: &Experiment,
    run_id: &RunId,
    summary: &Summary,
    folder: &Path,
    depth: usize,
) -> Result<(), ExperimentError> {
    let mut plan = at_point(&experiment.source, &experiment.points[run_id.point].set)?.value;
    plan["seeds"] = json!([run_id.seed.value()]);
    plan.as_object_mut().map(|plan| plan.remove("sweep"));
    // The components of swaps lie in the run's folder already.
    let (swaps, others): (Vec<_>, Vec<_>) = audit_records(summary)
        .flat_map(|edit| edit.entries.clone())
        .partition(|entry| entry.get("swap").is_some());
    extend(&mut plan, others);
    let mut plan = relocate(plan, experiment, &"../".repeat(depth));
    extend(&mut plan, swaps);
    let path = folder.join(FILE_NAME);
    let writing = ExperimentError::writing(&path.display());
    let plan = to_toml(&plan).map_err(&writing)?;
    write_atomically(&path, (header(summary) + &plan).as_bytes()).map_err(&writing)
}

/// Add entries to the timeline.
fn extend(plan: &mut Value, entries: Vec<Value>) {
    let mut timeline = plan["timeline"].as_array().cloned().unwrap_or_default();
    timeline.extend(entries);
    plan["timeline"] = timeline.into();
}

/// What was done while the run lasted.
fn audit_records(summary: &Summary) -> impl Iterator<Item = &AuditRecord> {
    summary.edits.iter().filter(|it| it.at_s < summary.duration_s)
}

fn header(summary: &Summary) -> String {
    let (count, ran) = (audit_records(summary).count(), summary.duration_s);
    let what = match count {
        0 => "nobody changed anything over HTTP".to_owned(),
        1 => "with the one change that was made over HTTP".to_owned(),
        n => format!("with the {n} changes that were made over HTTP"),
    };
    let ended = match (summary.interrupted, summary.aborted) {
        (true, _) => format!("# It was interrupted after {ran} s; what the plan has later did not happen.\n"),
        (_, true) => format!("# A threshold ended it after {ran} s.\n"),
        _ => String::new(),
    };
    format!("# What happened in a run in real time: the plan, {what}.\n{ended}")
}
