//! The way of a message, out and in.

use std::collections::VecDeque;
use std::time::Duration;

use super::link::LinkState;
use super::{Device, Now};
use crate::action::{Action, Cause, Notice};
use crate::event::Event;
use crate::faults::battery::Use;
use crate::faults::injector::Released;
use crate::faults::{Direction, FaultId};
use crate::message::{Message, Qos, Stamp};
use crate::topic::Topic;

/// A message that waits out its delay.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) direction: Direction,
    pub(super) message: Message,
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
        if self.is_running() {
            self.injector.spend(Use::Received(&message));
        }
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
        let taken_by = self.injector.judge(direction, message, now.run, &mut self.ledger, &mut passed);
        actions.extend(self.injector.take_told().map(Action::Notice));
        self.go_on(direction, topic, taken_by, passed, now, actions);
        // Those that have waited to be overtaken follow at once, before anything else overtakes them.
        while self.injector.is_one_free() && self.release(now, actions) {}
    }

    /// Let a message go on that was held back long enough. Says whether there was one.
    pub(super) fn release(&mut self, now: Now, actions: &mut Vec<Action>) -> bool {
        let mut passed = std::mem::take(&mut self.passed);
        let Some(released) = self.injector.release(now.run, &mut self.ledger, &mut passed) else {
            self.passed = passed;
            return false;
        };
        actions.extend(self.injector.take_told().map(Action::Notice));
        let Released { direction, message, taken_by } = released;
        self.go_on(direction, message.topic, taken_by, passed, now, actions);
        true
    }

    fn go_on(
        &mut self,
        direction: Direction,
        topic: Topic,
        taken_by: Option<FaultId>,
        mut passed: Vec<(Message, Duration)>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
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
            self.ledger.dropped_by(&silence, Direction::Out);
            Cause::Fault(silence)
        } else {
            self.ledger.lost_offline += 1;
            Cause::Offline
        };
        actions.push(Action::Notice(Notice::Dropped(topic, cause)));
    }

    pub(super) fn hand_over(&mut self, message: Message, actions: &mut Vec<Action>) {
        self.ledger.sent += 1;
        self.injector.spend(Use::Sent(&message));
        let sent = Notice::Sent(message.topic.clone(), message.payload.clone());
        actions.push(Action::Publish(message));
        actions.push(Action::Notice(sent));
    }

    /// The connection could not take a message that it was handed.
    pub(super) fn refused(&mut self, message: &Message, actions: &mut Vec<Action>) {
        self.ledger.returned += 1;
        self.ledger.refused_full += 1;
        actions.push(Action::Notice(Notice::Dropped(message.topic.clone(), Cause::QueueFull)));
    }

    /// A message was handed over in vain. It waits for the next connection, and may arrive twice, as QoS 1
    /// allows; at QoS 2 the session that would have told is gone [MQTT-4.4.0-1].
    pub(super) fn returned(&mut self, message: Message, actions: &mut Vec<Action>) {
        self.ledger.returned += 1;
        let topic = message.topic.clone();
        let cause = if !self.is_running() {
            self.ledger.lost_offline += 1;
            Cause::Offline
        } else if self.link.enqueue_again(message).is_err() {
            self.ledger.refused_full += 1;
            Cause::QueueFull
        } else {
            return;
        };
        actions.push(Action::Notice(Notice::Dropped(topic, cause)));
    }

    /// A message at QoS 0 that was on its way is gone, with nobody to miss it.
    pub(super) fn swallowed(
        &mut self,
        direction: Direction,
        message: &Message,
        fault: FaultId,
        actions: &mut Vec<Action>,
    ) {
        match direction {
            Direction::Out => self.ledger.returned += 1,
            Direction::In => self.ledger.arrived += 1,
        }
        self.ledger.dropped_by(&fault, direction);
        actions.push(Action::Notice(Notice::Dropped(message.topic.clone(), Cause::Fault(fault))));
    }

    pub(super) fn receive(&mut self, message: Message, now: Now, actions: &mut Vec<Action>) {
        if !self.is_running() {
            self.ledger.discarded += 1;
            return;
        }
        if self.injector.hangs() {
            return self.freeze(Event::Message(message), actions);
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
        let delayed = std::iter::from_fn(|| self.schedule.take());
        let mut waiting: Vec<_> = delayed.map(|parcel| (parcel.direction, parcel.message)).collect();
        waiting.extend(self.injector.release_all());
        for (direction, message) in waiting {
            match direction {
                Direction::Out => self.transmit(message, actions),
                Direction::In => self.ledger.discarded += 1,
            }
        }
    }
}
