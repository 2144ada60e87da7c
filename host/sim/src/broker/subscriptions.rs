//! Who wants which messages: a tree with one level of the topic at each step.
//!
//! A publication visits only the branches that its topic names and the wildcards beside them, so that its
//! cost follows the number of matches and not the number of subscriptions.

mod leaf;

use std::collections::BTreeMap;

pub(super) use leaf::Grant;
use leaf::Leaf;

use super::filter::Parts;
use super::session::SessionKey;
use crate::topic::Topic;

/// One subscription that a publication matches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    pub(super) session: SessionKey,
    pub(super) grant: Grant,
    pub(super) shared: bool,
}

/// All subscriptions of all sessions.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Node);

#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<Box<str>, Node>,
    /// Filters with `+` at the next level.
    any: Option<Box<Node>>,
    /// Filters that end here.
    here: Leaf,
    /// Filters that end here with `#`, which stands for this level too [MQTT-4.7.1.2].
    below: Leaf,
}

impl Subscriptions {
    /// Make or replace a subscription [MQTT-3.8.4-3]. True if there was none before.
    pub(super) fn insert(&mut self, parts: Parts<'_>, session: SessionKey, grant: Grant) -> bool {
        let mut node = &mut self.0;
        for level in parts.pattern.split('/') {
            node = match level {
                "#" => return node.below.insert(parts.group, session, grant),
                "+" => node.any.get_or_insert_default(),
                // A lookup first, so that a level that exists is not copied.
                literal if node.children.contains_key(literal) => {
                    node.children.get_mut(literal).expect("it was just found")
                }
                literal => node.children.entry(literal.into()).or_default(),
            };
        }
        node.here.insert(parts.group, session, grant)
    }

    /// Take a subscription back [MQTT-3.10.4-1]. True if there was one.
    pub(super) fn remove(&mut self, parts: Parts<'_>, session: SessionKey) -> bool {
        let mut levels = parts.pattern.split('/');
        self.0.remove(&mut levels, parts.group, session)
    }

    /// Find who wants a message on this topic, in an order that depends on nothing but what was subscribed.
    /// Each shared subscription gives one of its members, the next in turn (section 4.8.2).
    pub(super) fn find(&mut self, topic: &Topic, found: &mut Vec<Match>) {
        // Topics with `$` are not for filters that begin with a wildcard [MQTT-4.7.2-1].
        let wildcards = !topic.as_str().starts_with('$');
        self.0.find(topic.as_str().split('/'), wildcards, found);
    }
}

impl Node {
    fn find<'a>(
        &mut self,
        mut levels: impl Iterator<Item = &'a str> + Clone,
        wildcards: bool,
        found: &mut Vec<Match>,
    ) {
        if wildcards {
            self.below.choose(found);
        }
        let Some(level) = levels.next() else { return self.here.choose(found) };
        if let Some(child) = self.children.get_mut(level) {
            child.find(levels.clone(), true, found);
        }
        if let Some(any) = self.any.as_deref_mut().filter(|_| wildcards) {
            any.find(levels, true, found);
        }
    }

    fn remove<'a>(
        &mut self,
        levels: &mut impl Iterator<Item = &'a str>,
        group: Option<&str>,
        session: SessionKey,
    ) -> bool {
        match levels.next() {
            None => self.here.remove(group, session),
            Some("#") => self.below.remove(group, session),
            Some("+") => {
                let Some(any) = &mut self.any else { return false };
                let removed = any.remove(levels, group, session);
                self.any.take_if(|any| any.is_empty());
                removed
            }
            Some(literal) => {
                let Some(child) = self.children.get_mut(literal) else { return false };
                let removed = child.remove(levels, group, session);
                if child.is_empty() {
                    self.children.remove(literal);
                }
                removed
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.any.is_none() && self.here.is_empty() && self.below.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::TopicFilter;

    fn key(number: u32) -> SessionKey {
        SessionKey::new(number)
    }

    fn subscribe(tree: &mut Subscriptions, filter: &str, session: u32) -> bool {
        let filter = TopicFilter::new(filter).unwrap();
        tree.insert(Parts::of(&filter).unwrap(), key(session), Grant::default())
    }

    fn found(tree: &mut Subscriptions, topic: &str) -> Vec<SessionKey> {
        let mut found = Vec::new();
        tree.find(&Topic::new(topic).unwrap(), &mut found);
        let mut sessions: Vec<_> = found.into_iter().map(|one| one.session).collect();
        sessions.sort_unstable();
        sessions
    }

    /// The tree has to agree with [`TopicFilter::matches`], which reads the rules one by one.
    #[test]
    fn the_tree_finds_what_the_filters_match() {
        let filters =
            ["#", "+", "a", "a/#", "a/+", "a/+/c", "+/b", "/a", "/+", "$SYS/#", "$SYS/a", "a//b", "+/+"];
        let topics = ["a", "a/b", "a/b/c", "a/b/c/d", "/a", "/", "$SYS/a", "$SYS", "a//b", "b"];
        let mut tree = Subscriptions::default();
        for (session, filter) in (0..).zip(filters) {
            assert!(subscribe(&mut tree, filter, session));
        }
        for text in topics {
            let topic = Topic::new(text).unwrap();
            let expected =
                (0..).zip(filters).filter(|(_, filter)| TopicFilter::new(*filter).unwrap().matches(&topic));
            let expected: Vec<_> = expected.map(|(session, _)| key(session)).collect();
            assert_eq!(found(&mut tree, text), expected, "{text}");
        }
    }

    #[test]
    fn taking_everything_back_leaves_nothing_behind() {
        let mut tree = Subscriptions::default();
        let filters = ["a/b/c", "a/+/c", "a/#", "$share/g/a/b", "+/+/+"];
        for filter in filters {
            subscribe(&mut tree, filter, 1);
        }
        for filter in filters {
            let filter = TopicFilter::new(filter).unwrap();
            assert!(tree.remove(Parts::of(&filter).unwrap(), key(1)));
            assert!(!tree.remove(Parts::of(&filter).unwrap(), key(1)), "it is gone");
        }
        assert!(tree.0.is_empty(), "no empty branch is kept");
    }

    #[test]
    fn a_hundred_thousand_subscriptions_cost_a_publication_nothing() {
        let mut tree = Subscriptions::default();
        for n in 0..100_000 {
            subscribe(&mut tree, &format!("root/device-{n}/cmd"), n);
        }
        // A scan of all for each of these would take minutes.
        for n in 0..100_000 {
            assert_eq!(found(&mut tree, &format!("root/device-{n}/cmd")), [key(n)]);
        }
    }
}
