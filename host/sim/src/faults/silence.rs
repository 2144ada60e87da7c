//! Silence of a device: its MQTT loop is paused while its socket stays open.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{CheckContext, FieldError, RecurrenceFields};
use super::kind::{KindModel, KindSpec};
use super::outage::Recurrence;
use super::span::Span;
use crate::digest::{Digest, Encode};

/// Silence: the MQTT loop of the device is paused, and the broker detects this only by its keepalive timeout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "silence", "every": "1m", "probability": 0.05, "for": "30s"}]))]
#[serde(deny_unknown_fields)]
pub struct SilenceSpec {
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

/// A device that neither reads nor writes for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// Trials that start the fault.
    pub recurrence: Recurrence,
}

impl KindSpec for SilenceSpec {
    type Model = Silence;

    fn check(&self, context: &CheckContext<'_>) -> Result<Silence, FieldError> {
        let recurrence = context.recurrence(RecurrenceFields {
            every: self.every,
            probability: self.probability,
            lasting: self.lasting,
            together: self.together,
        })?;
        Ok(Silence { recurrence })
    }
}

impl KindModel for Silence {
    fn recurrence(&self) -> Option<&Recurrence> {
        Some(&self.recurrence)
    }
}

impl Encode for Silence {
    fn encode(&self, into: &mut Digest) {
        let Self { recurrence } = self;
        recurrence.encode(into);
    }
}
