//! The behaviour stands still, and what happens to it waits until it goes on.

use super::{Device, Now};
use crate::action::{Action, Cause, Notice};
use crate::event::Event;

impl Device {
    /// Keep an event until the hang is over. Beyond the limit on messages that wait, further ones are lost,
    /// as in the full buffer of a socket.
    pub(super) fn freeze(&mut self, event: Event, actions: &mut Vec<Action>) {
        let is_full = self.frozen.len() >= self.blueprint.limits.delayed_messages as usize;
        match event {
            Event::Message(message) if is_full => {
                self.ledger.discarded += 1;
                actions.push(Action::Notice(Notice::Dropped(message.topic, Cause::QueueFull)));
            }
            event => self.frozen.push_back(event),
        }
    }

    /// The hang is over: what happened meanwhile happens now, in its order. Timers that came due fire after.
    pub(super) fn thaw(&mut self, now: Now, actions: &mut Vec<Action>) {
        self.swap_that_waited(now, actions);
        for event in std::mem::take(&mut self.frozen) {
            match event {
                Event::Message(message) => self.receive(message, now, actions),
                event => self.tell(event, now, actions),
            }
        }
    }

    /// The behaviour is gone, and nobody will hear of what waited for it.
    pub(super) fn forget_frozen(&mut self) {
        self.ledger.discarded += self.frozen_messages() as u64;
        self.frozen.clear();
    }

    pub(super) fn frozen_messages(&self) -> usize {
        self.frozen.iter().filter(|event| matches!(event, Event::Message(_))).count()
    }
}
