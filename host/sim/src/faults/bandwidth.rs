//! Limited bandwidth of the message plane.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::nanos;

use super::checks::{CheckContext, FieldError, within};
use super::kind::{KindModel, KindSpec};
use super::{Directions, RuleInput, RuleState, Verdict};
use crate::digest::{Digest, Encode};

/// Default capacity of the queue in bytes, about that of a small router.
const DEFAULT_QUEUE_BYTES: u64 = 65_536;

/// Limited bandwidth: messages are transmitted one after another over a link with a fixed rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "bandwidth", "bytes_per_second": 10000}]))]
#[serde(deny_unknown_fields)]
pub struct BandwidthSpec {
    /// Affected directions: `out` is from devices to the broker, `in` from the broker to devices.
    #[schemars(extend("default" = "out"))]
    pub direction: Option<Directions>,
    /// Rate of the link, in bytes of topics and payloads per second.
    #[schemars(required, range(min = 1))]
    pub bytes_per_second: Option<u64>,
    /// Capacity of the queue, in bytes; a message that does not fit is dropped.
    #[schemars(extend("default" = DEFAULT_QUEUE_BYTES))]
    pub queue_bytes: Option<u64>,
}

impl KindSpec for BandwidthSpec {
    type Model = Bandwidth;

    fn check(&self, context: &CheckContext<'_>) -> Result<Bandwidth, FieldError> {
        let rate = context.require("bytes_per_second", self.bytes_per_second)?;
        Ok(Bandwidth {
            direction: self.direction.unwrap_or_default(),
            bytes_per_second: within("bytes_per_second", rate, 1, u64::MAX)?,
            queue_bytes: self.queue_bytes.unwrap_or(DEFAULT_QUEUE_BYTES),
        })
    }
}

impl KindModel for Bandwidth {
    fn direction(&self) -> Option<Directions> {
        Some(self.direction)
    }

    fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
        let idle_at = match input.state {
            RuleState::BusyUntil(until) => (*until).max(input.now),
            _ => input.now,
        };
        let backlog = idle_at.since(input.now);
        let stays = backlog.saturating_add(self.time_of(bytes(input.message)));
        if !backlog.is_zero() && stays > self.time_of(self.queue_bytes) {
            return Verdict::Drop;
        }
        *input.state = RuleState::BusyUntil(input.now + stays);
        Verdict::Delay(stays)
    }
}

impl Encode for Bandwidth {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, bytes_per_second, queue_bytes } = self;
        into.write_variant(0, &[direction, bytes_per_second, queue_bytes]);
    }
}

/// A link with a rate and a queue, separate for each direction. Messages beyond the queue are dropped
/// (drop-tail); the others leave in the order of their arrival.
///
/// A message arrives when the device publishes it or when the broker delivers it. Delays of other faults are
/// added to the transmission time, in any order of the document: they are the propagation delay.
#[derive(Clone, Debug, PartialEq)]
pub struct Bandwidth {
    /// Affected directions.
    pub direction: Directions,
    /// Rate in bytes of topics and payloads per second; more than zero.
    pub bytes_per_second: u64,
    /// Capacity of the queue in bytes, including the message in transmission. An idle link accepts a message
    /// of any size.
    pub queue_bytes: u64,
}

impl Bandwidth {
    /// Transmission time of this many bytes.
    fn time_of(&self, bytes: u64) -> Duration {
        let nanos_each = u128::from(nanos(Duration::from_secs(1)));
        let total = (u128::from(bytes) * nanos_each).div_ceil(u128::from(self.bytes_per_second));
        Duration::from_nanos(u64::try_from(total).unwrap_or(u64::MAX))
    }
}

/// Size of a message: topic and payload.
pub(super) fn bytes(message: &Message) -> u64 {
    (message.topic.as_str().len() + message.payload.len()) as u64
}
