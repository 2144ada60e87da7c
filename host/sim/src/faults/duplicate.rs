//! Duplication of messages.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{CheckContext, FieldError, within};
use super::kind::{KindModel, KindSpec};
use super::span::Span;
use super::{Directions, RuleInput, Verdict};
use crate::digest::{Digest, Encode};

/// Duplication of messages: copies are sent in addition to the original.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "duplicate", "probability": 0.1, "copies": 2, "apart": "10ms"}]))]
#[serde(deny_unknown_fields)]
pub struct DuplicateSpec {
    /// Affected directions: `out` is from devices to the broker, `in` from the broker to devices.
    #[schemars(extend("default" = "out"))]
    pub direction: Option<Directions>,
    /// Probability that a message is copied.
    #[schemars(required, range(min = 0, max = 1))]
    pub probability: Option<f64>,
    /// Number of copies in addition to the original.
    #[schemars(range(min = 1, max = 100), extend("default" = 1))]
    pub copies: Option<u32>,
    /// Time between successive copies.
    #[schemars(extend("default" = "0s"))]
    pub apart: Option<Span>,
}

impl KindSpec for DuplicateSpec {
    type Model = Duplicate;

    fn check(&self, context: &CheckContext<'_>) -> Result<Duplicate, FieldError> {
        Ok(Duplicate {
            direction: self.direction.unwrap_or_default(),
            probability: context.required_probability(self.probability)?,
            copies: within("copies", self.copies.unwrap_or(1), 1, 100)?,
            apart: self.apart.unwrap_or_default().0,
        })
    }
}

impl KindModel for Duplicate {
    fn direction(&self) -> Option<Directions> {
        Some(self.direction)
    }

    fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
        match input.rng.chance(self.probability) {
            true => Verdict::Duplicate { copies: self.copies, apart: self.apart },
            false => Verdict::Pass,
        }
    }
}

impl Encode for Duplicate {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, probability, copies, apart } = self;
        into.write_variant(0, &[direction, probability, copies, apart]);
    }
}

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
