//! Subscriptions by topic filter.

mod subscribers;

use super::filter::ParsedFilter;
use super::session::SessionKey;
use crate::filter_tree::FilterTree;
use crate::topic::Topic;
pub(super) use subscribers::Grant;
use subscribers::Subscribers;

/// A subscription that matches a publication.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    pub(super) session: SessionKey,
    pub(super) grant: Grant,
    pub(super) shared: bool,
}

/// All subscriptions of all sessions.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(FilterTree<Subscribers>);

impl Subscriptions {
    /// Adds or replaces a subscription [MQTT-3.8.4-3]. True if it is new.
    pub(super) fn insert(&mut self, parts: ParsedFilter<'_>, session: SessionKey, grant: Grant) -> bool {
        self.0.entry(parts.pattern).insert(parts.group, session, grant)
    }

    /// Removes a subscription [MQTT-3.10.4-1]. True if it existed.
    pub(super) fn remove(&mut self, parts: ParsedFilter<'_>, session: SessionKey) -> bool {
        self.0.take(parts.pattern, |subscribers| subscribers.remove(parts.group, session))
    }

    /// Finds the subscribers of a topic, in an order that depends only on the subscriptions. Each shared
    /// subscription gives one of its members in turn (section 4.8.2).
    pub(super) fn find(&mut self, topic: &Topic, found: &mut Vec<Match>) {
        self.0.visit(topic, |subscribers| subscribers.select(found));
    }
}
