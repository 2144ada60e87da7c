//! Retained messages [MQTT-3.3.1.3].

use std::collections::BTreeMap;

use super::stored::StoredMessage;
use crate::message::Message;
use crate::time::Time;
use crate::topic::{Topic, TopicFilter};

/// Retained messages by topic.
#[derive(Debug, Default)]
pub(super) struct Retained(BTreeMap<Topic, StoredMessage>);

impl Retained {
    /// Stores or replaces the retained message of a topic [MQTT-3.3.1-5]. An empty message clears the topic
    /// and is not stored [MQTT-3.3.1-6], [MQTT-3.3.1-7].
    pub(super) fn store(&mut self, stored: &StoredMessage) {
        if stored.message.payload.is_empty() {
            self.0.remove(&stored.message.topic);
        } else {
            self.0.insert(stored.message.topic.clone(), stored.clone());
        }
    }

    /// The message of one topic, even if it has expired.
    pub(super) fn get(&self, topic: &Topic) -> Option<&Message> {
        self.0.get(topic).map(|stored| &stored.message)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Retained messages that match a filter, in the order of topics. Expired messages are removed.
    pub(super) fn find(&mut self, pattern: &TopicFilter, now: Time) -> Vec<StoredMessage> {
        let prefix = literal_prefix(pattern.as_str());
        let Ok(first) = Topic::new(prefix) else { return self.scan(pattern, now) };
        let from = self.0.range(first..).take_while(|(topic, _)| topic.as_str().starts_with(prefix));
        let matching: Vec<StoredMessage> =
            from.filter(|(topic, _)| pattern.matches(topic)).map(|(_, stored)| stored.clone()).collect();
        self.drop_expired(matching, now)
    }

    /// Finds matches of a filter that begins with a wildcard, by a scan of all topics.
    fn scan(&mut self, pattern: &TopicFilter, now: Time) -> Vec<StoredMessage> {
        let matching =
            self.0.values().filter(|stored| pattern.matches(&stored.message.topic)).cloned().collect();
        self.drop_expired(matching, now)
    }

    fn drop_expired(&mut self, mut matching: Vec<StoredMessage>, now: Time) -> Vec<StoredMessage> {
        matching.retain(|stored| {
            let expired = stored.is_expired(now);
            if expired {
                self.0.remove(&stored.message.topic);
            }
            !expired
        });
        matching
    }
}

/// Common prefix of all topics that match a filter. `a/#` also matches `a`, so its prefix has no slash.
fn literal_prefix(pattern: &str) -> &str {
    match pattern.find(['+', '#']) {
        None => pattern,
        Some(wildcard) => pattern[..wildcard].strip_suffix('/').unwrap_or(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(retained: &mut Retained, pattern: &str) -> Vec<String> {
        let found = retained.find(&TopicFilter::new(pattern).unwrap(), Time::ZERO);
        found.into_iter().map(|stored| stored.message.topic.to_string()).collect()
    }

    #[test]
    fn a_search_finds_what_its_pattern_matches() {
        let mut retained = Retained::default();
        for topic in ["/x", "a", "a-b", "a/b", "a/b/c", "ab", "b", "$SYS/a"] {
            let message = Message::new(Topic::new(topic).unwrap(), "kept");
            retained.store(&StoredMessage::new(message, Time::ZERO));
        }
        assert_eq!(found(&mut retained, "a/#"), ["a", "a/b", "a/b/c"]);
        assert_eq!(found(&mut retained, "a/+"), ["a/b"]);
        assert_eq!(found(&mut retained, "a"), ["a"]);
        assert_eq!(found(&mut retained, "/+"), ["/x"]);
        assert_eq!(found(&mut retained, "+"), ["a", "a-b", "ab", "b"]);
        assert_eq!(found(&mut retained, "#").len(), 7, "all but the one with `$`");
        assert_eq!(found(&mut retained, "$SYS/#"), ["$SYS/a"]);
    }
}
