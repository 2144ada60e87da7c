//! Errors of a device's calendar clock.
//!
//! Only the time that the behaviour reads is affected. Timers use the run's clock, and latency is measured
//! with the true time.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_mqtt::time::{Time, WallTime, nanos};

use super::checks::{CheckContext, FieldError, within};
use super::kind::{KindModel, KindSpec};
use super::span::{SignedSpan, Span};
use crate::digest::{Digest, Encode};
use crate::rng::Stream;

/// Largest drift, in parts per million. A clock that loses this much stops.
const MAX_PPM: f64 = 1e6;

/// Error of the calendar clock. Timers and latency stamps are not affected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    extend("examples" = [{"kind": "clock", "offset": "-2s"}]),
    extend("anyOf" = [
        {"required": ["offset"]},
        {"required": ["offset_spread"]},
        {"required": ["drift_ppm"]},
        {"required": ["drift_spread_ppm"]},
    ]),
)]
#[serde(deny_unknown_fields)]
pub struct ClockSpec {
    /// Offset of the clocks at the beginning of the run; negative if they are behind.
    #[schemars(extend("default" = "0s"))]
    pub offset: Option<SignedSpan>,
    /// Largest deviation of a device from this offset, uniformly distributed.
    #[schemars(extend("default" = "0s"))]
    pub offset_spread: Option<Span>,
    /// Drift of the clocks, in microseconds per second; negative if they are slow.
    #[schemars(range(min = -1_000_000, max = 1_000_000), extend("default" = 0))]
    pub drift_ppm: Option<f64>,
    /// Largest deviation of a device from this drift, in microseconds per second, uniformly distributed.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 0))]
    pub drift_spread_ppm: Option<f64>,
}

impl KindSpec for ClockSpec {
    type Model = Clock;

    fn check(&self, _context: &CheckContext<'_>) -> Result<Clock, FieldError> {
        let drift_ppm = self.drift_ppm.unwrap_or(0.0);
        let drift_spread_ppm = self.drift_spread_ppm.unwrap_or(0.0);
        let clock = Clock {
            offset: self.offset.unwrap_or_default().as_nanos(),
            offset_spread: self.offset_spread.unwrap_or_default().0,
            drift_ppm: within("drift_ppm", drift_ppm, -MAX_PPM, MAX_PPM)?,
            drift_spread_ppm: within("drift_spread_ppm", drift_spread_ppm, 0.0, MAX_PPM)?,
        };
        match clock == Clock::default() {
            true => Err(FieldError::new("offset", "this clock is right; say by how much it is not")),
            false => Ok(clock),
        }
    }
}

impl KindModel for Clock {}

impl Encode for Clock {
    fn encode(&self, into: &mut Digest) {
        let Self { offset, offset_spread, drift_ppm, drift_spread_ppm } = self;
        into.write_variant(0, &[offset, offset_spread, drift_ppm, drift_spread_ppm]);
    }
}

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
