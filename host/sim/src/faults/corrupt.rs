//! Corruption of payloads.

use bytes::Bytes;

use super::{Directions, RuleInput, Verdict};

/// Flips bits of the payload. Topic and properties are unchanged, so that the message still arrives.
#[derive(Clone, Debug, PartialEq)]
pub struct Corrupt {
    /// Affected directions.
    pub direction: Directions,
    /// Probability that a message is corrupted. Empty payloads are not affected.
    pub probability: f64,
    /// Number of bits that flip, drawn independently: a bit that is drawn twice is unchanged.
    pub bits: u32,
}

impl Corrupt {
    pub(super) fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
        let hit = input.rng.chance(self.probability);
        let payload = &input.message.payload;
        if !hit || payload.is_empty() {
            return Verdict::Pass;
        }
        let mut altered = payload.to_vec();
        for _ in 0..self.bits {
            let bit = input.rng.below(altered.len() as u64 * 8);
            altered[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
        Verdict::Corrupt(Bytes::from(altered))
    }
}
