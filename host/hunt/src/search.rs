//! Search: runs cases on several threads until enough failures are found.
//!
//! Results are handled in the order of their positions, so the findings do not depend on the number of threads or on
//! which of them is faster. Only the number of runs that a limit in time allows does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use wasmote_experiment::ExperimentError;

use super::case::Case;
use super::executor::Executor;
use super::failure::{Failure, Signature};
use super::space::{Space, Strategy};

/// Limits of a search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Number of runs.
    pub runs: u64,
    /// Time after which no further run starts.
    pub budget: Option<Duration>,
    /// Number of different failures after which the search ends.
    pub findings: usize,
    /// Number of threads.
    pub jobs: usize,
    /// How runs are drawn.
    pub strategy: Strategy,
}

/// A failure that the search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Position of the first run that failed in this way.
    pub run: u64,
    /// Number of runs that failed in this way.
    pub runs: u64,
    /// The failure.
    pub failure: Failure,
    /// The case that failed.
    pub case: Case,
}

/// Progress and results of a search, as a later hunt can continue them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Number of runs that have ended, from position 0 on.
    pub runs: u64,
    /// The findings, in the order of their positions.
    pub found: Vec<Found>,
    /// Whether a signal ended the search.
    #[serde(default)]
    pub interrupted: bool,
}

impl Outcome {
    fn accept(&mut self, run: u64, failures: Vec<Failure>, case: impl Fn() -> Case) {
        self.runs = run + 1;
        for failure in failures {
            match self.found.iter_mut().find(|found| found.failure.signature == failure.signature) {
                Some(known) => known.runs += 1,
                None => self.found.push(Found { run, runs: 1, failure, case: case() }),
            }
        }
    }

    /// The finding with a signature.
    pub fn of(&self, signature: &Signature) -> Option<&Found> {
        self.found.iter().find(|found| found.failure.signature == *signature)
    }
}

/// Continues a search.
pub fn search(
    executor: &Executor,
    space: &Space,
    limits: &Limits,
    before: Outcome,
    seen: &(dyn Fn(&Outcome) + Sync),
) -> Result<Outcome, ExperimentError> {
    let began = Instant::now();
    let next = AtomicU64::new(before.runs);
    let is_over = AtomicBool::new(before.found.len() >= limits.findings);
    let shared = Mutex::new(Shared {
        outcome: Outcome { interrupted: false, ..before },
        waiting: BTreeMap::new(),
        problem: None,
    });
    std::thread::scope(|scope| {
        for _ in 0..limits.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let in_time = limits.budget.is_none_or(|budget| began.elapsed() < budget);
                    if is_over.load(Ordering::Relaxed) || executor.totals.is_interrupted() || !in_time {
                        return;
                    }
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run >= limits.runs {
                        return;
                    }
                    let result = executor.run(&space.case(run, limits.strategy));
                    if executor.totals.is_interrupted() {
                        // The run may have been cut short.
                        return;
                    }
                    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    shared.waiting.insert(run, result);
                    let enough = shared.accept(space, limits);
                    is_over.fetch_or(enough, Ordering::Relaxed);
                    seen(&shared.outcome);
                }
            });
        }
    });
    let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    match shared.problem {
        Some(problem) => Err(problem),
        None => Ok(Outcome { interrupted: executor.totals.is_interrupted(), ..shared.outcome }),
    }
}

struct Shared {
    outcome: Outcome,
    /// Results of runs behind one that has not ended.
    waiting: BTreeMap<u64, Result<Vec<Failure>, ExperimentError>>,
    problem: Option<ExperimentError>,
}

impl Shared {
    /// Handles the results that are next in order. Returns whether the search is over.
    fn accept(&mut self, space: &Space, limits: &Limits) -> bool {
        loop {
            if self.problem.is_some() || self.outcome.found.len() >= limits.findings {
                return true;
            }
            let run = self.outcome.runs;
            match self.waiting.remove(&run) {
                None => return false,
                Some(Err(problem)) => self.problem = Some(problem),
                Some(Ok(failures)) => {
                    self.outcome.accept(run, failures, || space.case(run, limits.strategy));
                }
            }
        }
    }
}
