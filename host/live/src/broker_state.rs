//! State that a fleet leaves at an external broker: which of it is cleared, and which retained messages there are.

use std::collections::BTreeSet;
use std::sync::Arc;

use wasmote_mqtt::topic::Topic;

/// Broker state that an orderly end of a fleet clears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CleanUp {
    /// None: sessions and retained messages stay.
    #[default]
    Off,
    /// Sessions of the devices, and retained messages that they published below this topic.
    Below(Arc<str>),
    /// Sessions of the devices, and all retained messages that they published.
    All,
}

impl CleanUp {
    /// Whether sessions are discarded.
    pub(crate) fn is_on(&self) -> bool {
        *self != Self::Off
    }

    fn covers(&self, topic: &Topic) -> bool {
        match self {
            Self::Off => false,
            Self::Below(root) => {
                topic.as_str().strip_prefix(&**root).is_some_and(|rest| rest.starts_with('/'))
            }
            Self::All => true,
        }
    }
}

/// State that the devices of a shard may have left at the broker.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    /// Topics of retained messages.
    pub(crate) topics: BTreeSet<Topic>,
    /// Retained messages on topics that were not recorded.
    pub(crate) missed: u64,
    /// Sessions that could not be discarded.
    pub(crate) sessions: u64,
}

impl Leftovers {
    /// Adds those of another shard.
    pub(crate) fn add(&mut self, other: Self) {
        self.topics.extend(other.topics);
        self.missed += other.missed;
        self.sessions += other.sessions;
    }
}

/// Topics of retained messages that were published.
#[derive(Debug, Default)]
pub(crate) struct RetainedTopics {
    scope: CleanUp,
    topics: BTreeSet<Topic>,
    bytes: usize,
    /// Messages on topics that were not recorded because the limit was reached.
    missed: u64,
}

impl RetainedTopics {
    /// Maximum size of the topics in bytes, with an estimate of what the set itself takes.
    pub(crate) const MAX_BYTES: usize = 16 << 20;
    const BYTES_PER_TOPIC: usize = 64;

    pub(crate) fn new(scope: CleanUp) -> Self {
        Self { scope, ..Self::default() }
    }

    /// Records a retained message. An empty one clears its topic [MQTT-3.3.1-6].
    pub(crate) fn record(&mut self, topic: &Topic, is_empty: bool) {
        let size = topic.as_str().len() + Self::BYTES_PER_TOPIC;
        if is_empty {
            if self.topics.remove(topic) {
                self.bytes -= size;
            }
        } else if self.scope.covers(topic) && !self.topics.contains(topic) {
            if self.bytes + size > Self::MAX_BYTES {
                self.missed += 1;
            } else {
                self.bytes += size;
                self.topics.insert(topic.clone());
            }
        }
    }

    /// Takes the recorded topics, and the number of messages that were not recorded.
    pub(crate) fn take(&mut self) -> (BTreeSet<Topic>, u64) {
        self.bytes = 0;
        (std::mem::take(&mut self.topics), std::mem::take(&mut self.missed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> Topic {
        Topic::new(text).unwrap()
    }

    #[test]
    fn only_topics_of_the_scope_that_still_hold_a_message_are_recorded() {
        let mut retained = RetainedTopics::new(CleanUp::Below("plant/west".into()));
        for name in ["plant/west/a", "plant/west/b", "plant/west", "plant/westend/c", "other"] {
            retained.record(&topic(name), false);
        }
        retained.record(&topic("plant/west/b"), true);
        assert_eq!(retained.take(), (BTreeSet::from([topic("plant/west/a")]), 0));
        assert_eq!(retained.take().0.len(), 0);
        let mut all = RetainedTopics::new(CleanUp::All);
        all.record(&topic("other"), false);
        assert_eq!(all.take().0.len(), 1);
    }

    #[test]
    fn the_record_is_bounded_and_counts_what_it_misses() {
        let mut retained = RetainedTopics::new(CleanUp::All);
        let level = "x".repeat(60_000);
        for number in 0..300 {
            retained.record(&topic(&format!("{level}{number}")), false);
        }
        let (topics, missed) = retained.take();
        assert!(missed > 0 && topics.len() as u64 + missed == 300, "{} and {missed}", topics.len());
    }
}
