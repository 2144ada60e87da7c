//! Hangs and pauses of the behaviour: events are deferred until their end.

use super::{Device, Now};
use crate::action::Action;
use crate::event::Event;
use crate::faults::Direction;
use crate::journey::StepKind;
use crate::notice::{DeviceNotice, DropCause, MessageRef};

impl Device {
    /// Defers an event. Messages beyond the limit are lost, as in the full buffer of a socket.
    pub(super) fn defer(&mut self, event: Event, actions: &mut Vec<Action>) {
        let Event::Message(mut message) = event else {
            return self.deferred_events.push_back((event, None));
        };
        let is_full = self.deferred_events.len() >= self.blueprint.limits.delayed_messages as usize;
        let lease = if is_full { None } else { self.delayed_budget.take(message.footprint()) };
        if lease.is_none() {
            self.ledger.discarded += 1;
            self.steps.add(Direction::In, &message, || StepKind::Dropped(DropCause::QueueFull));
            let id = MessageRef::to(&message);
            return actions.push(Action::Notice(DeviceNotice::Dropped(
                message.topic,
                DropCause::QueueFull,
                id,
            )));
        }
        self.steps.add(Direction::In, &message, || StepKind::Deferred);
        message.detach_payload();
        self.deferred_events.push_back((Event::Message(message), lease));
    }

    /// Dispatches the deferred events in order at the end of a hang. Timers that came due fire after them.
    pub(super) fn run_deferred(&mut self, now: Now, actions: &mut Vec<Action>) {
        self.run_pending_swap(now, actions);
        if self.paused {
            return;
        }
        for (event, _) in std::mem::take(&mut self.deferred_events) {
            match event {
                Event::Message(message) => self.receive(message, now, actions),
                event => self.dispatch(event, now, actions),
            }
        }
    }

    /// Dispatches one deferred event after a pause.
    pub(super) fn run_next_deferred(&mut self, now: Now, actions: &mut Vec<Action>) {
        match self.deferred_events.pop_front() {
            Some((Event::Message(message), _)) => self.receive_now(message, now, actions),
            Some((event, _)) => self.dispatch_now(event, now, actions),
            None => {}
        }
    }

    /// Discards the deferred events of an ended behaviour.
    pub(super) fn discard_deferred(&mut self) {
        self.ledger.discarded += self.deferred_messages() as u64;
        self.deferred_events.clear();
    }

    pub(super) fn deferred_messages(&self) -> usize {
        self.deferred_events.iter().filter(|(event, _)| matches!(event, Event::Message(_))).count()
    }
}
