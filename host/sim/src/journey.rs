//! Steps of single messages at a device, for the journeys of messages.
//!
//! A device collects steps only while its driver [follows](crate::device::Device::follow_messages) messages, and only of
//! messages that have an origin of the host. Steps affect nothing: neither the run nor its digest.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmote_mqtt::message::{Message, MessageOrigin, Qos};
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::{Topic, TopicFilter};

use crate::faults::{Direction, Fault, Verdict};
use crate::notice::DropCause;

/// Something that a device did and that a journey shows.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceStep {
    /// A step of one message.
    Message(MessageStep),
    /// The behaviour subscribed to a filter.
    Subscribed(TopicFilter, Qos),
    /// The subscription of the behaviour ended.
    Unsubscribed(TopicFilter),
}

/// A step of one message at one device.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageStep {
    /// Origin of the message.
    pub origin: Arc<MessageOrigin>,
    /// Direction of the message, from the device's point of view.
    pub direction: Direction,
    /// The step.
    pub kind: StepKind,
}

/// Kinds of steps.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// The behaviour published it.
    Published {
        /// Its topic.
        topic: Topic,
        /// Its payload.
        payload: Bytes,
        /// Its QoS.
        qos: Qos,
        /// Whether the broker is to retain it.
        retain: bool,
    },
    /// A fault decided about it, or about one of its copies.
    Judged(Arc<Fault>, Decision),
    /// It is lost, or one of its copies.
    Dropped(DropCause),
    /// It is lost, for a reason that has no notice.
    Lost(&'static str),
    /// It waits for the connection.
    Queued,
    /// It was passed to the connection.
    Sent,
    /// The connection ended before the broker acknowledged it, and the next one sends it again.
    Returned,
    /// The broker acknowledged it.
    Acknowledged,
    /// It arrived at the device.
    Arrived,
    /// It waits because the behaviour hangs or is paused.
    Deferred,
    /// It was given to the behaviour; with its latency, if known, and whether the broker had retained it.
    Received(Option<Duration>, bool),
}

/// What a fault decided about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It passed.
    Passed,
    /// It was dropped.
    Dropped,
    /// It was delayed by this duration.
    Delayed(Duration),
    /// This number of copies was added, each this much later than the one before.
    Duplicated(u32, Duration),
    /// Its payload was changed; with the number of bytes that differ.
    Corrupted(usize),
    /// It is held back until this number of others have overtaken it, for at most this duration.
    HeldBack(u32, Duration),
}

impl Decision {
    /// The decision that a verdict on this message is.
    pub(crate) fn of(verdict: &Verdict, message: &Message) -> Self {
        match verdict {
            Verdict::Pass => Self::Passed,
            Verdict::Drop => Self::Dropped,
            Verdict::Delay(by) => Self::Delayed(*by),
            Verdict::Duplicate { copies, apart } => Self::Duplicated(*copies, *apart),
            Verdict::Corrupt(payload) => {
                let differ = payload.iter().zip(&message.payload).filter(|(new, old)| new != old).count();
                Self::Corrupted(differ + payload.len().abs_diff(message.payload.len()))
            }
            Verdict::HoldBack { others, at_most } => Self::HeldBack(*others, *at_most),
        }
    }
}

/// Steps that a device has collected.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    is_followed: bool,
    collected: Vec<DeviceStep>,
}

impl Steps {
    pub(crate) fn follow(&mut self, follow: bool) {
        self.is_followed = follow;
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.is_followed
    }

    /// Adds a step of a message, if messages are followed.
    pub(crate) fn add(&mut self, direction: Direction, message: &Message, kind: impl FnOnce() -> StepKind) {
        if self.is_followed
            && let Some(origin) = message.proven_origin()
        {
            self.add_for(direction, Arc::clone(origin), kind());
        }
    }

