//! Devices cannot reach each other, or the broker, while their connections stay up.
//!
//! Without peers, a partitioned device's own messages vanish (`out`), or what is delivered to it (`in`).
//! With peers, only the traffic between the two sides vanishes, and it does so at the receiver, who
//! knows the sender by the message's stamp: `out` means that the peers do not hear the target, `in` that
//! the target does not hear the peers. Which rule a device carries follows from the side it is on.

use super::outage::Recurrence;
use super::target::{Pattern, Target};
use super::{Direction, Directions, Verdict};
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;

/// A cut between a fault's target and the rest of the world, or its peers.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// One way or both.
    pub direction: Directions,
    /// The devices on the other side; empty for the broker and so everybody.
    pub peers: Vec<Pattern>,
    /// When it holds, drawn once for the whole fleet. `None`: always.
    pub recurrence: Option<Recurrence>,
}

/// What one device has to drop for a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionRule {
    out: bool,
    /// Senders whose messages are dropped on arrival.
    blocked_senders: Vec<Pattern>,
}

impl Partition {
    /// The part of a partition that this device carries out, if any.
    pub(super) fn rule_for(&self, target: &Target, identity: &Identity) -> Option<PartitionRule> {
        let targeted = target.includes(identity);
        if self.peers.is_empty() {
            let blocked_senders = match self.direction.include(Direction::In) {
                true => vec![Pattern::everything()],
                false => Vec::new(),
            };
            let out = self.direction.include(Direction::Out);
            return targeted.then_some(PartitionRule { out, blocked_senders });
        }
        let is_peer = self.peers.iter().any(|peer| peer.matches(identity.id.as_str()));
        let mut blocked_senders = Vec::new();
        if targeted && self.direction.include(Direction::In) {
            blocked_senders.extend(self.peers.iter().cloned());
        }
        if is_peer && self.direction.include(Direction::Out) {
            blocked_senders.push(target.as_sender());
        }
        (!blocked_senders.is_empty()).then_some(PartitionRule { out: false, blocked_senders })
    }
}

impl PartitionRule {
    pub(super) fn judge(&self, direction: Direction, message: &Message) -> Verdict {
        let gone = match direction {
            Direction::Out => self.out,
            Direction::In => {
                let from = message.origin.as_ref().map(|origin| origin.from.as_str());
                self.blocked_senders.iter().any(|pattern| pattern.matches(from.unwrap_or("")))
            }
        };
        if gone { Verdict::Drop } else { Verdict::Pass }
    }
}
