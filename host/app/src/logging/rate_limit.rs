//! Something that is worth saying, but not all the time.

use std::time::{Duration, Instant};

/// Lets one in a while through.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    interval: Duration,
    last: Option<Instant>,
}

impl RateLimit {
    /// At most once in this time.
    pub fn every(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// Whether it is time again; if so, the time starts anew.
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