    /// Adds a step of the message with this origin, if messages are followed.
    pub(crate) fn add_for(&mut self, direction: Direction, origin: Arc<MessageOrigin>, kind: StepKind) {
        if self.is_followed {
            self.collected.push(DeviceStep::Message(MessageStep { origin, direction, kind }));
        }
    }

    pub(crate) fn add_subscription(&mut self, step: impl FnOnce() -> DeviceStep) {
        if self.is_followed {
            self.collected.push(step());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.collected.is_empty()
    }

    pub(crate) fn take(&mut self) -> Vec<DeviceStep> {
        std::mem::take(&mut self.collected)
    }
}

/// A subscription of a behaviour, present or past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionSpan {
    /// Its filter.
    pub filter: TopicFilter,
    /// Time at which the behaviour subscribed.
    pub since: Time,
    /// Time at which it ended, if it did.
    pub until: Option<Time>,
}

/// The subscriptions of a behaviour over time. A device that crashes, or loses its connection, stays subscribed; one that is
/// stopped does not.
#[derive(Debug, Default)]
pub(crate) struct SubscriptionHistory {
    spans: Vec<SubscriptionSpan>,
    ended: usize,
}

/// Number of ended subscriptions that a device remembers.
const MAX_ENDED: usize = 16;

impl SubscriptionHistory {
    /// Notes a subscription. False if there is one with this filter.
    pub(crate) fn begin(&mut self, filter: &TopicFilter, now: Time) -> bool {
        let is_new = !self.spans.iter().any(|span| span.until.is_none() && span.filter == *filter);
        if is_new {
            self.spans.push(SubscriptionSpan { filter: filter.clone(), since: now, until: None });
        }
        is_new
    }

    /// Ends the subscription with this filter, or all. Returns their filters.
    pub(crate) fn end(&mut self, filter: Option<&TopicFilter>, now: Time) -> Vec<TopicFilter> {
        let mut ended = Vec::new();
        for span in self.spans.iter_mut().filter(|span| span.until.is_none()) {
            if filter.is_none_or(|filter| *filter == span.filter) {
                span.until = Some(now);
                ended.push(span.filter.clone());
            }
        }
        self.ended += ended.len();
        while self.ended > MAX_ENDED {
            let Some(at) = self.spans.iter().position(|span| span.until.is_some()) else { break };
            self.spans.remove(at);
            self.ended -= 1;
        }
        ended
    }

    /// The subscription that matched a topic at this time. Shared subscriptions do not count, because the broker chooses the
    /// receiver.
    pub(crate) fn at(&self, topic: &Topic, time: Time) -> Option<&SubscriptionSpan> {
        self.spans.iter().find(|span| {
            span.since <= time
                && span.until.is_none_or(|until| until > time)
                && !span.filter.as_str().starts_with("$share/")
                && span.filter.matches(topic)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_subscription_matches_from_its_begin_to_its_end() {
        let mut history = SubscriptionHistory::default();
        let (filter, topic) = (TopicFilter::new("a/+").unwrap(), Topic::new("a/b").unwrap());
        assert!(history.begin(&filter, at(2)));
        assert!(!history.begin(&filter, at(3)), "it begins once, also after a restart");
        assert_eq!(history.end(Some(&filter), at(5)), std::slice::from_ref(&filter));
        let found = [1, 2, 4, 5].map(|time| history.at(&topic, at(time)).is_some());
        assert_eq!(found, [false, true, true, false]);
    }

    #[test]
    fn only_the_last_ended_subscriptions_are_remembered() {
        let mut history = SubscriptionHistory::default();
        for number in 0..100 {
            history.begin(&TopicFilter::new(format!("t/{number}")).unwrap(), at(number));
            history.end(None, at(number + 1));
        }
        history.begin(&TopicFilter::new("t/x").unwrap(), at(200));
        assert_eq!(history.spans.len(), MAX_ENDED + 1);
        assert!(history.at(&Topic::new("t/99").unwrap(), at(99)).is_some());
        assert!(history.at(&Topic::new("t/0").unwrap(), at(0)).is_none());
    }
}
