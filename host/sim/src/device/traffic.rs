//! The way of a message, out and in.

use std::collections::VecDeque;
use std::time::Duration;

use super::link::LinkState;
use super::{Device, Now};
use crate::action::{Action, Cause, Notice};
use crate::event::Event;
use crate::faults::Direction;
use crate::message::{Message, Qos, Stamp};

/// A message that waits out its delay.
#[derive(Debug)]
pub(super) struct Parcel {
    direction: Direction,
    message: Message,
}

impl Parcel {
    pub(super) fn is_outbound(&self) -> bool {
        self.direction == Direction::Out
    }
}

/// The last few latencies, oldest first.
#[derive(Clone, Debug, Default)]
pub struct LatencySamples(VecDeque<Duration>);

impl LatencySamples {
    /// How many are kept, as many as the simulator showed that this one grew out of.
    pub const KEPT: usize = 10;

    fn push(&mut self, sample: Duration) {
        if self.0.len() == Self::KEPT {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Duration> + '_ {
        self.0.iter().copied()
    }
}

impl Device {
    /// A message comes into being: stamp it, and send it into the world.
    pub(super) fn originate(&mut self, mut message: Message, now: Now, actions: &mut Vec<Action>) {
        self.ledger.generated += 1;
        self.sequence += 1;
        let from = self.blueprint.identity.id.clone();
        message.stamp = Some(Box::new(Stamp { from, sequence: self.sequence, sent: now.wall }));
        self.pass(Direction::Out, message, now, actions);
    }

    /// The broker delivered a message.
    pub(super) fn deliver(&mut self, message: Message, now: Now, actions: &mut Vec<Action>) {
        self.ledger.arrived += 1;
        let largest = self.blueprint.limits.payload_bytes;
        if message.payload.len() > largest as usize {
            self.ledger.discarded += 1;
            return actions.push(Action::Notice(Notice::Dropped(message.topic, Cause::TooLarge(largest))));
        }
        self.pass(Direction::In, message, now, actions);
    }

    /// Send a message through the faults. What is late waits; the rest goes on at once.
    fn pass(&mut self, direction: Direction, message: Message, now: Now, actions: &mut Vec<Action>) {
        let topic = message.topic.clone();
        let mut passed = std::mem::take(&mut self.passed);
        let taken_by = self.injector.judge(direction, message, &mut self.ledger, &mut passed);
        if let (Some(fault), true) = (taken_by, passed.is_empty()) {
            actions.push(Action::Notice(Notice::Dropped(topic, Cause::Fault(fault))));
        }
        for (message, delay) in passed.drain(..) {
            let parcel = Parcel { direction, message };
            if delay.is_zero() {
                self.forward(parcel, now, actions);
            } else if self.schedule.len() < self.blueprint.limits.delayed_messages as usize {
                self.schedule.push(now.run + delay, parcel);
            } else {
                self.overflow(parcel, actions);
            }
        }
        self.passed = passed;
    }

    fn overflow(&mut self, parcel: Parcel, actions: &mut Vec<Action>) {
        match parcel.direction {
            Direction::Out => self.ledger.refused_full += 1,
            Direction::In => self.ledger.discarded += 1,
        }
        actions.push(Action::Notice(Notice::Dropped(parcel.message.topic, Cause::QueueFull)));
    }

    /// A message has waited long enough.
    pub(super) fn forward(&mut self, parcel: Parcel, now: Now, actions: &mut Vec<Action>) {
        match parcel.direction {
            Direction::Out => self.transmit(parcel.message, actions),
            Direction::In => self.receive(parcel.message, now, actions),
        }
    }

    fn transmit(&mut self, message: Message, actions: &mut Vec<Action>) {
        let silence = self.injector.silence().cloned();
        if silence.is_none() && self.link.state == LinkState::Up {
            return self.hand_over(message, actions);
        }
        let topic = message.topic.clone();
        let cause = if message.qos != Qos::AtMostOnce && self.is_running() {
            match self.link.enqueue(message) {
                Ok(()) => return,
                Err(_) => {
                    self.ledger.refused_full += 1;
                    Cause::QueueFull
                }
            }
        } else if let Some(silence) = silence {
            self.ledger.dropped_by(&silence);
            Cause::Fault(silence)
        } else {
            self.ledger.lost_offline += 1;
            Cause::Offline
        };
        actions.push(Action::Notice(Notice::Dropped(topic, cause)));
    }

    pub(super) fn hand_over(&mut self, message: Message, actions: &mut Vec<Action>) {
        self.ledger.sent += 1;
        let sent = Notice::Sent(message.topic.clone(), message.payload.clone());
        actions.push(Action::Publish(message));
        actions.push(Action::Notice(sent));
    }

    /// The connection could not take a message that it was handed.
    pub(super) fn refused(&mut self, message: &Message, actions: &mut Vec<Action>) {
        self.ledger.sent = self.ledger.sent.saturating_sub(1);
        self.ledger.refused_full += 1;
        actions.push(Action::Notice(Notice::Dropped(message.topic.clone(), Cause::QueueFull)));
    }

    fn receive(&mut self, message: Message, now: Now, actions: &mut Vec<Action>) {
        if !self.is_running() {
            self.ledger.discarded += 1;
            return;
        }
        self.ledger.received += 1;
        // What the broker had kept is as old as it is; that says nothing about the way.
        let stamp = message.stamp.as_ref().filter(|_| !message.retain);
        let latency = stamp.map(|stamp| now.wall.since(stamp.sent));
        if let Some(latency) = latency {
            self.latency.observe(latency.as_secs_f64());
            self.samples.push(latency);
        }
        let received = Notice::Received(message.topic.clone(), message.payload.clone(), latency);
        actions.push(Action::Notice(received));
        self.tell(Event::Message(message), now, actions);
    }

    /// The device ends in order: what still waits to go out goes now, what waits to come in is lost.
    pub(super) fn send_all_that_waits(&mut self, actions: &mut Vec<Action>) {
        while let Some(parcel) = self.schedule.take() {
            match parcel.direction {
                Direction::Out => self.transmit(parcel.message, actions),
                Direction::In => self.ledger.discarded += 1,
            }
        }
    }
}
