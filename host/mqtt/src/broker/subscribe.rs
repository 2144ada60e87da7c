//! SUBSCRIBE and UNSUBSCRIBE [MQTT-3.8], [MQTT-3.10].

use super::filter::ParsedFilter;
use super::packet::{PacketId, Reply, RetainHandling, SubAck, Subscribe, SubscribeOptions, Unsubscribe};
use super::reason::{CloseReason, SubscribeRefusal};
use super::session::{Session, SessionKey, SubscriptionLease};
use super::stored::StoredMessage;
use super::subscriptions::Grant;
use super::{Broker, Replies};
use crate::message::Qos;
use crate::time::Time;
use crate::topic::TopicFilter;

impl<C: Copy + Ord> Broker<C> {
    pub(super) fn subscribe(
        &mut self,
        key: SessionKey,
        subscribe: Subscribe,
        now: Time,
        replies: &mut Replies<C>,
    ) {
        if subscribe.filters.iter().any(|(filter, options)| is_shared(filter) && options.no_local) {
            // [MQTT-3.8.3-4]
            return self.close(key, CloseReason::ProtocolError, now, replies);
        }
        let mut retained = Vec::new();
        let mut granted = Vec::with_capacity(subscribe.filters.len());
        for (filter, options) in subscribe.filters {
            granted.push(self.add(key, filter, options, subscribe.identifier, now, &mut retained));
        }
        // [MQTT-3.8.4-6]
        self.acknowledge_subscription(key, subscribe.packet_id, granted, replies);
        for stored in retained {
            self.deliver(key, stored, now, replies);
        }
    }

    fn add(
        &mut self,
        key: SessionKey,
        filter: TopicFilter,
        options: SubscribeOptions,
        identifier: Option<u32>,
        now: Time,
        retained: &mut Vec<StoredMessage>,
    ) -> Result<Qos, SubscribeRefusal> {
        let parts = ParsedFilter::parse(&filter)?;
        let SubscribeOptions { qos, no_local, retain_as_published, .. } = options;
        let grant = Grant { qos, no_local, retain_as_published, identifier };
        let lease = self.lease_subscription(key, &filter)?;
        let is_new = self.subscriptions.insert(parts, key, grant);
        let wanted = match options.retain_handling {
            RetainHandling::Always => true,
            RetainHandling::IfNew => is_new,
            RetainHandling::Never => false,
        };
        // Retained messages are not sent to shared subscriptions (section 4.8.2).
        if wanted && parts.group.is_none() {
            retained.extend(
                self.retained.find(&filter, now).into_iter().map(|stored| grant.apply_to_retained(stored)),
            );
        }
        if let (Some(session), Some(lease)) = (self.sessions.get_mut(key), lease) {
            session.filters.insert(filter, lease);
        }
        Ok(qos)
    }

    /// Takes the bytes of a new subscription. `None` for one that exists.
    fn lease_subscription(
        &self,
        key: SessionKey,
        filter: &TopicFilter,
    ) -> Result<Option<SubscriptionLease>, SubscribeRefusal> {
        let Some(session) = self.sessions.get(key) else { return Ok(None) };
        if session.filters.contains_key(filter) {
            return Ok(None);
        }
        let bytes = subscription_bytes(filter.as_str());
        let Some(_of_client) = session.filter_budget.take(bytes) else {
            self.subscription_budget.refuse();
            return Err(SubscribeRefusal::QuotaExceeded);
        };
        let _of_all = self.subscription_budget.take(bytes).ok_or(SubscribeRefusal::QuotaExceeded)?;
        Ok(Some(SubscriptionLease { _of_client, _of_all }))
    }

    fn acknowledge_subscription(
        &mut self,
        key: SessionKey,
        packet_id: PacketId,
        granted: Vec<Result<Qos, SubscribeRefusal>>,
        replies: &mut Replies<C>,
    ) {
        if let Some(id) = self.sessions.get(key).and_then(Session::connection_id) {
            replies.push((id, Reply::SubAck(SubAck { packet_id, granted })));
        }
    }

    /// Removes subscriptions. Messages that are already queued are still delivered [MQTT-3.10.4-3].
    pub(super) fn unsubscribe(
        &mut self,
        key: SessionKey,
        unsubscribe: Unsubscribe,
        replies: &mut Replies<C>,
    ) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let mut existed = Vec::with_capacity(unsubscribe.filters.len());
        for filter in &unsubscribe.filters {
            existed.push(Ok(session.filters.remove(filter).is_some()));
            if let Ok(parts) = ParsedFilter::parse(filter) {
                self.subscriptions.remove(parts, key);
            }
        }
        if let Some(id) = session.connection_id() {
            // [MQTT-3.10.4-4]
            replies.push((id, Reply::UnsubAck(unsubscribe.packet_id, existed)));
        }
    }
}

impl Grant {
    /// A retained message for a new subscription, with the retain flag set (section 3.3.1.3).
    fn apply_to_retained(self, mut stored: StoredMessage) -> StoredMessage {
        stored.message.qos = stored.message.qos.min(self.qos);
        stored.message.retain = true;
        stored.subscription_id = self.identifier;
        stored
    }
}

/// Bytes of a subscription: each level of its filter may need a node of the tree.
fn subscription_bytes(filter: &str) -> usize {
    const FIXED: usize = 512;
    const LEVEL: usize = 512;
    FIXED + 2 * filter.len() + LEVEL * filter.split('/').count()
}

fn is_shared(filter: &TopicFilter) -> bool {
    filter.as_str().starts_with("$share/")
}
