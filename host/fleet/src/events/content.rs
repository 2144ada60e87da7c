//! Recognition of messages by their content, where the protocol carries no identity of messages.
//!
//! MQTT 3.1.1 over a connection has no place for the origin of a message. A message that a device receives is then that of a
//! device that has lately published the same payload on the same topic, if there is only one.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use wasmote_mqtt::message::MessageOrigin;
use wasmote_mqtt::topic::Topic;
use wasmote_sim::faults::Direction;
use wasmote_sim::journey::{DeviceStep, MessageStep, StepKind};
use wasmote_sim::notice::DeviceNotice;

/// Number of messages whose content is remembered.
const MAX_MESSAGES: usize = 20_000;

/// What [`ContentIndex`] cannot know, as a sentence.
pub const UNKNOWN: &str = "What faults of receivers decided: MQTT 3.1.1 carries no identity of messages. Receptions are \
    recognised by topic and payload, and a message that is equal to another one is not recognised.";

/// The contents of recent messages.
#[derive(Debug, Default)]
pub struct ContentIndex {
    /// The only message with a content; `None` if there are several.
    by_hash: HashMap<u64, Option<Arc<MessageOrigin>>>,
    order: VecDeque<u64>,
}

impl ContentIndex {
    /// Remembers a message that a device publishes.
    pub fn observe(&mut self, step: &DeviceStep) {
        let DeviceStep::Message(MessageStep {
            origin, kind: StepKind::Published { topic, payload, .. }, ..
        }) = step
        else {
            return;
        };
        let hash = hash(topic, payload);
        if let Some(known) = self.by_hash.get_mut(&hash) {
            *known = None;
            return;
        }
        self.by_hash.insert(hash, Some(Arc::clone(origin)));
        self.order.push_back(hash);
        if self.order.len() > MAX_MESSAGES
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_hash.remove(&oldest);
        }
    }

    /// The step of a message that a device received, if it has no identity and is recognised.
    pub fn recognise(&self, notice: &DeviceNotice) -> Option<DeviceStep> {
        let DeviceNotice::Received(topic, payload, latency, id) = notice else { return None };
        if id.id().is_some() {
            return None;
        }
        let origin = self.by_hash.get(&hash(topic, payload))?.clone()?;
        let kind = StepKind::Received(*latency, false);
        Some(DeviceStep::Message(MessageStep { origin, direction: Direction::In, kind }))
    }
}

fn hash(topic: &Topic, payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (topic.as_str(), payload).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wasmote_mqtt::device_id::DeviceId;
    use wasmote_mqtt::message::Qos;
    use wasmote_mqtt::time::WallTime;
    use wasmote_sim::notice::MessageRef;

    use super::*;

    fn topic() -> Topic {
        Topic::new("t").unwrap()
    }

    fn published(sequence: u64, payload: &'static str) -> DeviceStep {
        let origin = Arc::new(MessageOrigin {
            from: DeviceId::new("a").unwrap(),
            sequence,
            sent: WallTime::default(),
            late: Duration::ZERO,
            is_claimed: false,
        });
        let kind = StepKind::Published {
            topic: topic(),
            payload: payload.into(),
            qos: Qos::AtMostOnce,
            retain: false,
        };
        DeviceStep::Message(MessageStep { origin, direction: Direction::Out, kind })
    }

    #[test]
    fn only_a_unique_content_is_recognised() {
        let mut index = ContentIndex::default();
        for (sequence, payload) in [(1, "one"), (2, "same"), (3, "same")] {
            index.observe(&published(sequence, payload));
        }
        let received = |payload: &'static str| {
            index.recognise(&DeviceNotice::Received(topic(), payload.into(), None, MessageRef::default()))
        };
        assert!(matches!(received("one"), Some(DeviceStep::Message(step)) if step.origin.sequence == 1));
        assert!(received("same").is_none() && received("other").is_none());
    }
}
