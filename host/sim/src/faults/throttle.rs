//! Throttle of a connection's byte stream.

use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Directions;
use super::byte_stream::{DEFAULT_BUFFER_BYTES, ThrottleRate};
use super::checks::{CheckContext, FieldError, RecurrenceFields, within};
use super::kind::{KindModel, KindSpec};
use super::outage::Recurrence;
use super::span::Span;
use crate::digest::{Digest, Encode};

/// Throttle: the byte stream of the connection has a limited rate. It is always active without `every`,
/// `probability` and `for`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    extend("examples" = [{"kind": "throttle", "bytes_per_second": 2000, "direction": "out"}]),
    extend("dependentRequired" = {
        "every": ["probability", "for"],
        "probability": ["every", "for"],
        "for": ["every", "probability"],
        "together": ["every", "probability", "for"],
    }),
)]
#[serde(deny_unknown_fields)]
pub struct ThrottleSpec {
    /// Affected directions: `out` is from devices to the broker, `in` from the broker to devices.
    #[schemars(extend("default" = "both"))]
    pub direction: Option<Directions>,
    /// Rate in bytes of MQTT packets per second, in each direction.
    #[schemars(required, range(min = 1))]
    pub bytes_per_second: Option<u64>,
    /// Capacity of the buffer in front of the link, in bytes.
    #[schemars(range(min = 1), extend("default" = DEFAULT_BUFFER_BYTES))]
    pub buffer_bytes: Option<u64>,
    /// Time between two trials; 10 ms or more.
    pub every: Option<Span>,
    /// Probability that a trial starts the fault.
    #[schemars(range(min = 0, max = 1))]
    pub probability: Option<f64>,
    /// Duration of the fault; 10 ms or more.
    #[serde(rename = "for")]
    pub lasting: Option<Span>,
    /// Whether one trial decides for all affected devices, so that the fault starts on all of them at once.
    #[schemars(extend("default" = false))]
    pub together: Option<bool>,
}

/// Rate limit of the byte stream. Bytes that do not fit into the buffer wait at the sender.
#[derive(Clone, Debug, PartialEq)]
pub struct Throttle {
    /// Affected directions; each has the full rate.
    pub direction: Directions,
    /// The rate and the size of the buffer.
    pub rate: ThrottleRate,
    /// Trials that start the fault; `None` if it is always active.
    pub recurrence: Option<Recurrence>,
}

impl KindSpec for ThrottleSpec {
    type Model = Throttle;

    fn check(&self, context: &CheckContext<'_>) -> Result<Throttle, FieldError> {
        let rate = context.require("bytes_per_second", self.bytes_per_second)?;
        let bytes_per_second = NonZeroU64::new(rate)
            .ok_or_else(|| FieldError::new("bytes_per_second", "nothing would ever move; use `stall`"))?;
        let buffer_bytes =
            within("buffer_bytes", self.buffer_bytes.unwrap_or(DEFAULT_BUFFER_BYTES), 1, u64::MAX)?;
        let recurrence = context.optional_recurrence(RecurrenceFields {
            every: self.every,
            probability: self.probability,
            lasting: self.lasting,
            together: self.together,
        })?;
        Ok(Throttle {
            direction: self.direction.unwrap_or(Directions::Both),
            rate: ThrottleRate { bytes_per_second, buffer_bytes },
            recurrence,
        })
    }
}

impl KindModel for Throttle {
    fn recurrence(&self) -> Option<&Recurrence> {
        self.recurrence.as_ref()
    }
}

impl Encode for Throttle {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, rate, recurrence } = self;
        let ThrottleRate { bytes_per_second, buffer_bytes } = rate;
        into.write_variant(0, &[direction, &bytes_per_second.get(), buffer_bytes, recurrence]);
    }
}
