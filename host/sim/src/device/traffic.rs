//! Outbound and inbound messages.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::answer::NegativeAnswer;
use wasmote_mqtt::budget::Lease;
use wasmote_mqtt::client::{Refusal, RefusedRequest};
use wasmote_mqtt::message::{Message, MessageOrigin, Qos};
use wasmote_mqtt::topic::Topic;

use super::connection::ConnectionState;
use super::{Device, Now};
use crate::action::Action;
use crate::event::Event;
use crate::faults::battery::EnergyUse;
use crate::faults::injector::Released;
use crate::faults::{Direction, FaultId};
use crate::journey::StepKind;
use crate::notice::{DeviceNotice, DropCause, MessageRef};

/// A message that is delayed by faults.
#[derive(Debug)]
pub(super) struct DelayedMessage {
    pub(super) direction: Direction,
    pub(super) message: Message,
    /// Its bytes in the budget of delayed messages; `None` while it does not wait.
    pub(super) _lease: Option<Lease>,
}

impl DelayedMessage {
    pub(super) fn is_outbound(&self) -> bool {
        self.direction == Direction::Out
    }
}

/// The most recent latencies, oldest first.
#[derive(Clone, Debug, Default)]
pub struct LatencySamples(VecDeque<Duration>);

impl LatencySamples {
    /// Number of latencies kept.
    pub const CAPACITY: usize = 10;

    fn push(&mut self, sample: Duration) {
        if self.0.len() == Self::CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// Latencies, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Duration> + '_ {
        self.0.iter().copied()
    }
}

impl Device {
    /// Publishes a message: sets its origin and passes it to the faults.
    pub(super) fn publish(&mut self, mut message: Message, now: Now, actions: &mut Vec<Action>) {
        self.ledger.generated += 1;
        self.sequence += 1;
        let from = self.blueprint.identity.id.clone();
        message.origin = Some(Arc::new(MessageOrigin {
            from,
            sequence: self.sequence,
            sent: now.wall,
            late: self.late,
            is_claimed: false,
        }));
        self.steps.add(Direction::Out, &message, || StepKind::Published {
            topic: message.topic.clone(),
            payload: message.payload.clone(),
            qos: message.qos,
            retain: message.retain,
        });
        self.inject_faults(Direction::Out, message, now, actions);
    }

    /// Handles a delivery of the broker.
    pub(super) fn deliver(&mut self, message: Message, now: Now, actions: &mut Vec<Action>) {
        self.ledger.arrived += 1;
        if self.is_running() {
            self.injector.spend(EnergyUse::Received(&message));
        }
        self.steps.add(Direction::In, &message, || StepKind::Arrived);
        let largest = self.blueprint.limits.payload_bytes;
        if message.payload.len() > largest as usize {
            self.ledger.discarded += 1;
            return self.dropped(Direction::In, &message, DropCause::TooLarge(largest), actions);
        }
        self.inject_faults(Direction::In, message, now, actions);
    }

    /// Passes a message through the faults. Delayed copies wait; others continue at once.
    fn inject_faults(&mut self, direction: Direction, message: Message, now: Now, actions: &mut Vec<Action>) {
        let (topic, id) = (message.topic.clone(), MessageRef::to(&message));
        let origin = self.followed_origin(&message);
        let mut passed = std::mem::take(&mut self.passed);
        let dropped_by = self.injector.judge(direction, message, now.run, &mut self.ledger, &mut passed);
        actions.extend(self.injector.drain_notices().map(Action::Notice));
        self.note_decisions(direction, origin.as_ref());
        self.route(direction, (topic, id), dropped_by, passed, now, actions);
        // Messages released by this one follow at once, before others overtake them.
        while self.injector.has_releasable() && self.release(now, actions) {}
    }

    /// Forwards one message that was held back long enough. False if no message is due.
    pub(super) fn release(&mut self, now: Now, actions: &mut Vec<Action>) -> bool {
        let mut passed = std::mem::take(&mut self.passed);
        let Some(released) = self.injector.release(now.run, &mut self.ledger, &mut passed) else {
            self.passed = passed;
            return false;
        };
        actions.extend(self.injector.drain_notices().map(Action::Notice));
        let Released { direction, message, dropped_by } = released;
        self.note_decisions(direction, self.followed_origin(&message).as_ref());
        let id = MessageRef::to(&message);
        self.route(direction, (message.topic, id), dropped_by, passed, now, actions);
        true
    }

