//! Messages are overtaken.

use std::time::Duration;

use super::{Direction, Directions, RuleInput, Verdict};
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;

/// A message is held back until so many others of the same device and way have gone past it, or until its
/// time is up. Then it goes on to the faults that follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Reorder {
    /// Which ways it works.
    pub direction: Directions,
    /// Chance that a message is held back.
    pub probability: f64,
    /// How many have to go past it; at least 1.
    pub gap: u32,
    /// How long it waits for them.
    pub at_most: Duration,
}

impl Reorder {
    pub(super) fn judge(&self, input: &mut RuleInput<'_>, waiting: &HeldMessages) -> Verdict {
        match input.rng.chance(self.probability) && waiting.has_room() {
            true => Verdict::HoldBack { others: self.gap, at_most: self.at_most },
            false => Verdict::Pass,
        }
    }
}

/// A message that is held back.
#[derive(Clone, Debug)]
pub(super) struct HeldMessage {
    pub(super) direction: Direction,
    pub(super) message: Message,
    /// What faults before this one made it wait.
    pub(super) delay: Duration,
    /// How many have yet to go past it.
    pub(super) others: u32,
    pub(super) until: Time,
}

impl HeldMessage {
    fn is_free(&self) -> bool {
        self.others == 0
    }

    fn due(&self) -> Time {
        if self.is_free() { Time::ZERO } else { self.until }
    }
}

/// The messages that one fault holds back on one device, oldest first.
#[derive(Debug, Default)]
pub(super) struct HeldMessages(Vec<HeldMessage>);

impl HeldMessages {
    /// A message beyond these goes on at once, so that a fault that holds back all does not fill the memory.
    const CAPACITY: usize = 1_000;

    fn has_room(&self) -> bool {
        self.0.len() < Self::CAPACITY
    }

    /// A verdict as far as there is room for it.
    pub(super) fn admit(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::HoldBack { .. } if !self.has_room() => Verdict::Pass,
            other => other,
        }
    }

    pub(super) fn hold(&mut self, held: HeldMessage) {
        self.0.push(held);
    }

    /// Another message goes past on this way.
    pub(super) fn overtaken(&mut self, direction: Direction) {
        for held in self.0.iter_mut().filter(|held| held.direction == direction) {
            held.others = held.others.saturating_sub(1);
        }
    }

    /// Whether one has been overtaken as often as it has to be.
    pub(super) fn has_releasable(&self) -> bool {
        self.0.iter().any(HeldMessage::is_free)
    }

    /// When the next one goes on, if nothing goes past it before.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.0.iter().map(HeldMessage::due).min()
    }

    /// Take the one that goes on first, if it does now.
    pub(super) fn take_due(&mut self, now: Time) -> Option<HeldMessage> {
        let due = self.next_due().filter(|due| *due <= now)?;
        let at = self.0.iter().position(|held| held.due() == due)?;
        Some(self.0.remove(at))
    }

    /// Let all of them go.
    pub(super) fn take(&mut self) -> Vec<HeldMessage> {
        std::mem::take(&mut self.0)
    }

    /// How many wait on one way.
    pub(super) fn count(&self, direction: Direction) -> usize {
        self.0.iter().filter(|held| held.direction == direction).count()
    }
}
