//! Lateness of the host's timers, which shows whether the load generator itself is the bottleneck.
//!
//! Devices schedule wake-ups: to publish, to release a delayed message, to reconnect. A late wake-up delays
//! the device's messages by as much, and a load test that hides this blames the broker.

use std::time::Duration;

use wasmote_sim::histogram::Histogram;

/// Lateness of device wake-ups.
#[derive(Clone, Debug, Default)]
pub struct LagStats {
    /// Actual less scheduled time, in seconds.
    pub lateness: Histogram,
    /// Wake-ups later than [`Self::TOLERANCE`].
    pub overruns: u64,
}

impl LagStats {
    /// Lateness that an idle machine does not exceed. Timers of the runtime alone are 1 to 2 ms late.
    pub const TOLERANCE: Duration = Duration::from_millis(100);

    pub(crate) fn record(&mut self, lateness: Duration) {
        self.lateness.observe(lateness.as_secs_f64());
        self.overruns += u64::from(lateness > Self::TOLERANCE);
    }

    /// Number of wake-ups.
    pub fn wakes(&self) -> u64 {
        self.lateness.count()
    }

    /// Adds the wake-ups of another shard.
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
