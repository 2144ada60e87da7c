//! Hangs of the behaviour: events are deferred until the end of the hang.

use super::{Device, Now};
use crate::action::Action;
use crate::event::Event;
use crate::notice::{DeviceNotice, DropCause};

impl Device {
    /// Defers an event. Messages beyond the limit are lost, as in the full buffer of a socket.
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

    /// Dispatches the deferred events in order at the end of a hang. Timers that came due fire after them.
    pub(super) fn run_deferred(&mut self, now: Now, actions: &mut Vec<Action>) {
        self.run_pending_swap(now, actions);
        for event in std::mem::take(&mut self.deferred_events) {
            match event {
                Event::Message(message) => self.receive(message, now, actions),
                event => self.dispatch(event, now, actions),
            }
        }
    }

    /// Discards the deferred events of an ended behaviour.
    pub(super) fn discard_deferred(&mut self) {
        self.ledger.discarded += self.deferred_messages() as u64;
        self.deferred_events.clear();
    }

    pub(super) fn deferred_messages(&self) -> usize {
        self.deferred_events.iter().filter(|event| matches!(event, Event::Message(_))).count()
    }
}
