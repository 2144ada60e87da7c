//! A device's calendar clock is wrong.
//!
//! Only what the behaviour reads changes. Timers run on the run's clock, and the stamps by which latency is
//! measured are true.

use std::time::Duration;

use crate::rng::Stream;
use wasmote_mqtt::time::{Time, WallTime, nanos};

/// How wrong, at most, clocks are. The error of each device is its own, and stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clock {
    /// Nanoseconds by which all of them are ahead at the beginning of the run; behind if negative.
    pub offset: i64,
    /// Each is ahead or behind of that by up to this, drawn evenly.
    pub offset_spread: Duration,
    /// Microseconds that all of them gain in each second; lose if negative.
    pub drift_ppm: f64,
    /// Each gains more or less than that by up to this, drawn evenly.
    pub drift_spread_ppm: f64,
}

/// The error of one device's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Skew {
    offset_nanos: i64,
    /// Picoseconds gained in each second.
    drift: i64,
}

impl Clock {
    /// The error of the device whose stream this is.
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
    /// Both errors together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            offset_nanos: self.offset_nanos.saturating_add(other.offset_nanos),
            drift: self.drift.saturating_add(other.drift),
        }
    }

    /// What the clock shows. It began to drift when the run began.
    pub(super) fn read(self, now: Time, wall: WallTime) -> WallTime {
        const PER_SECOND: i128 = 1_000_000_000_000;
        let gained = i128::from(now.as_nanos()) * i128::from(self.drift) / PER_SECOND;
        let shown = i128::from(wall.as_nanos()) + i128::from(self.offset_nanos) + gained;
        WallTime::from_nanos(u64::try_from(shown.max(0)).unwrap_or(u64::MAX))
    }
}
