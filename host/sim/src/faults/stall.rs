//! Stall of a connection's byte stream.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Directions;
use super::checks::{CheckContext, FieldError, RecurrenceFields};
use super::kind::{KindModel, KindSpec};
use super::outage::Recurrence;
use super::span::Span;
use crate::digest::{Digest, Encode};

/// Stall: bytes of the connection are held back and not lost. The connection stays open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "stall", "every": "5m", "probability": 0.5, "for": "20s"}]))]
#[serde(deny_unknown_fields)]
pub struct StallSpec {
    /// Affected directions: `out` is from devices to the broker, `in` from the broker to devices.
    #[schemars(extend("default" = "both"))]
    pub direction: Option<Directions>,
    /// Time between two trials; 10 ms or more.
    #[schemars(with = "Span")]
    pub every: Option<Span>,
    /// Probability that a trial starts the fault.
    #[schemars(required, range(min = 0, max = 1))]
    pub probability: Option<f64>,
    /// Duration of the fault; 10 ms or more.
    #[schemars(with = "Span")]
    #[serde(rename = "for")]
    pub lasting: Option<Span>,
    /// Whether one trial decides for all affected devices, so that the fault starts on all of them at once.
    #[schemars(extend("default" = false))]
    pub together: Option<bool>,
}

/// Stall of the byte stream. The connection stays open.
#[derive(Clone, Debug, PartialEq)]
pub struct Stall {
    /// Affected directions.
    pub direction: Directions,
    /// Trials that start the fault.
    pub recurrence: Recurrence,
}

impl KindSpec for StallSpec {
    type Model = Stall;

    fn check(&self, context: &CheckContext<'_>) -> Result<Stall, FieldError> {
        let recurrence = context.recurrence(RecurrenceFields {
            every: self.every,
            probability: self.probability,
            lasting: self.lasting,
            together: self.together,
        })?;
        Ok(Stall { direction: self.direction.unwrap_or(Directions::Both), recurrence })
    }
}

impl KindModel for Stall {
    fn recurrence(&self) -> Option<&Recurrence> {
        Some(&self.recurrence)
    }
}

impl Encode for Stall {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, recurrence } = self;
        into.write_variant(0, &[direction, recurrence]);
    }
}
