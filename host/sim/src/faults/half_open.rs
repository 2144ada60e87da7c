//! Half-open connections: bytes are lost without notice to either end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Directions;
use super::checks::{CheckContext, FieldError};
use super::kind::{KindModel, KindSpec};
use super::outage::Recurrence;
use super::span::Span;
use crate::digest::{Digest, Encode};

/// Half-open connection: its bytes are lost from now on, without notice to either end. A new connection
/// works.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "half_open", "every": "10m", "probability": 0.1}]))]
#[serde(deny_unknown_fields)]
pub struct HalfOpenSpec {
    /// Affected directions: `out` is from devices to the broker, `in` from the broker to devices.
    #[schemars(extend("default" = "both"))]
    pub direction: Option<Directions>,
    /// Time between two trials; 10 ms or more.
    #[schemars(with = "Span")]
    pub every: Option<Span>,
    /// Probability that a trial starts the fault.
    #[schemars(required, range(min = 0, max = 1))]
    pub probability: Option<f64>,
    /// Whether one trial decides for all affected devices, so that the fault starts on all of them at once.
    #[schemars(extend("default" = false))]
    pub together: Option<bool>,
}

/// A connection whose other end is gone. Later connections are not affected.
#[derive(Clone, Debug, PartialEq)]
pub struct HalfOpen {
    /// Affected directions.
    pub direction: Directions,
    /// Trials that start the fault.
    pub recurrence: Recurrence,
}

impl KindSpec for HalfOpenSpec {
    type Model = HalfOpen;

    fn check(&self, context: &CheckContext<'_>) -> Result<HalfOpen, FieldError> {
        let recurrence = context.instant_recurrence(self.every, self.probability, self.together)?;
        Ok(HalfOpen { direction: self.direction.unwrap_or(Directions::Both), recurrence })
    }
}

impl KindModel for HalfOpen {
    fn recurrence(&self) -> Option<&Recurrence> {
        Some(&self.recurrence)
    }
}

impl Encode for HalfOpen {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, recurrence } = self;
        into.write_variant(0, &[direction, recurrence]);
    }
}
