//! Reset of a device's connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{CheckContext, FieldError};
use super::kind::{KindModel, KindSpec};
use super::outage::Recurrence;
use super::span::Span;
use crate::digest::{Digest, Encode};

/// Reset: the connection ends at once, both ends are notified, and bytes in flight are lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "reset", "every": "10m", "probability": 0.1}]))]
#[serde(deny_unknown_fields)]
pub struct ResetSpec {
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

/// A connection that is reset.
#[derive(Clone, Debug, PartialEq)]
pub struct Reset {
    /// Trials that start the fault.
    pub recurrence: Recurrence,
}

impl KindSpec for ResetSpec {
    type Model = Reset;

    fn check(&self, context: &CheckContext<'_>) -> Result<Reset, FieldError> {
        let recurrence = context.instant_recurrence(self.every, self.probability, self.together)?;
        Ok(Reset { recurrence })
    }
}

impl KindModel for Reset {
    fn recurrence(&self) -> Option<&Recurrence> {
        Some(&self.recurrence)
    }
}

impl Encode for Reset {
    fn encode(&self, into: &mut Digest) {
        let Self { recurrence } = self;
        recurrence.encode(into);
    }
}
