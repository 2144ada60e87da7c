//! Hang of a device's behaviour.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{CheckContext, FieldError, RecurrenceFields};
use super::kind::{KindModel, KindSpec};
use super::outage::Recurrence;
use super::span::Span;
use crate::digest::{Digest, Encode};

/// Hang: the behaviour of the device and its MQTT loop are paused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "hang", "every": "1m", "probability": 0.05, "for": "30s"}]))]
#[serde(deny_unknown_fields)]
pub struct HangSpec {
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

/// Hang of a device: neither its behaviour nor its MQTT loop runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Hang {
    /// Trials that start the fault.
    pub recurrence: Recurrence,
}

impl KindSpec for HangSpec {
    type Model = Hang;

    fn check(&self, context: &CheckContext<'_>) -> Result<Hang, FieldError> {
        let recurrence = context.recurrence(RecurrenceFields {
            every: self.every,
            probability: self.probability,
            lasting: self.lasting,
            together: self.together,
        })?;
        Ok(Hang { recurrence })
    }
}

impl KindModel for Hang {
    fn recurrence(&self) -> Option<&Recurrence> {
        Some(&self.recurrence)
    }
}

impl Encode for Hang {
    fn encode(&self, into: &mut Digest) {
        let Self { recurrence } = self;
        recurrence.encode(into);
    }
}
