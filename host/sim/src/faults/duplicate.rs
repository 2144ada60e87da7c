//! Messages arrive more than once.

use std::time::Duration;

use super::{Directions, RuleInput, Verdict};

/// Copies go beside a message. Each copy then meets the faults that follow on its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Duplicate {
    /// Which ways it works.
    pub direction: Directions,
    /// Chance that a message is copied.
    pub probability: f64,
    /// Copies beside the original; at least 1.
    pub copies: u32,
    /// How long after the one before it each copy goes.
    pub apart: Duration,
}

impl Duplicate {
    pub(super) fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
        match input.rng.chance(self.probability) {
            true => Verdict::Duplicate { copies: self.copies, apart: self.apart },
            false => Verdict::Pass,
        }
    }
}
