//! Steps of single messages, and subscriptions over time, for the journeys of messages.

use std::sync::Arc;

use wasmote_mqtt::client::Settled;
use wasmote_mqtt::message::{Message, MessageOrigin, Qos};
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::{Topic, TopicFilter};

use super::Device;
use crate::faults::Direction;
use crate::journey::{DeviceStep, StepKind, SubscriptionSpan};

impl Device {
    /// Sets whether the device collects steps of messages.
    pub fn follow_messages(&mut self, follow: bool) {
        if self.steps.is_followed() != follow {
            self.steps.follow(follow);
            self.injector.follow(follow);
        }
    }

    /// Whether there are steps to take.
    pub fn has_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Returns and clears the steps so far, in order.
    pub fn take_steps(&mut self) -> Vec<DeviceStep> {
        self.steps.take()
    }

    /// Notes the end of a message at the client of the device.
    pub fn note_settled(&mut self, settled: Settled) {
        match settled {
            Settled::Acknowledged(origin) => {
                self.steps.add_for(Direction::Out, origin, StepKind::Acknowledged);
            }
            Settled::Unread(origin, reason) => {
                self.steps.add_for(Direction::In, origin, StepKind::Lost(reason));
            }
        }
    }

    /// Notes that a message is lost between the device and the broker.
    pub fn note_lost(&mut self, direction: Direction, message: &Message, reason: &'static str) {
        self.steps.add(direction, message, || StepKind::Lost(reason));
    }

    /// The subscription with which the behaviour was subscribed to a topic at this time.
    pub fn subscription_at(&self, topic: &Topic, time: Time) -> Option<&SubscriptionSpan> {
        self.subscribed.at(topic, time)
    }

    pub(super) fn note_subscribed(&mut self, filter: &TopicFilter, qos: Qos, now: Time) {
        if self.subscribed.begin(filter, now) {
            self.steps.add_subscription(|| DeviceStep::Subscribed(filter.clone(), qos));
        }
    }

    /// Notes the end of the subscription with this filter, or of all.
    pub(super) fn note_unsubscribed(&mut self, filter: Option<&TopicFilter>, now: Time) {
        for filter in self.subscribed.end(filter, now) {
            self.steps.add_subscription(|| DeviceStep::Unsubscribed(filter));
        }
    }

    /// Notes what the faults have just decided about the message with this origin.
    pub(super) fn note_decisions(&mut self, direction: Direction, origin: Option<&Arc<MessageOrigin>>) {
        for (fault, decision) in self.injector.drain_decisions() {
            if let Some(origin) = origin {
                self.steps.add_for(direction, Arc::clone(origin), StepKind::Judged(fault, decision));
            }
        }
    }

    /// The origin of a message, if messages are followed and it has one.
    pub(super) fn followed_origin(&self, message: &Message) -> Option<Arc<MessageOrigin>> {
        if self.steps.is_followed() { message.proven_origin().map(Arc::clone) } else { None }
    }
}
