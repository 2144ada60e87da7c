//! How far an experiment is: told by the runs, read by whoever shows it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use wasmote_fleet::signals::Signals;
use wasmote_mqtt::time::Time;

/// Sums over all runs of an experiment.
#[derive(Debug, Default)]
pub struct Totals {
    /// Simulated nanoseconds so far.
    pub simulated: AtomicU64,
    /// Steps so far.
    pub steps: AtomicU64,
    /// Runs that are over.
    pub finished: AtomicUsize,
    /// What may end it before its time.
    pub signals: Option<Signals>,
}

impl Totals {
    /// Whether somebody wants it to end: no further run begins, and those under way stop where they are.
    pub fn is_interrupted(&self) -> bool {
        self.signals.as_ref().is_some_and(Signals::received)
    }
}

/// How far one run is.
#[derive(Debug)]
pub struct Progress<'a> {
    totals: &'a Totals,
    reported: AtomicU64,
}

impl<'a> Progress<'a> {
    /// Of a run that has not begun.
    pub fn new(totals: &'a Totals) -> Self {
        Self { totals, reported: AtomicU64::new(0) }
    }

    /// Whether the run is to stop where it is.
    pub fn is_interrupted(&self) -> bool {
        self.totals.is_interrupted()
    }

    /// What may end the run before its time.
    pub fn signals(&self) -> Option<Signals> {
        self.totals.signals.clone()
    }

    /// The run has come to this time, and has made this many steps since it last said so.
    pub fn advance(&self, to: Time, steps: u64) {
        let before = self.reported.swap(to.as_nanos(), Ordering::Relaxed);
        self.totals.simulated.fetch_add(to.as_nanos().saturating_sub(before), Ordering::Relaxed);
        self.totals.steps.fetch_add(steps, Ordering::Relaxed);
    }
}
