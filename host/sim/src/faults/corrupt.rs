//! Payloads change on the way.

use bytes::Bytes;

use super::{Directions, RuleInput, Verdict};

/// Bits of the payload flip. Topic and properties stay whole, so the message still arrives.
#[derive(Clone, Debug, PartialEq)]
pub struct Corrupt {
    /// Which ways it works.
    pub direction: Directions,
    /// Chance that a message is corrupted. An empty payload cannot be.
    pub probability: f64,
    /// Bits that flip, drawn independently: one that is drawn twice flips back.
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
