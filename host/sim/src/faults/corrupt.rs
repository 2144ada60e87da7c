//! Corruption of payloads.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{CheckContext, FieldError, within};
use super::kind::{KindModel, KindSpec};
use super::{Directions, RuleInput, Verdict};
use crate::digest::{Digest, Encode};

/// Corruption of payloads: bits flip. Topic and properties stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "corrupt", "probability": 0.01}]))]
#[serde(deny_unknown_fields)]
pub struct CorruptSpec {
    /// Affected directions: `out` is from devices to the broker, `in` from the broker to devices.
    #[schemars(extend("default" = "out"))]
    pub direction: Option<Directions>,
    /// Probability that a message is corrupted.
    #[schemars(required, range(min = 0, max = 1))]
    pub probability: Option<f64>,
    /// Number of bits that flip.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 1))]
    pub bits: Option<u32>,
}

impl KindSpec for CorruptSpec {
    type Model = Corrupt;

    fn check(&self, context: &CheckContext<'_>) -> Result<Corrupt, FieldError> {
        Ok(Corrupt {
            direction: self.direction.unwrap_or_default(),
            probability: context.required_probability(self.probability)?,
            bits: within("bits", self.bits.unwrap_or(1), 1, 1_000_000)?,
        })
    }
}

impl KindModel for Corrupt {
    fn direction(&self) -> Option<Directions> {
        Some(self.direction)
    }

    fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
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

impl Encode for Corrupt {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, probability, bits } = self;
        into.write_variant(0, &[direction, probability, bits]);
    }
}

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
