//! Rate limit for repeated log lines.

use std::time::{Duration, Instant};

/// Passes one event per interval.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    interval: Duration,
    last: Option<Instant>,
}

impl RateLimit {
    /// A limit of one event per interval.
    pub fn every(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// Returns true if the interval is over, and begins a new one.
    pub fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= self.interval);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_due_and_the_next_is_not() {
        let mut limit = RateLimit::every(Duration::from_secs(3_600));
        assert_eq!([limit.is_due(), limit.is_due()], [true, false]);
        let mut unlimited = RateLimit::every(Duration::ZERO);
        assert_eq!([unlimited.is_due(), unlimited.is_due()], [true, true]);
    }
}
