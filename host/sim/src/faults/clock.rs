//! Errors of a device's calendar clock.
//!
//! Only the time that the behaviour reads is affected. Timers use the run's clock, and latency is measured
//! with the true time.

use std::time::Duration;

use wasmote_mqtt::time::{Time, WallTime, nanos};

use crate::rng::Stream;

/// Distribution of clock errors. The error of each device is drawn once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clock {
    /// Common offset in nanoseconds at the start of the run; negative if behind.
    pub offset: i64,
    /// Largest deviation of a device from the common offset, uniformly distributed.
    pub offset_spread: Duration,
    /// Common drift in microseconds per second; negative if slow.
    pub drift_ppm: f64,
    /// Largest deviation of a device from the common drift, uniformly distributed.
    pub drift_spread_ppm: f64,
}

/// Error of one device's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Skew {
    offset_nanos: i64,
    /// Drift in picoseconds per second.
    drift: i64,
}

impl Clock {
    /// Draws the error of the device that owns this stream.
    pub(super) fn skew(&self, draw: &mut Stream) -> Skew {
        let mut between = |middle: f64, spread: f64| middle + spread * (2.0 * draw.uniform() - 1.0);
        let deviation = between(0.0, nanos(self.offset_spread) as f64) as i64;
        Skew {
            offset_nanos: self.offset.saturating_add(deviation),
            drift: (between(self.drift_ppm, self.drift_spread_ppm) * 1e6) as i64,
        }
    }
}

impl Skew {
    /// Sum of two errors.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            offset_nanos: self.offset_nanos.saturating_add(other.offset_nanos),
            drift: self.drift.saturating_add(other.drift),
        }
    }

    /// Reading of the clock. The drift starts with the run.
    pub(super) fn read(self, now: Time, wall: WallTime) -> WallTime {
        const PER_SECOND: i128 = 1_000_000_000_000;
        let gained = i128::from(now.as_nanos()) * i128::from(self.drift) / PER_SECOND;
        let shown = i128::from(wall.as_nanos()) + i128::from(self.offset_nanos) + gained;
        WallTime::from_nanos(u64::try_from(shown.max(0)).unwrap_or(u64::MAX))
    }
}
