//! Routing of messages to their subscribers.

use std::sync::Arc;

use super::counters::DropReason;
use super::inflight::Sending;
use super::packet::{Publish, Reply};
use super::retained::RetainedFull;
use super::session::{Session, SessionKey};
use super::steps::BrokerStepKind;
use super::stored::StoredMessage;
use super::subscriptions::Match;
use super::{Broker, Replies};
use crate::message::{Message, Qos};
use crate::protocol::Protocol;
use crate::time::Time;

impl<C: Copy + Ord> Broker<C> {
    /// Distributes a message of a session, or of the host.
    pub(super) fn distribute(
        &mut self,
        message: Message,
        from: Option<SessionKey>,
        now: Time,
        replies: &mut Replies<C>,
    ) -> Result<bool, RetainedFull> {
        // Only the store of retained messages counts by client.
        let session = from.filter(|_| message.retain).and_then(|key| self.sessions.get(key));
        let client = session.map(|session| Arc::clone(&session.client_id));
        self.distribute_from(message, from, client.as_ref(), now, replies)
    }

    /// Stores a retained message and delivers a copy for every matching subscription. `Ok(false)` if no subscription
    /// matches. A message that is to be retained and does not fit is not delivered.
    pub(super) fn distribute_from(
        &mut self,
        message: Message,
        from: Option<SessionKey>,
        client: Option<&Arc<str>>,
        now: Time,
        replies: &mut Replies<C>,
    ) -> Result<bool, RetainedFull> {
        self.counters.received += 1;
        let mut stored = StoredMessage::new(message, now);
        if stored.message.retain
            && let Err(full) = self.retained.store(&stored, client)
        {
            self.counters.refused += 1;
            self.steps
                .add(&stored.message, || BrokerStepKind::Refused("the store of retained messages is full"));
            return Err(full);
        }
        let mut matches = std::mem::take(&mut self.matches);
        self.subscriptions.find(&stored.message.topic, &mut matches);
        // No local: a client does not receive its own messages [MQTT-3.8.3-3].
        matches.retain(|one| !(one.grant.no_local && Some(one.session) == from));
        self.merge_overlapping(&mut matches);
        let wanted = !matches.is_empty();
        self.counters.unmatched += u64::from(!wanted);
        self.steps.add(&stored.message, || BrokerStepKind::Taken(matches.len()));
        for one in matches.drain(..) {
            if self.is_queued(&one, &stored) && !stored.lease_from(&self.stored_budget) {
                self.counters.copies += 1;
                self.counters.drop(DropReason::BrokerFull, 1);
                self.dropped(one.session, &stored.message, DropReason::BrokerFull);
                continue;
            }
            self.deliver(one.session, one.copy(&stored), now, replies);
        }
        self.matches = matches;
        Ok(wanted)
    }

    /// Whether a copy waits for an acknowledgement or for the client.
    fn is_queued(&self, one: &Match, stored: &StoredMessage) -> bool {
        let qos = stored.message.qos.min(one.grant.qos);
        let is_absent = || self.sessions.get(one.session).is_some_and(|session| session.connection.is_none());
        qos != Qos::AtMostOnce || (self.limits.queue_qos_0 && is_absent())
    }

    /// Merges matches of one client. A client of 3.1.1 gets one copy for all of its subscriptions, at the
    /// highest QoS. A client of MQTT 5 can tell copies apart and gets all of them [MQTT-3.3.4-2],
    /// [MQTT-3.3.4-5].
    fn merge_overlapping(&self, matches: &mut Vec<Match>) {
        if matches.len() < 2 {
            return;
        }
        matches.sort_by_key(|one| (one.session, one.shared));
        matches.dedup_by(|later, earlier| {
            let overlap = later.session == earlier.session && !later.shared && !earlier.shared;
            let merge = overlap && self.protocol_of(later.session) == Some(Protocol::V4);
            if merge {
                earlier.grant.qos = earlier.grant.qos.max(later.grant.qos);
            }
            merge
        });
    }

    pub(super) fn protocol_of(&self, key: SessionKey) -> Option<Protocol> {
        self.sessions.get(key).map(|session| session.protocol)
    }

