//! Progress of an experiment: updated by the runs, read by the terminal.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use wasmote_fleet::signals::Signals;
use wasmote_mqtt::time::Time;

/// Sums over all runs of an experiment.
#[derive(Debug, Default)]
pub struct Totals {
    /// Nanoseconds simulated so far.
    pub simulated: AtomicU64,
    /// Number of steps so far.
    pub steps: AtomicU64,
    /// Number of finished runs.
    pub finished: AtomicUsize,
    /// Signals that end the experiment early.
    pub signals: Option<Signals>,
}

impl Totals {
    /// Whether a signal has arrived: no further run starts, and active runs stop.
    pub fn is_interrupted(&self) -> bool {
        self.signals.as_ref().is_some_and(Signals::received)
    }
}

/// Progress of one run.
#[derive(Debug)]
pub struct Progress<'a> {
    totals: &'a Totals,
    reported: AtomicU64,
}

impl<'a> Progress<'a> {
    /// Progress of a run that has not started.
    pub fn new(totals: &'a Totals) -> Self {
        Self { totals, reported: AtomicU64::new(0) }
    }

    /// Whether the run has to stop.
    pub fn is_interrupted(&self) -> bool {
        self.totals.is_interrupted()
    }

    /// Signals that end the run early.
    pub fn signals(&self) -> Option<Signals> {
        self.totals.signals.clone()
    }

    /// Reports that the run has reached this time, with this many steps since the last report.
    pub fn advance(&self, to: Time, steps: u64) {
        let before = self.reported.swap(to.as_nanos(), Ordering::Relaxed);
        self.totals.simulated.fetch_add(to.as_nanos().saturating_sub(before), Ordering::Relaxed);
        self.totals.steps.fetch_add(steps, Ordering::Relaxed);
    }
}
