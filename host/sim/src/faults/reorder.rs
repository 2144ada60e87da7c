//! Reordering of messages.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_mqtt::budget::{ByteBudget, Lease};
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;

use super::checks::{CheckContext, FieldError, within};
use super::kind::{KindModel, KindSpec};
use super::span::Span;
use super::{Direction, Directions, RuleInput, Verdict};
use crate::digest::{Digest, Encode};

/// Reordering: a message is held back until others have overtaken it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "reorder", "probability": 0.1, "max": "2s"}]))]
#[serde(deny_unknown_fields)]
pub struct ReorderSpec {
    /// Affected directions: `out` is from devices to the broker, `in` from the broker to devices.
    #[schemars(extend("default" = "out"))]
    pub direction: Option<Directions>,
    /// Probability that a message is held back.
    #[schemars(required, range(min = 0, max = 1))]
    pub probability: Option<f64>,
    /// Number of messages that overtake it before it is released.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 1))]
    pub gap: Option<u32>,
    /// The longest time that a message is held back.
    #[schemars(with = "Span")]
    pub max: Option<Span>,
}

impl KindSpec for ReorderSpec {
    type Model = Reorder;

    fn check(&self, context: &CheckContext<'_>) -> Result<Reorder, FieldError> {
        Ok(Reorder {
            direction: self.direction.unwrap_or_default(),
            probability: context.required_probability(self.probability)?,
            gap: within("gap", self.gap.unwrap_or(1), 1, 1_000)?,
            at_most: context.required_span("max", self.max)?,
        })
    }
}

impl KindModel for Reorder {
    fn direction(&self) -> Option<Directions> {
        Some(self.direction)
    }

    fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
        match input.rng.chance(self.probability) && input.can_hold {
            true => Verdict::HoldBack { others: self.gap, at_most: self.at_most },
            false => Verdict::Pass,
        }
    }
}

impl Encode for Reorder {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, probability, gap, at_most } = self;
        into.write_variant(0, &[direction, probability, gap, at_most]);
    }
}

/// Holds a message back until a number of later messages of the same device and direction have passed, or
/// until a timeout. Then it continues to the following faults.
#[derive(Clone, Debug, PartialEq)]
pub struct Reorder {
    /// Affected directions.
    pub direction: Directions,
    /// Probability that a message is held back.
    pub probability: f64,
    /// Number of messages that must pass it; at least 1.
    pub gap: u32,
    /// Timeout.
    pub at_most: Duration,
}

/// A message that is held back.
#[derive(Debug)]
pub(super) struct HeldMessage {
    pub(super) direction: Direction,
    pub(super) message: Message,
    /// Delay by earlier faults.
    pub(super) delay: Duration,
    /// Number of messages that have yet to pass it.
    pub(super) others: u32,
    pub(super) until: Time,
    /// Its bytes in the budget of the held messages.
    pub(super) _lease: Option<Lease>,
}

impl HeldMessage {
    fn is_free(&self) -> bool {
        self.others == 0
    }

    fn due(&self) -> Time {
        if self.is_free() { Time::ZERO } else { self.until }
    }
}

/// Messages that one fault holds back on one device, oldest first.
#[derive(Debug, Default)]
pub(super) struct HeldMessages(Vec<HeldMessage>, ByteBudget);

impl HeldMessages {
    /// No messages, with a budget for the bytes of later ones.
    pub(super) fn new(budget: ByteBudget) -> Self {
        Self(Vec::new(), budget)
    }

    /// Maximum number of held messages. Further ones continue at once, which bounds the memory.
    const CAPACITY: usize = 1_000;

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one more message can be held back.
    pub(super) fn has_room(&self, message: &Message) -> bool {
        self.0.len() < Self::CAPACITY && self.1.has_room(message.footprint())
    }

    /// Replaces `HoldBack` with `Pass` if no more message can be held.
    pub(super) fn admit(&self, verdict: Verdict, message: &Message) -> Verdict {
        match verdict {
            Verdict::HoldBack { .. } if !self.has_room(message) => Verdict::Pass,
            other => other,
        }
    }

    pub(super) fn hold(&mut self, mut held: HeldMessage) {
        held._lease = Some(self.1.force(held.message.footprint()));
        self.0.push(held);
    }

    /// Counts a message that passes in this direction.
    pub(super) fn overtaken(&mut self, direction: Direction) {
        for held in self.0.iter_mut().filter(|held| held.direction == direction) {
            held.others = held.others.saturating_sub(1);
        }
    }

    /// Whether a message has been overtaken often enough.
    pub(super) fn has_releasable(&self) -> bool {
        self.0.iter().any(HeldMessage::is_free)
    }

    /// Time at which the next message times out.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.0.iter().map(HeldMessage::due).min()
    }

    /// Removes and returns the first releasable message, if any.
    pub(super) fn take_due(&mut self, now: Time) -> Option<HeldMessage> {
        let due = self.next_due().filter(|due| *due <= now)?;
        let at = self.0.iter().position(|held| held.due() == due)?;
        Some(self.0.remove(at))
    }

    /// Removes and returns all messages.
    pub(super) fn take(&mut self) -> Vec<HeldMessage> {
        std::mem::take(&mut self.0)
    }

    /// Number of held messages in one direction.
    pub(super) fn count(&self, direction: Direction) -> usize {
        self.0.iter().filter(|held| held.direction == direction).count()
    }
}