    /// Delivers a copy to a session. The copy waits while the window is full or the client is disconnected.
    pub(super) fn deliver(
        &mut self,
        key: SessionKey,
        stored: StoredMessage,
        now: Time,
        replies: &mut Replies<C>,
    ) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        self.counters.copies += 1;
        match (stored.message.qos, session.connection_id()) {
            (Qos::AtMostOnce, Some(id)) => {
                self.counters.delivered += 1;
                self.steps.add(&stored.message, || BrokerStepKind::Sent(Arc::clone(&session.client_id)));
                let subscription_ids = stored.subscription_id.into_iter().collect();
                let publish = Publish { subscription_ids, ..Publish::new(stored.message, None) };
                replies.push((id, Reply::Publish(for_protocol(session.protocol, publish))));
            }
            (Qos::AtMostOnce, None) if !self.limits.queue_qos_0 => {
                self.counters.drop(DropReason::Absent, 1);
                self.dropped(key, &stored.message, DropReason::Absent);
            }
            _ => self.enqueue(key, stored, now, replies),
        }
    }

    fn enqueue(&mut self, key: SessionKey, stored: StoredMessage, now: Time, replies: &mut Replies<C>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Session { client_id, outgoing, connection, .. } = session;
        let (steps, is_absent) = (&mut self.steps, connection.is_none());
        // The message is kept only for a step, which is rare.
        let message = steps.is_followed.then(|| stored.message.clone());
        let (expired, queued) = outgoing.enqueue(stored, now, |message| {
            steps.add(message, || BrokerStepKind::Dropped(Arc::clone(client_id), DropReason::Expired));
        });
        self.counters.drop(DropReason::Expired, expired);
        if let Some(message) = message {
            match &queued {
                Ok(()) if is_absent => steps.add(&message, || BrokerStepKind::Queued(Arc::clone(client_id))),
                Ok(()) => {}
                Err(_) => steps
                    .add(&message, || BrokerStepKind::Dropped(Arc::clone(client_id), DropReason::QueueFull)),
            }
        }
        match queued {
            Ok(()) => self.pump(key, now, replies),
            Err(_) => self.counters.drop(DropReason::QueueFull, 1),
        }
    }

    /// Notes that the copy of a message for a session was dropped.
    pub(super) fn dropped(&mut self, key: SessionKey, message: &Message, reason: DropReason) {
        let Some(session) = self.sessions.get(key) else { return };
        self.steps.add(message, || BrokerStepKind::Dropped(Arc::clone(&session.client_id), reason));
    }

    /// Sends queued copies as far as the client's window allows.
    pub(super) fn pump(&mut self, key: SessionKey, now: Time, replies: &mut Replies<C>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(id) = session.connection_id() else { return };
        let protocol = session.protocol;
        let Session { client_id, outgoing, .. } = session;
        let (counters, steps) = (&mut self.counters, &mut self.steps);
        let expired = outgoing.pump(now, |sending| match sending {
            Sending::Publish(publish) => {
                counters.delivered += u64::from(publish.packet_id.is_none());
                steps.add(&publish.message, || BrokerStepKind::Sent(Arc::clone(client_id)));
                replies.push((id, Reply::Publish(for_protocol(protocol, publish))));
            }
            Sending::Expired(message) => {
                steps.add(message, || BrokerStepKind::Dropped(Arc::clone(client_id), DropReason::Expired));
            }
        });
        counters.drop(DropReason::Expired, expired);
    }
}

impl Match {
    /// Copy of a message for this subscription.
    fn copy(&self, stored: &StoredMessage) -> StoredMessage {
        let mut stored = stored.clone();
        // [MQTT-3.8.4-8]
        stored.message.qos = stored.message.qos.min(self.grant.qos);
        // A live message loses its retain flag, unless the subscription has Retain As Published
        // [MQTT-3.3.1-12], [MQTT-3.3.1-13].
        stored.message.retain &= self.grant.retain_as_published;
        stored.subscription_id = self.grant.identifier;
        stored
    }
}

/// Reduces a message to the client's protocol: 3.1.1 has no properties.
fn for_protocol(protocol: Protocol, mut publish: Publish) -> Publish {
    if protocol == Protocol::V4 {
        publish.message.properties = None;
        publish.subscription_ids.clear();
    }
    publish
}
