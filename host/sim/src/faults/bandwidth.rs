//! Messages go through a line that carries so much and no more.

use std::time::Duration;

use super::{Directions, RuleInput, RuleState, Verdict};
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::nanos;

/// A line with a rate and a queue in front of it, for each way on its own. What does not fit into the queue
/// is dropped (drop-tail), the rest goes one by one in the order of its coming.
///
/// A message comes when the device publishes it, or when it is delivered. Delays by other faults are added
/// to the time it takes here, wherever they stand in the document: they are the length of the line.
#[derive(Clone, Debug, PartialEq)]
pub struct Bandwidth {
    /// Which ways it works.
    pub direction: Directions,
    /// What the line carries, in bytes of topics and payloads; more than zero.
    pub bytes_per_second: u64,
    /// Bytes that have not left yet, those of the message under way among them. A message that finds the
    /// line idle goes, however large it is.
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

    /// How long the line takes for this many bytes.
    fn time_of(&self, bytes: u64) -> Duration {
        let nanos_each = u128::from(nanos(Duration::from_secs(1)));
        let total = (u128::from(bytes) * nanos_each).div_ceil(u128::from(self.bytes_per_second));
        Duration::from_nanos(u64::try_from(total).unwrap_or(u64::MAX))
    }
}

/// What a message weighs: its topic and its payload.
pub(super) fn bytes(message: &Message) -> u64 {
    (message.topic.as_str().len() + message.payload.len()) as u64
}
