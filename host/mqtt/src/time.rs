//! Instants as integers that callers pass in. This module reads no clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Instant of the run's monotonic clock, in nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// Start of the run.
    pub const ZERO: Self = Self(0);

    /// Instant from nanoseconds since the start of the run.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start of the run.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Duration since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Duration since the start of the run.
    pub const fn elapsed(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Saturates at the largest instant, after 584 years.
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    /// Saturates at the start of the run.
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s", self.0 / 1_000_000_000, self.0 / 1_000_000 % 1_000)
    }
}

/// Calendar time, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(u64);

impl WallTime {
    /// Instant from nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Duration since `earlier`; as an error, the duration by which `earlier` is later, as clocks of two machines may
    /// disagree.
    pub const fn difference(self, earlier: Self) -> Result<Duration, Duration> {
        match self.0 >= earlier.0 {
            true => Ok(Duration::from_nanos(self.0 - earlier.0)),
            false => Err(Duration::from_nanos(earlier.0 - self.0)),
        }
    }

    /// Duration since `earlier`; zero if `earlier` is later, as clocks of two machines may disagree.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for WallTime {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }
}

/// Nanoseconds of a duration, saturating.
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Time::from_nanos(u64::MAX) + Duration::MAX, Time::from_nanos(u64::MAX));
        assert_eq!(Time::from_nanos(5) - Duration::from_secs(1), Time::ZERO);
        assert_eq!(WallTime::from_nanos(1).since(WallTime::from_nanos(9)), Duration::ZERO);
    }

    #[test]
    fn a_point_in_time_reads_as_seconds() {
        assert_eq!((Time::ZERO + Duration::from_millis(61_042)).to_string(), "61.042 s");
    }
}
