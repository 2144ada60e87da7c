//! Search: runs cases on several threads until enough failures are found.
//!
//! Results are handled in the order of their positions, so the findings do not depend on the number of threads or on
//! which of them is faster. Only the number of runs that a limit in time allows does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
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
    /// Number of runs whose plan was invalid, because drawn values contradict each other, and the reason of the first.
    #[serde(default)]
    pub invalid: Option<(u64, String)>,
    /// Everything that runs have covered.
    #[serde(default)]
    pub covered: BTreeSet<u64>,
    /// Size of the coverage after a number of runs, where it grew.
    #[serde(default)]
    pub growth: Vec<Growth>,
}

/// Size of the coverage after a number of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// Number of runs.
    pub runs: u64,
    /// Number of different things that they have covered.
    pub covered: usize,
}

/// Number of things that a search remembers as covered.
const MAX_COVERED: usize = 1_000_000;

/// One run that has ended.
struct Ended {
    case: Case,
    result: Result<(Vec<Failure>, BTreeSet<u64>), ExperimentError>,
}

impl Outcome {
    fn accept(&mut self, run: u64, case: Case, failures: Vec<Failure>, covered: BTreeSet<u64>) {
        self.runs = run + 1;
        for failure in failures {
            match self.found.iter_mut().find(|found| found.failure.signature == failure.signature) {
                Some(known) => known.runs += 1,
                None => self.found.push(Found { run, runs: 1, failure, case: case.clone() }),
            }
        }
        let before = self.covered.len();
        if before < MAX_COVERED {
            self.covered.extend(covered);
        }
        if self.covered.len() > before {
            // Only powers of two and the last are kept, so that a long search has few entries.
            let growth = Growth { runs: self.runs, covered: self.covered.len() };
            match self.growth.last_mut() {
                Some(last) if last.runs.ilog2() == growth.runs.ilog2() => *last = growth,
                _ => self.growth.push(growth),
            }
        }
    }

    /// The finding with a signature.
    pub fn of(&self, signature: &Signature) -> Option<&Found> {
        self.found.iter().find(|found| found.failure.signature == *signature)
    }
}

/// Continues a search. `seen` is called after each run.
pub fn search(
    executor: &Executor,
    space: &Space,
    limits: &Limits,
    before: Outcome,
    seen: &(dyn Fn(&Outcome) + Sync),
) -> Result<Outcome, ExperimentError> {
    let is_over = AtomicBool::new(before.found.len() >= limits.findings);
    let next = AtomicU64::new(before.runs);
    let outcome = Outcome { interrupted: false, ..before };
    let shared = Shared { outcome, waiting: BTreeMap::new(), problem: None };
    let search =
        Search { executor, space, limits, began: Instant::now(), next, is_over, shared: Mutex::new(shared) };
    std::thread::scope(|scope| {
        for _ in 0..limits.jobs.max(1) {
            scope.spawn(|| search.work(seen));
        }
    });
    let shared = search.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    match shared.problem {
        Some(problem) => Err(problem),
        None => Ok(Outcome { interrupted: executor.totals.is_interrupted(), ..shared.outcome }),
    }
}

struct Search<'a> {
    executor: &'a Executor,
    space: &'a Space,
    limits: &'a Limits,
    began: Instant,
    next: AtomicU64,
    is_over: AtomicBool,
    shared: Mutex<Shared>,
}

struct Shared {
    outcome: Outcome,
    /// Results of runs behind one that has not ended.
    waiting: BTreeMap<u64, Ended>,
    problem: Option<ExperimentError>,
}

impl Search<'_> {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_go_on(&self) -> bool {
        let in_time = self.limits.budget.is_none_or(|budget| self.began.elapsed() < budget);
        in_time && !self.is_over.load(Ordering::Relaxed) && !self.executor.totals.is_interrupted()
    }

    fn work(&self, seen: &(dyn Fn(&Outcome) + Sync)) {
        while self.may_go_on() {
            let run = self.next.fetch_add(1, Ordering::Relaxed);
            if run >= self.limits.runs {
                return;
            }
            let case = self.space.case(run, self.limits.strategy);
            let result = self.executor.run_with_coverage(&case);
            if self.executor.totals.is_interrupted() {
                // The run may have been cut short.
                return;
            }
            let mut shared = self.shared();
            shared.waiting.insert(run, Ended { case, result });
            let enough = shared.accept(self.limits);
            self.is_over.fetch_or(enough, Ordering::Relaxed);
            seen(&shared.outcome);
        }
    }
}

impl Shared {
    /// Handles the results that are next in order. Returns whether the search is over.
    fn accept(&mut self, limits: &Limits) -> bool {
        loop {
            if self.problem.is_some() || self.outcome.found.len() >= limits.findings {
                return true;
            }
            let run = self.outcome.runs;
            match self.waiting.remove(&run) {
                None => return false,
                // The plan itself is valid, so drawn values contradict each other.
                Some(Ended { result: Err(problem), .. }) if problem.is_usage() && run > 0 => {
                    let reason = problem.to_string();
                    self.outcome.invalid.get_or_insert((0, reason)).0 += 1;
                    self.outcome.runs = run + 1;
                }
                Some(Ended { result: Err(problem), .. }) => self.problem = Some(problem),
                Some(Ended { case, result: Ok((failures, covered)) }) => {
                    self.outcome.accept(run, case, failures, covered);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn findings_and_coverage_grow_in_the_order_of_the_runs() {
        let mut outcome = Outcome::default();
        let case = |seed| Case { plan: json!({}), settings: Vec::new(), seed };
        let failure = || Failure {
            signature: Signature::Ledger,
            at_s: 1.0,
            message: String::new(),
            devices: Vec::new(),
        };
        for run in 0..17 {
            // Every second run repeats what the one before it covered, and every fifth fails.
            let failures = if run % 5 == 4 { vec![failure()] } else { Vec::new() };
            outcome.accept(run, case(run), failures, [run / 2].into());
        }
        let found = outcome.of(&Signature::Ledger).unwrap();
        assert_eq!((found.run, found.runs, found.case.seed, outcome.found.len()), (4, 3, 4, 1));
        let last = outcome.growth.last().unwrap();
        assert_eq!((last.runs, last.covered, outcome.growth.len()), (17, 9, 5));
    }
}
