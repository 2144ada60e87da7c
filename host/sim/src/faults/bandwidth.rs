//! Limited bandwidth of the message plane.

use std::time::Duration;

use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::nanos;

use super::{Directions, RuleInput, RuleState, Verdict};

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
    pub(super) fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
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
