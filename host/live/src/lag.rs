//! Whether this host keeps its own time: an honest generator says when it is the bottleneck itself.
//!
//! A device says when it wants to be woken: to publish, to let a delayed message go, to connect again. What it
//! sends then is late by as much as the wake is. A load test that hides this blames the broker.

use std::time::Duration;

use wasmote_sim::histogram::Histogram;

/// How late devices were woken.
#[derive(Clone, Debug, Default)]
pub struct LagStats {
    /// Actual less scheduled time, in seconds.
    pub lateness: Histogram,
    /// Wakes that were later than [`Self::TOLERANCE`].
    pub overruns: u64,
}

impl LagStats {
    /// What an unhurried machine keeps within. Timers of the runtime alone are 1 to 2 ms late.
    pub const TOLERANCE: Duration = Duration::from_millis(100);

    pub(crate) fn record(&mut self, lateness: Duration) {
        self.lateness.observe(lateness.as_secs_f64());
        self.overruns += u64::from(lateness > Self::TOLERANCE);
    }

    /// Wakes in all.
    pub fn wakes(&self) -> u64 {
        self.lateness.count()
    }

    /// Add another's.
    pub fn add(&mut self, other: &Self) {
        self.lateness.merge(&other.lateness);
        self.overruns += other.overruns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_beyond_tolerance_is_an_overrun() {
        let mut mine = LagStats::default();
        mine.record(Duration::from_millis(2));
        mine.record(LagStats::TOLERANCE);
        let mut other = LagStats::default();
        other.record(Duration::from_secs(1));
        mine.add(&other);
        assert_eq!((mine.wakes(), mine.overruns), (3, 1));
    }
}
