//! `timeline-as-run.toml`: a plan that repeats a run in real time, in either time mode.
//!
//! It is the plan with the values and the seed of the run. Its timeline also has the changes that users made over HTTP,
//! each at its time.

use std::path::Path;

use serde_json::{Value, json};
use wasmote_results::write_atomically;

use super::ExperimentError;
use super::audit::AuditRecord;
use super::plan::Experiment;
use super::plan_snapshot::relocate;
use super::point::RunId;
use super::results::to_toml;
use super::run::FinishedRun;
use super::sweep::at_point;

/// Name of the file.
pub const FILE_NAME: &str = "timeline-as-run.toml";

/// Writes the plan into a run's folder, which is `depth` folders below the results folder.
pub fn write(
    experiment: &Experiment,
    run_id: &RunId,
    run: &FinishedRun,
    folder: &Path,
    depth: usize,
) -> Result<(), ExperimentError> {
    let mut plan = at_point(&experiment.source, &experiment.points[run_id.point].set)?.value;
    plan["seeds"] = json!([run_id.seed.value()]);
    plan.as_object_mut().map(|plan| plan.remove("sweep"));
    // The components of swaps are already in the run's folder.
    let (swaps, others): (Vec<_>, Vec<_>) = audit_records(run)
        .flat_map(|edit| edit.entries.clone())
        .partition(|entry| entry.get("swap").is_some());
    extend(&mut plan, others);
    let mut plan = relocate(plan, experiment, &"../".repeat(depth));
    extend(&mut plan, swaps);
    let path = folder.join(FILE_NAME);
    let writing = ExperimentError::writing(&path.display());
    let plan = to_toml(&plan).map_err(&writing)?;
    write_atomically(&path, (header(run) + &plan).as_bytes()).map_err(&writing)
}

/// Adds entries to the timeline.
fn extend(plan: &mut Value, entries: Vec<Value>) {
    let mut timeline = plan["timeline"].as_array().cloned().unwrap_or_default();
    timeline.extend(entries);
    plan["timeline"] = timeline.into();
}

/// The changes that users made before the end of the run.
fn audit_records(run: &FinishedRun) -> impl Iterator<Item = &AuditRecord> {
    run.edits.iter().filter(|it| it.at_s < run.summary.duration_s)
}

fn header(run: &FinishedRun) -> String {
    let summary = &run.summary;
    let (count, ran) = (audit_records(run).count(), summary.duration_s);
    let what = match count {
        0 => "without changes over HTTP".to_owned(),
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
