//! Crash of a device: loss of power and memory, then a restart.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{CheckContext, FieldError, RecurrenceFields, within};
use super::kind::{KindModel, KindSpec};
use super::outage::{Recurrence, Repeats};
use super::span::Span;
use crate::digest::{Digest, Encode};

/// Default uptime between two consecutive crashes.
const DEFAULT_UPTIME: Span = Span(Duration::from_secs(5));

/// Crash: the device loses power and its memory, and restarts after some time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    extend("examples" = [{"kind": "crash", "every": "1h", "probability": 0.1, "for": "30s"}]),
    extend("dependentRequired" = {"uptime": ["times"]}),
)]
#[serde(deny_unknown_fields)]
pub struct CrashSpec {
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
    /// Number of consecutive crashes.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 1))]
    pub times: Option<u32>,
    /// Uptime between two consecutive crashes; 10 ms or more.
    #[schemars(extend("default" = "5s"))]
    pub uptime: Option<Span>,
}

/// Power loss of a device, once or several times in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Crash {
    /// Trials that start the fault.
    pub recurrence: Recurrence,
    /// Number of outages that one trial causes.
    pub repeats: Repeats,
}

impl KindSpec for CrashSpec {
    type Model = Crash;

    fn check(&self, context: &CheckContext<'_>) -> Result<Crash, FieldError> {
        let recurrence = context.recurrence(RecurrenceFields {
            every: self.every,
            probability: self.probability,
            lasting: self.lasting,
            together: self.together,
        })?;
        let times = within("times", self.times.unwrap_or(1), 1, 1_000)?;
        if times == 1 && self.uptime.is_some() {
            let problem = "there is no second crash to wait for; give `times` as well";
            return Err(FieldError::new("uptime", problem));
        }
        let apart = context.required_period("uptime", Some(self.uptime.unwrap_or(DEFAULT_UPTIME)))?;
        Ok(Crash { recurrence, repeats: Repeats { times, apart } })
    }
}

impl KindModel for Crash {
    fn recurrence(&self) -> Option<&Recurrence> {
        Some(&self.recurrence)
    }

    fn repeats(&self) -> Option<&Repeats> {
        Some(&self.repeats)
    }
}

impl Encode for Crash {
    fn encode(&self, into: &mut Digest) {
        let Self { recurrence, repeats } = self;
        into.write_variant(0, &[recurrence, repeats]);
    }
}
