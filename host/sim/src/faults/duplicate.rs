//! Messages arrive more than once.

use super::{Directions, Passage, Verdict};

/// Copies go beside a message. Each copy then meets the faults that follow on its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Duplicate {
    /// Which ways it works.
    pub direction: Directions,
    /// Chance that a message is copied.
    pub probability: f64,
    /// Copies beside the original; at least 1.
    pub copies: u32,
}

impl Duplicate {
    pub(super) fn judge(&self, passage: &mut Passage<'_>) -> Verdict {
        if passage.draw.chance(self.probability) { Verdict::Duplicate(self.copies) } else { Verdict::Pass }
    }
}