    fn route(
        &mut self,
        direction: Direction,
        (topic, id): (Topic, MessageRef),
        dropped_by: Option<FaultId>,
        mut passed: Vec<(Message, Duration)>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        if let (Some(fault), true) = (dropped_by, passed.is_empty()) {
            actions.push(Action::Notice(DeviceNotice::Dropped(topic, DropCause::Fault(fault), id)));
        }
        for (message, delay) in passed.drain(..) {
            let mut delayed = DelayedMessage { direction, message, _lease: None };
            if delay.is_zero() {
                self.forward(delayed, now, actions);
                continue;
            }
            if self.schedule.len() < self.blueprint.limits.delayed_messages as usize {
                delayed._lease = self.delayed_budget.take(delayed.message.footprint());
            }
            if delayed._lease.is_none() {
                self.overflow(delayed, actions);
                continue;
            }
            if direction == Direction::In {
                delayed.message.detach_payload();
            }
            self.schedule.push(now.run + delay, delayed);
        }
        self.passed = passed;
    }

    fn overflow(&mut self, delayed: DelayedMessage, actions: &mut Vec<Action>) {
        match delayed.direction {
            Direction::Out => self.ledger.refused.queue_full += 1,
            Direction::In => self.ledger.discarded += 1,
        }
        self.dropped(delayed.direction, &delayed.message, DropCause::QueueFull, actions);
    }

    /// Reports that a message is lost.
    fn dropped(
        &mut self,
        direction: Direction,
        message: &Message,
        cause: DropCause,
        actions: &mut Vec<Action>,
    ) {
        self.steps.add(direction, message, || StepKind::Dropped(cause.clone()));
        let (topic, id) = (message.topic.clone(), MessageRef::to(message));
        actions.push(Action::Notice(DeviceNotice::Dropped(topic, cause, id)));
    }

    /// Forwards a message after its delay.
    pub(super) fn forward(&mut self, delayed: DelayedMessage, now: Now, actions: &mut Vec<Action>) {
        match delayed.direction {
            Direction::Out => self.transmit(delayed.message, actions),
            Direction::In => self.receive(delayed.message, now, actions),
        }
    }

    fn transmit(&mut self, message: Message, actions: &mut Vec<Action>) {
        let silence = self.injector.silence().cloned();
        if silence.is_none() && self.connection.state == ConnectionState::Up {
            return self.send(message, actions);
        }
        let (message, cause) = if message.qos != Qos::AtMostOnce && self.is_running() {
            let origin = self.followed_origin(&message);
            match self.connection.enqueue(message) {
                Ok(()) => {
                    if let Some(origin) = origin {
                        self.steps.add_for(Direction::Out, origin, StepKind::Queued);
                    }
                    return;
                }
                Err(message) => {
                    self.ledger.refused.queue_full += 1;
                    (message, DropCause::QueueFull)
                }
            }
        } else if let Some(silence) = silence {
            self.ledger.dropped_by(&silence, Direction::Out);
            (message, DropCause::Fault(silence))
        } else {
            self.ledger.lost_offline += 1;
            (message, DropCause::Offline)
        };
        self.dropped(Direction::Out, &message, cause, actions);
    }

    pub(super) fn send(&mut self, message: Message, actions: &mut Vec<Action>) {
        self.in_flight += 1;
        self.injector.spend(EnergyUse::Sent(&message));
        self.steps.add(Direction::Out, &message, || StepKind::Sent);
        let id = MessageRef::to(&message);
        let sent = DeviceNotice::Sent(message.topic.clone(), message.payload.clone(), id);
        actions.push(Action::Publish(message));
        actions.push(Action::Notice(sent));
    }

