//! The behaviour stands still, and what happens to it waits until it goes on.

use super::{Device, Now};
use crate::action::Action;
use crate::event::Event;
use crate::notice::{DeviceNotice, DropCause};

impl Device {
    /// Keep an event until the hang is over. Beyond the limit on messages that wait, further ones are lost,
    /// as in the full buffer of a socket.
    pub(super) fn defer(&mut self, event: Event, actions: &mut Vec<Action>) {
        let is_full = self.deferred_events.len() >= self.blueprint.limits.delayed_messages as usize;
        match event {
            Event::Message(message) if is_full => {
                self.ledger.discarded += 1;
                actions.push(Action::Notice(DeviceNotice::Dropped(message.topic, DropCause::QueueFull)));
            }
            event => self.deferred_events.push_back(event),
        }
    }

    /// The hang is over: what happened meanwhile happens now, in its order. Timers that came due fire after.
    pub(super) fn run_deferred(&mut self, now: Now, actions: &mut Vec<Action>) {
        self.run_pending_swap(now, actions);
        for event in std::mem::take(&mut self.deferred_events) {
            match event {
                Event::Message(message) => self.receive(message, now, actions),
                event => self.dispatch(event, now, actions),
            }
        }
    }

    /// The behaviour is gone, and nobody will hear of what waited for it.
    pub(super) fn discard_deferred(&mut self) {
        self.ledger.discarded += self.deferred_messages() as u64;
        self.deferred_events.clear();
    }

    pub(super) fn deferred_messages(&self) -> usize {
        self.deferred_events.iter().filter(|event| matches!(event, Event::Message(_))).count()
    }
}
