//! Partitions: devices cannot reach the broker or each other, while their connections stay up.
//!
//! Without peers, the target's own messages are dropped (`out`), or deliveries to it (`in`). With peers, only
//! the traffic between the two sides is dropped. The receiver drops it, since it knows the sender by the
//! origin of the message: `out` means that the peers do not receive from the target, `in` that the target
//! does not receive from the peers. The rule of a device depends on its side.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;

use super::checks::{CheckContext, FieldError, RecurrenceFields};
use super::kind::{KindModel, KindSpec};
use super::outage::Recurrence;
use super::span::Span;
use super::target::{Pattern, Target};
use super::{Direction, Directions, Verdict};
use crate::digest::{Digest, Encode};

/// Partition: messages between two sides are dropped while connections stay up. It is always active without
/// `every`, `probability` and `for`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    extend("examples" = [{"kind": "partition", "group": "west", "peers": ["east-*"]}]),
    extend("dependentRequired" = {
        "every": ["probability", "for"],
        "probability": ["every", "for"],
        "for": ["every", "probability"],
    }),
)]
#[serde(deny_unknown_fields)]
pub struct PartitionSpec {
    /// Affected directions: `out` is from devices to the broker, `in` from the broker to devices.
    #[schemars(extend("default" = "both"))]
    pub direction: Option<Directions>,
    /// Devices on the other side, as names in which `*` stands for any sequence of characters; the broker,
    /// and so all devices, by default.
    #[schemars(extend("examples" = [["east-*"]]))]
    pub peers: Option<Vec<String>>,
    /// Time between two trials; 10 ms or more.
    pub every: Option<Span>,
    /// Probability that a trial starts the fault.
    #[schemars(range(min = 0, max = 1))]
    pub probability: Option<f64>,
    /// Duration of the fault; 10 ms or more.
    #[serde(rename = "for")]
    pub lasting: Option<Span>,
}

/// A partition between the target of a fault and the broker or a set of peers.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// Affected directions.
    pub direction: Directions,
    /// Devices on the other side; empty for the broker and thus all devices.
    pub peers: Vec<Pattern>,
    /// Trials that start the partition, drawn once for the whole fleet; `None` if it is always active.
    pub recurrence: Option<Recurrence>,
}

impl KindSpec for PartitionSpec {
    type Model = Partition;

    fn check(&self, context: &CheckContext<'_>) -> Result<Partition, FieldError> {
        let Self { direction, peers, every, probability, lasting } = self;
        let (every, probability, lasting) = (*every, *probability, *lasting);
        Ok(Partition {
            direction: direction.unwrap_or(Directions::Both),
            peers: peers.iter().flatten().map(Pattern::new).collect(),
            recurrence: context.optional_recurrence(RecurrenceFields {
                every,
                probability,
                lasting,
                together: None,
            })?,
        })
    }
}

impl KindModel for Partition {
    fn recurrence(&self) -> Option<&Recurrence> {
        self.recurrence.as_ref()
    }
}

impl Encode for Partition {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, peers, recurrence } = self;
        into.write_variant(0, &[direction, peers, recurrence]);
    }
}

/// Messages that one device drops for a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionRule {
    out: bool,
    /// Senders whose messages are dropped on arrival.
    blocked_senders: Vec<Pattern>,
}

impl Partition {
    /// The rule of this device for a partition, if any.
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
    /// Whether the rule concerns messages in this direction.
    pub(super) fn judges(&self, direction: Direction) -> bool {
        match direction {
            Direction::Out => self.out,
            Direction::In => !self.blocked_senders.is_empty(),
        }
    }

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
