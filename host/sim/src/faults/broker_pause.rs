//! Pause of the broker.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::broker::Failure;
use super::checks::{CheckContext, FieldError, RecurrenceFields};
use super::kind::{KindModel, KindSpec};
use super::outage::Recurrence;
use super::span::Span;
use crate::digest::{Digest, Encode};

/// Pause of the broker: it neither reads nor sends, and its connections stay open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "broker_pause", "every": "1h", "probability": 1, "for": "10s"}]))]
#[serde(deny_unknown_fields)]
pub struct BrokerPauseSpec {
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
}

/// A broker that neither reads nor writes. Connections stay open.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerPause {
    /// Trials that start the fault.
    pub recurrence: Recurrence,
}

impl KindSpec for BrokerPauseSpec {
    type Model = BrokerPause;

    const HAS_TARGET: bool = false;

    fn check(&self, context: &CheckContext<'_>) -> Result<BrokerPause, FieldError> {
        let recurrence = context.broker_recurrence(RecurrenceFields {
            every: self.every,
            probability: self.probability,
            lasting: self.lasting,
            together: None,
        })?;
        Ok(BrokerPause { recurrence })
    }
}

impl KindModel for BrokerPause {
    fn recurrence(&self) -> Option<&Recurrence> {
        Some(&self.recurrence)
    }

    fn failure(&self) -> Option<Failure> {
        Some(Failure::Pause)
    }
}

impl Encode for BrokerPause {
    fn encode(&self, into: &mut Digest) {
        let Self { recurrence } = self;
        into.write_variant(0, &[&Failure::Pause, recurrence]);
    }
}
