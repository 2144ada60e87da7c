//! Latencies of received messages, from the actual and from the intended time of their publication.
//!
//! A host with too much work calls behaviours late, so their messages are published late. The latency from the actual
//! publication hides this wait, which all messages of an overloaded host have; the latency from the intended time, at which
//! the timer was due, contains it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::message::MessageOrigin;
use wasmote_mqtt::time::WallTime;

use crate::histogram::Histogram;

/// Longest plausible latency. A greater difference of two clocks shows a time in the wrong unit, or a clock that
/// was never set.
pub const MAX_PLAUSIBLE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Counts of latencies that cannot be right. They are in no histogram and in no mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ImplausibleCounts {
    /// Messages from the future: the sender's clock is ahead of this one.
    pub negative: u64,
    /// Messages whose time is more than a year ago or ahead, or cannot be read.
    pub too_large: u64,
}

impl ImplausibleCounts {
    /// Adds other counts.
    pub fn add(&mut self, other: Self) {
        self.negative += other.negative;
        self.too_large += other.too_large;
    }

    /// Subtracts earlier counts.
    pub fn subtract(&mut self, before: Self) {
        self.negative = self.negative.saturating_sub(before.negative);
        self.too_large = self.too_large.saturating_sub(before.too_large);
    }

    /// Number of all such latencies.
    pub fn total(self) -> u64 {
        self.negative + self.too_large
    }
}

/// An implausible latency, for a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImplausibleLatency {
    /// Sender of the message.
    pub from: DeviceId,
    /// Age of the message; as an error, the time by which it is from the future.
    pub age: Result<Duration, Duration>,
}

/// Latencies of the messages that a device received.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    pub(crate) actual: Histogram,
    pub(crate) intended: Histogram,
    pub(crate) implausible: ImplausibleCounts,
    /// The first implausible latency.
    pub(crate) example: Option<Box<ImplausibleLatency>>,
}

impl Latencies {
    /// Records the latency of a message that is received now. Returns it if it is plausible.
    pub(crate) fn observe(&mut self, origin: &MessageOrigin, now: WallTime) -> Option<Duration> {
        let age = now.difference(origin.sent);
        match age {
            Ok(latency) if latency <= MAX_PLAUSIBLE => {
                self.actual.observe(latency.as_secs_f64());
                self.intended.observe((latency + origin.late).as_secs_f64());
                return Some(latency);
            }
            Err(ahead) if ahead <= MAX_PLAUSIBLE => self.implausible.negative += 1,
            Ok(_) | Err(_) => self.implausible.too_large += 1,
        }
        let from = || Box::new(ImplausibleLatency { from: origin.from.clone(), age });
        self.example.get_or_insert_with(from);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: u64 = 365 * 24 * 3600;

    #[test]
    fn implausible_latencies_are_counted_apart_and_in_no_histogram() {
        let now = WallTime::from_nanos(1_800_000_000_000_000_000);
        let mut latencies = Latencies::default();
        let mut observe = |sent: i128| {
            let from = DeviceId::new("peer").unwrap();
            let sent = WallTime::from_nanos(u64::try_from(1_800_000_000_000_000_000 - sent).unwrap());
            let origin = MessageOrigin {
                from,
                sequence: 1,
                sent,
                late: Duration::from_millis(250),
                is_claimed: false,
            };
            latencies.observe(&origin, now)
        };
        assert_eq!(observe(500_000_000), Some(Duration::from_millis(500)));
        assert_eq!(observe(0), Some(Duration::ZERO));
        for ahead in [1, 5_000_000_000] {
            assert_eq!(observe(-ahead), None);
        }
        // Seconds and milliseconds in the place of nanoseconds, milliseconds in the place of seconds, and a time that is none.
        for sent in [1_800_000_000, 1_800_000_000_000, i128::from(u64::MAX), 0] {
            assert_eq!(observe(1_800_000_000_000_000_000 - sent), None);
        }
        assert!(observe(i128::from(YEAR) * 1_000_000_000).is_some());
        assert_eq!(latencies.implausible, ImplausibleCounts { negative: 2, too_large: 4 });
        assert_eq!((latencies.actual.count(), latencies.intended.count()), (3, 3));
        assert!((latencies.actual.sum() - YEAR as f64 - 0.5).abs() < 1e-6);
        assert!((latencies.intended.sum() - YEAR as f64 - 1.25).abs() < 1e-6);
        let example = latencies.example.unwrap();
        assert_eq!(example.age, Err(Duration::from_nanos(1)), "the first one is kept");
    }
}
