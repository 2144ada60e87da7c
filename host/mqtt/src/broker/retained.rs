//! Retained messages [MQTT-3.3.1.3].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limits::BrokerLimits;
use super::stored::StoredMessage;
use crate::budget::{BudgetReport, ByteBudget, Lease};
use crate::message::Message;
use crate::time::Time;
use crate::topic::{Topic, TopicFilter};

/// Retained messages by topic, within a limit for all and one for the messages of each client.
#[derive(Debug)]
pub(super) struct Retained {
    messages: BTreeMap<Topic, RetainedMessage>,
    budget: ByteBudget,
    /// Budgets of the clients that have retained messages.
    clients: BTreeMap<Arc<str>, ByteBudget>,
    client_limit: u64,
    /// Number of budgets at which those of clients without retained messages are removed.
    prune_at: usize,
}

#[derive(Debug)]
struct RetainedMessage {
    stored: StoredMessage,
    bytes: usize,
    /// The client that published it, with its bytes in the client's budget; `None` for the host.
    owner: Option<(Arc<str>, Lease)>,
}

/// The store has no room for a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RetainedFull;

/// Smallest value of [`Retained::prune_at`].
const MIN_PRUNED: usize = 64;

impl Retained {
    pub(super) fn new(limits: &BrokerLimits) -> Self {
        Self {
            messages: BTreeMap::new(),
            budget: ByteBudget::new(limits.retained_bytes),
            clients: BTreeMap::new(),
            client_limit: limits.client_retained_bytes,
            prune_at: MIN_PRUNED,
        }
    }

    /// Stores or replaces the retained message of a topic [MQTT-3.3.1-5]. An empty message clears the topic
    /// and is not stored [MQTT-3.3.1-6], [MQTT-3.3.1-7]. A message of the host, without a client, is always stored. If there
    /// is no room, the earlier message stays.
    pub(super) fn store(
        &mut self,
        stored: &StoredMessage,
        client: Option<&Arc<str>>,
    ) -> Result<(), RetainedFull> {
        let topic = &stored.message.topic;
        if stored.message.payload.is_empty() {
            self.messages.remove(topic);
            return Ok(());
        }
        let bytes = stored.message.footprint();
        let replaced = self.messages.get(topic).map_or(0, |before| before.bytes);
        let owner = match client {
            None => None,
            Some(client) => {
                let of_client = |before: &&RetainedMessage| {
                    before.owner.as_ref().is_some_and(|(owner, _)| owner == client)
                };
                let own = self.messages.get(topic).filter(of_client).map_or(0, |before| before.bytes);
                let budget = self.budget_of(client);
                let fits = fits(&budget, bytes, own) && fits(&self.budget, bytes, replaced);
                if !fits {
                    self.budget.refuse();
                    return Err(RetainedFull);
                }
                Some((Arc::clone(client), budget.force(bytes)))
            }
        };
        let stored = stored.without_lease().with_lease(self.budget.force(bytes));
        self.messages.insert(topic.clone(), RetainedMessage { stored, bytes, owner });
        Ok(())
    }

    fn budget_of(&mut self, client: &Arc<str>) -> ByteBudget {
        if let Some(budget) = self.clients.get(client) {
            return budget.clone();
        }
        if self.clients.len() >= self.prune_at {
            self.clients.retain(|_, budget| budget.used() > 0);
            self.prune_at = (2 * self.clients.len()).max(MIN_PRUNED);
        }
        let budget = ByteBudget::new(self.client_limit);
        self.clients.insert(Arc::clone(client), budget.clone());
        budget
    }

