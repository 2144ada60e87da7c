//! Executes all runs of an experiment on a number of threads.
//!
//! A run uses one thread and shares only compiled code with other runs, so the number of threads affects only how
//! long the experiment takes.

use std::fs;
use std::path::{Component, Path};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use wasmote_results::Summary;

use super::ExperimentError;
use super::effective_plan;
use super::live_run::{self, LiveEnv};
use super::plan::Experiment;
use super::point::RunId;
use super::progress::{Progress, Totals};
use super::results::ResultsWriter;
use super::run::{FinishedRun, RunContext, run};

/// Calls `work` for each run, on several threads. Outcomes are in the order of the runs. After a failure or an
/// interrupt no further run starts; the first failure in that order is returned.
pub fn for_each<T: Send>(
    runs: &[RunId],
    workers: usize,
    totals: &Totals,
    work: impl Fn(&RunId) -> Result<T, ExperimentError> + Sync,
) -> Result<Vec<T>, ExperimentError> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let outcomes: Vec<Mutex<Option<Result<T, ExperimentError>>>> =
        runs.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, runs.len().max(1)) {
            scope.spawn(|| {
                while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if failed.load(Ordering::Relaxed) || totals.is_interrupted() {
                        return;
                    }
                    let outcome = work(run);
                    failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
                    *outcomes[run.index].lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
                }
            });
        }
    });
    outcomes
        .into_iter()
        .filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

/// Time mode of the runs, with its settings.
pub enum ExecutionMode {
    /// Virtual time, with this number of runs at the same time.
    Virtual(usize),
    /// Real time. Runs follow one another, as they share the machine and the ports of the broker and the API.
    Real(LiveEnv),
}

/// Executes an experiment and writes its results. After an interrupt the manifest says that they are incomplete.
pub fn execute(
    experiment: &Experiment,
    results: &mut ResultsWriter,
    mode: &ExecutionMode,
    totals: &Totals,
) -> Result<Vec<Summary>, ExperimentError> {
    let runs = experiment.runs();
    let folder = results.folder.clone();
    let shared = Mutex::new(results);
    let workers = match mode {
        ExecutionMode::Virtual(workers) => *workers,
        ExecutionMode::Real(_) => 1,
    };
    let summaries = for_each(&runs, workers, totals, |run_id| {
        let relative = {
            let results = shared.lock().unwrap_or_else(PoisonError::into_inner);
            results.manifest.runs[run_id.index].path.clone()
        };
        let path = folder.join(&relative);
        let began = Instant::now();
        let live_env = match mode {
            ExecutionMode::Virtual(_) => None,
            ExecutionMode::Real(live_env) => Some(live_env),
        };
        let run = run_one(experiment, run_id, &path, live_env, totals)?;
        if live_env.is_some() {
            let depth = Path::new(&relative).components().filter(|it| matches!(it, Component::Normal(_)));
            effective_plan::write(experiment, run_id, &run, &path, depth.count())?;
        }
        let took = began.elapsed().as_secs_f64();
        let mut results = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let FinishedRun { summary, edits, .. } = run;
        results.add_components(&relative, edits.iter().filter_map(|edit| edit.component.as_ref()));
        let entry = &mut results.manifest.runs[run_id.index];
        entry.digest = summary.digest.clone().filter(|_| !summary.interrupted);
        entry.edits = edits.len();
        entry.real_seconds = Some(took);
        entry.events_per_second = Some(summary.events.unwrap_or(0) as f64 / took);
        results.write_manifest()?;
        Ok(summary)
    })?;
    let results = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    if summaries.len() == runs.len() && summaries.iter().all(|summary| !summary.interrupted) {
        results.complete()?;
    }
    Ok(summaries)
}

/// Executes one run and writes its folder; in virtual time without a `live_env`.
pub fn run_one(
    experiment: &Experiment,
    run_id: &RunId,
    folder: &Path,
    live_env: Option<&LiveEnv>,
    totals: &Totals,
) -> Result<FinishedRun, ExperimentError> {
    fs::create_dir_all(folder).map_err(ExperimentError::writing(&folder.display()))?;
    let point = &experiment.points[run_id.point];
    let progress = Progress::new(totals);
    let components = &experiment.components;
    let context =
        RunContext { point, seed: run_id.seed, components, folder: Some(folder), progress: &progress };
    let outcome = match live_env {
        None => run(context),
        Some(live_env) => live_run::run(context, live_env),
    };
    totals.finished.fetch_add(1, Ordering::Relaxed);
    outcome
}
