//! Duplication of messages.

use std::time::Duration;

use super::{Directions, RuleInput, Verdict};

/// Copies a message. Each copy then passes the following faults on its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Duplicate {
    /// Affected directions.
    pub direction: Directions,
    /// Probability that a message is copied.
    pub probability: f64,
    /// Number of copies in addition to the original; at least 1.
    pub copies: u32,
    /// Time between successive copies.
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