    /// Removes all messages. The count of refusals stays.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.clients.clear();
    }

    /// Bytes of all messages.
    pub(super) fn report(&self) -> BudgetReport {
        self.budget.report()
    }

    /// The message of one topic, even if it has expired.
    pub(super) fn get(&self, topic: &Topic) -> Option<&Message> {
        self.messages.get(topic).map(|retained| &retained.stored.message)
    }

    /// All messages in the order of their topics.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.messages.values().map(|retained| &retained.stored.message)
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Retained messages that match a filter, in the order of topics. Expired messages are removed.
    pub(super) fn find(&mut self, pattern: &TopicFilter, now: Time) -> Vec<StoredMessage> {
        let prefix = literal_prefix(pattern.as_str());
        let Ok(first) = Topic::new(prefix) else { return self.scan(pattern, now) };
        let from = self.messages.range(first..).take_while(|(topic, _)| topic.as_str().starts_with(prefix));
        let matching = from.filter(|(topic, _)| pattern.matches(topic));
        let matching = matching.map(|(_, retained)| retained.stored.clone()).collect();
        self.drop_expired(matching, now)
    }

    /// Finds matches of a filter that begins with a wildcard, by a scan of all topics.
    fn scan(&mut self, pattern: &TopicFilter, now: Time) -> Vec<StoredMessage> {
        let all = self.messages.values().map(|retained| &retained.stored);
        let matching = all.filter(|stored| pattern.matches(&stored.message.topic)).cloned().collect();
        self.drop_expired(matching, now)
    }

    fn drop_expired(&mut self, mut matching: Vec<StoredMessage>, now: Time) -> Vec<StoredMessage> {
        matching.retain(|stored| {
            let expired = stored.is_expired(now);
            if expired {
                self.messages.remove(&stored.message.topic);
            }
            !expired
        });
        matching
    }
}

/// Whether bytes fit into a budget in place of those of the message that they replace.
fn fits(budget: &ByteBudget, bytes: usize, replaced: usize) -> bool {
    budget.has_room(bytes.saturating_sub(replaced))
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
    fn one_client_fills_its_share_and_others_keep_theirs() {
        let limits =
            BrokerLimits { retained_bytes: 10_000, client_retained_bytes: 4_000, ..BrokerLimits::default() };
        let mut retained = Retained::new(&limits);
        let mut store = |client: &str, topic: String, bytes: usize| {
            let message = Message::new(Topic::new(topic).unwrap(), vec![0; bytes]);
            retained.store(&StoredMessage::new(message, Time::ZERO), Some(&client.into()))
        };
        let hostile = (0..100).filter(|n| store("hostile", format!("t/{n}"), 100).is_ok()).count();
        assert_eq!(hostile, 11, "each takes 256 + 3 or 4 + 100 bytes");
        store("honest", "t/honest".into(), 100).unwrap();
        // A replacement needs only the difference, and an empty message makes room.
        store("hostile", "t/0".into(), 90).unwrap();
        assert_eq!(store("hostile", "t/0".into(), 300), Err(RetainedFull));
        store("hostile", "t/1".into(), 0).unwrap();
        store("hostile", "t/0".into(), 300).unwrap();
        assert_eq!(retained.report().refused, 90);
        for n in 0..200 {
            let (client, topic) = (format!("c-{n}"), Topic::new(format!("c/{n}")).unwrap());
            let message = StoredMessage::new(Message::new(topic, "x"), Time::ZERO);
            let _ = retained.store(&message, Some(&client.as_str().into()));
        }
        assert!(retained.report().used <= 10_000, "{:?}", retained.report());
        assert!(retained.clients.len() <= MIN_PRUNED + 1, "budgets of clients without messages are removed");
        retained.clear();
        assert_eq!(retained.report().used, 0);
    }

    #[test]
    fn a_search_finds_what_its_pattern_matches() {
        let mut retained = Retained::new(&BrokerLimits::default());
        for topic in ["/x", "a", "a-b", "a/b", "a/b/c", "ab", "b", "$SYS/a"] {
            let message = Message::new(Topic::new(topic).unwrap(), "kept");
            retained.store(&StoredMessage::new(message, Time::ZERO), None).unwrap();
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
