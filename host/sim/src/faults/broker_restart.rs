//! Restart of the broker.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::broker::Failure;
use super::checks::{CheckContext, FieldError, RecurrenceFields};
use super::kind::{KindModel, KindSpec};
use super::outage::Recurrence;
use super::span::Span;
use crate::digest::{Digest, Encode};

/// Restart of the broker: connections end, and new ones are refused until it runs again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "broker_restart", "every": "1h", "probability": 1, "for": "10s"}]))]
#[serde(deny_unknown_fields)]
pub struct BrokerRestartSpec {
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
    /// Whether the broker keeps sessions, subscriptions, retained messages and queued messages.
    #[schemars(extend("default" = false))]
    pub persistent: Option<bool>,
}

/// A broker that is down, and then starts again.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerRestart {
    /// Whether the broker keeps sessions, subscriptions, retained messages and queued messages.
    pub persistent: bool,
    /// Trials that start the fault.
    pub recurrence: Recurrence,
}

impl KindSpec for BrokerRestartSpec {
    type Model = BrokerRestart;

    const HAS_TARGET: bool = false;

    fn check(&self, context: &CheckContext<'_>) -> Result<BrokerRestart, FieldError> {
        let recurrence = context.broker_recurrence(RecurrenceFields {
            every: self.every,
            probability: self.probability,
            lasting: self.lasting,
            together: None,
        })?;
        Ok(BrokerRestart { persistent: self.persistent.unwrap_or(false), recurrence })
    }
}

impl KindModel for BrokerRestart {
    fn recurrence(&self) -> Option<&Recurrence> {
        Some(&self.recurrence)
    }

    fn failure(&self) -> Option<Failure> {
        Some(Failure::Restart { persistent: self.persistent })
    }
}

impl Encode for BrokerRestart {
    fn encode(&self, into: &mut Digest) {
        let Self { persistent, recurrence } = self;
        into.write_variant(0, &[&Failure::Restart { persistent: *persistent }, recurrence]);
    }
}
