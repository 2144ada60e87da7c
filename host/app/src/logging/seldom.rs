//! Something that is worth saying, but not all the time.

use std::time::{Duration, Instant};

/// Lets one in a while through.
#[derive(Clone, Copy, Debug)]
pub struct Seldom {
    every: Duration,
    last: Option<Instant>,
}

impl Seldom {
    /// At most once in this time.
    pub fn every(every: Duration) -> Self {
        Self { every, last: None }
    }

    /// Whether it is time again; if so, the time starts anew.
    pub fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= self.every);
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
    fn the_first_is_let_through_and_the_next_has_to_wait() {
        let mut seldom = Seldom::every(Duration::from_secs(3_600));
        assert_eq!([seldom.is_due(), seldom.is_due()], [true, false]);
        let mut always = Seldom::every(Duration::ZERO);
        assert_eq!([always.is_due(), always.is_due()], [true, true]);
    }
}