    /// Counts a message that the connection or the broker did not accept.
    pub(super) fn refused(&mut self, message: Message, why: Refusal, actions: &mut Vec<Action>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.ledger.returned += u64::from(!matches!(why, Refusal::Answer(_)));
        let cause = match why {
            Refusal::QueueFull => {
                self.ledger.refused.queue_full += 1;
                DropCause::QueueFull
            }
            Refusal::Offline => {
                self.ledger.lost_offline += 1;
                DropCause::Offline
            }
            Refusal::BeyondLimits(why) => {
                self.ledger.refused.count_unsendable(why);
                DropCause::BeyondLimits(why)
            }
            Refusal::Answer(answer) => {
                self.ledger.refused.broker += 1;
                self.ledger.answered(answer.code);
                DropCause::Answer(answer)
            }
            Refusal::EndsConnection(answer) => {
                self.ledger.refused.ends_connection += 1;
                DropCause::EndsConnection { payload_bytes: message.payload.len() as u64, answer }
            }
        };
        self.dropped(Direction::Out, &message, cause, actions);
    }

    /// Counts a negative answer of the broker to a request other than a message.
    pub(super) fn request_refused(
        &mut self,
        request: RefusedRequest,
        answer: NegativeAnswer,
        actions: &mut Vec<Action>,
    ) {
        self.ledger.answered(answer.code);
        actions.push(Action::Notice(DeviceNotice::RequestRefused(request, answer)));
    }

    /// Queues a returned message for the next connection. It may arrive twice, as QoS 1 allows; at QoS 2 the
    /// session that prevents duplicates is gone [MQTT-4.4.0-1].
    pub(super) fn returned(&mut self, message: Message, actions: &mut Vec<Action>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.ledger.returned += 1;
        self.steps.add(Direction::Out, &message, || StepKind::Returned);
        let (message, cause) = if !self.is_running() {
            self.ledger.lost_offline += 1;
            (message, DropCause::Offline)
        } else if let Err(message) = self.connection.requeue(message) {
            self.ledger.refused.queue_full += 1;
            (message, DropCause::QueueFull)
        } else {
            return;
        };
        self.dropped(Direction::Out, &message, cause, actions);
    }

    /// Counts a message at QoS 0 that a fault of the link took.
    pub(super) fn link_dropped(
        &mut self,
        direction: Direction,
        message: &Message,
        fault: FaultId,
        actions: &mut Vec<Action>,
    ) {
        match direction {
            Direction::Out => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.ledger.returned += 1;
            }
            Direction::In => self.ledger.arrived += 1,
        }
        self.ledger.dropped_by(&fault, direction);
        self.dropped(direction, message, DropCause::Fault(fault), actions);
    }

    pub(super) fn receive(&mut self, message: Message, now: Now, actions: &mut Vec<Action>) {
        if !self.is_running() {
            self.ledger.discarded += 1;
            self.steps.add(Direction::In, &message, || StepKind::Lost("the device was off"));
            return;
        }
        if self.defers() {
            return self.defer(Event::Message(message), actions);
        }
        self.receive_now(message, now, actions);
    }

    pub(super) fn receive_now(&mut self, message: Message, now: Now, actions: &mut Vec<Action>) {
        self.ledger.received += 1;
        // The age of a retained message is not a latency.
        let origin = message.origin.as_ref().filter(|_| !message.retain);
        let latency = origin.and_then(|origin| self.latencies.observe(origin, now.wall));
        if let Some(latency) = latency {
            self.samples.push(latency);
        }
        self.steps.add(Direction::In, &message, || StepKind::Received(latency, message.retain));
        let id = MessageRef::to(&message);
        let received = DeviceNotice::Received(message.topic.clone(), message.payload.clone(), latency, id);
        actions.push(Action::Notice(received));
        self.dispatch_now(Event::Message(message), now, actions);
    }

    /// Flushes delayed messages at a stop: outbound messages are sent, inbound ones are lost.
    pub(super) fn flush_delayed(&mut self, actions: &mut Vec<Action>) {
        let all = std::iter::from_fn(|| self.schedule.take());
        let mut waiting: Vec<_> = all.map(|delayed| (delayed.direction, delayed.message)).collect();
        waiting.extend(self.injector.release_all());
        for (direction, message) in waiting {
            match direction {
                Direction::Out => self.transmit(message, actions),
                Direction::In => {
                    self.ledger.discarded += 1;
                    self.steps.add(Direction::In, &message, || {
                        StepKind::Lost("the device was stopped while it waited")
                    });
                }
            }
        }
    }
}
