//! Who wants which messages.

mod subscribers;

pub(super) use subscribers::Grant;
use subscribers::Subscribers;

use super::filter::ParsedFilter;
use super::session::SessionKey;
use crate::filter_tree::FilterTree;
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
pub(super) struct Subscriptions(FilterTree<Subscribers>);

impl Subscriptions {
    /// Make or replace a subscription [MQTT-3.8.4-3]. True if there was none before.
    pub(super) fn insert(&mut self, parts: ParsedFilter<'_>, session: SessionKey, grant: Grant) -> bool {
        self.0.entry(parts.pattern).insert(parts.group, session, grant)
    }

    /// Take a subscription back [MQTT-3.10.4-1]. True if there was one.
    pub(super) fn remove(&mut self, parts: ParsedFilter<'_>, session: SessionKey) -> bool {
        self.0.take(parts.pattern, |subscribers| subscribers.remove(parts.group, session))
    }

    /// Find who wants a message on this topic, in an order that depends on nothing but what was subscribed.
    /// Each shared subscription gives one of its members, the next in turn (section 4.8.2).
    pub(super) fn find(&mut self, topic: &Topic, found: &mut Vec<Match>) {
        self.0.visit(topic, |subscribers| subscribers.select(found));
    }
}
