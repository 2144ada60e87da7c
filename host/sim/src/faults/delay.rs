//! Messages take their time.

use std::time::Duration;

use super::{Directions, Passage, Verdict};

/// A delay drawn evenly from a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Delay {
    /// Which ways it works.
    pub direction: Directions,
    /// Chance that a message is delayed at all.
    pub probability: f64,
    /// Shortest delay.
    pub min: Duration,
    /// Longest delay, itself included.
    pub max: Duration,
}

impl Delay {
    pub(super) fn judge(&self, passage: &mut Passage<'_>) -> Verdict {
        if !passage.draw.chance(self.probability) {
            return Verdict::Pass;
        }
        let width = crate::time::nanos(self.max.saturating_sub(self.min)).saturating_add(1);
        Verdict::Delay(self.min + Duration::from_nanos(passage.draw.below(width)))
    }
}
