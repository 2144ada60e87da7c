//! Finding: the folder with the smallest plan that fails, its run, and a report.
//!
//! ```text
//! finding-1/
//!   minimal.toml      the smallest plan, which `wasmote experiment run` runs
//!   components/       the components that it uses
//!   original.toml     the plan as the hunt drew it
//!   run/              files of a run of minimal.toml
//!   sequence.svg      the messages and events that lead to the failure
//!   report.html       the violation, the steps and the diagram on one page
//! ```

mod page;
mod steps;

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use wasmote_experiment::ExperimentError;
use wasmote_experiment::execute::run_one;
use wasmote_experiment::plan::Experiment;
use wasmote_experiment::point::{Overrides, RunId};
use wasmote_experiment::progress::Totals;
use wasmote_experiment::results::export_plan;
use wasmote_report::sequence;
use wasmote_results::{EventLine, Summary, read_lines, write_atomically};
use wasmote_sim::rng::Seed;

use super::case::{Case, Size};
use super::executor::Executor;
use super::failure::{Failure, failures};
use super::minimise::Minimal;
use super::search::Found;

/// File with the smallest plan.
pub const MINIMAL: &str = "minimal.toml";

/// What is known about a finding.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Folder of the finding, relative to that of the hunt.
    pub folder: String,
    /// The failure of the smallest plan.
    pub failure: Failure,
    /// Position of the first run that failed in this way.
    pub run: u64,
    /// Number of runs of the hunt that failed in this way.
    pub runs: u64,
    /// Number of cases that the minimiser tried.
    pub tried: u64,
    /// Parts of the plan as drawn.
    pub drawn: Size,
    /// Parts of the smallest plan.
    pub minimal: Size,
    /// Number of devices of the smallest plan.
    pub devices: usize,
    /// Duration of the smallest plan.
    pub duration: String,
}

/// Writes the folder of a finding.
pub fn write(
    executor: &Executor,
    found: &Found,
    minimal: &Minimal,
    hunt: &Path,
    number: usize,
) -> Result<Report, ExperimentError> {
    let name = format!("finding-{number}");
    let folder = hunt.join(&name);
    fs::create_dir_all(&folder).map_err(ExperimentError::writing(&folder.display()))?;
    export(executor, &found.case, &folder, "original.toml")?;
    let mut case = minimal.case.clone();
    case.plan["log_messages"] = "on".into();
    case.plan["description"] = describe(&found.failure, &case.plan["description"]).into();
    let experiment = export(executor, &case, &folder, MINIMAL)?;
    let run = RunId { index: 0, point: 0, seed: Seed::new(case.seed) };
    let files = folder.join("run");
    if files.exists() {
        // Logs of an earlier run would grow.
        fs::remove_dir_all(&files).map_err(ExperimentError::writing(&files.display()))?;
    }
    let summary = run_one(&experiment, &run, &files, None, &Totals::default())?.summary;
    let failure = same_failure(&summary, &minimal.failure);
    let events: Vec<EventLine<'static>> =
        read_lines(&files).map_err(ExperimentError::writing(&files.display()))?;
    let report = Report {
        folder: name,
        failure,
        run: found.run,
        runs: found.runs,
        tried: minimal.tried,
        drawn: found.case.size(),
        minimal: case.size(),
        devices: experiment.devices(),
        duration: case.plan["duration"].as_str().unwrap_or_default().to_owned(),
    };
    let diagram = steps::diagram(&events, &report.failure);
    let svg = sequence::svg(&report.failure.signature.to_string(), &diagram.lanes, &diagram.steps);
    let plan = fs::read_to_string(folder.join(MINIMAL)).unwrap_or_default();
    let page = page::page(&report, &plan, &diagram, &svg);
    for (file, text) in [("sequence.svg", &svg), ("report.html", &page)] {
        let path = folder.join(file);
        write_atomically(&path, text.as_bytes()).map_err(ExperimentError::writing(&path.display()))?;
    }
    Ok(report)
}

/// The failure of a run with files; that of the minimiser if the run had none, which no deterministic run has.
fn same_failure(summary: &Summary, minimal: &Failure) -> Failure {
    failures(summary)
        .into_iter()
        .find(|failure| failure.signature == minimal.signature)
        .unwrap_or_else(|| minimal.clone())
}

fn describe(failure: &Failure, purpose: &Value) -> String {
    let purpose = purpose.as_str().filter(|purpose| !purpose.is_empty());
    let of = purpose.map(|purpose| format!("; {purpose}")).unwrap_or_default();
    format!("Smallest plan found that breaks: {}{of}", failure.signature)
}

fn export(
    executor: &Executor,
    case: &Case,
    folder: &Path,
    file: &str,
) -> Result<Experiment, ExperimentError> {
    let source = executor.with_plan(case.assembled());
    let experiment = Experiment::new(source, &Overrides::default(), executor.engine())?;
    export_plan(&experiment, folder, file)?;
    Ok(experiment)
}
