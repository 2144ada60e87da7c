//! The way of a message to those who want it.

use super::held::Held;
use super::packet::{Publish, Reply};
use super::session::SessionKey;
use super::subscriptions::Match;
use super::tally::DropReason;
use super::{Broker, Replies};
use crate::context::Protocol;
use crate::message::{Message, Qos};
use crate::time::Time;

impl<C: Copy + Ord> Broker<C> {
    /// Keep a message if it is to be retained, and give a copy to every subscription that matches. False
    /// if none does.
    pub(super) fn distribute(
        &mut self,
        message: Message,
        from: Option<SessionKey>,
        now: Time,
        replies: &mut Replies<C>,
    ) -> bool {
        self.tally.received += 1;
        let held = Held::new(message, now);
        if held.message.retain {
            self.retained.keep(&held);
        }
        let mut matches = std::mem::take(&mut self.matches);
        self.subscriptions.find(&held.message.topic, &mut matches);
        // A client does not get its own message where it said so [MQTT-3.8.3-3].
        matches.retain(|one| !(one.grant.no_local && Some(one.session) == from));
        self.merge_overlapping(&mut matches);
        let wanted = !matches.is_empty();
        self.tally.unmatched += u64::from(!wanted);
        for one in matches.drain(..) {
            self.hand_on(one.session, one.copy(&held), now, replies);
        }
        self.matches = matches;
        wanted
    }

    /// A client of 3.1.1 gets one copy for all of its subscriptions, at the highest QoS; one of MQTT 5 can
    /// tell copies apart and gets them all [MQTT-3.3.4-2], [MQTT-3.3.4-5].
    fn merge_overlapping(&self, matches: &mut Vec<Match>) {
        if matches.len() < 2 {
            return;
        }
        matches.sort_by_key(|one| (one.session, one.shared));
        matches.dedup_by(|later, earlier| {
            let overlap = later.session == earlier.session && !later.shared && !earlier.shared;
            let merge = overlap && self.speaks(later.session) == Some(Protocol::V4);
            if merge {
                earlier.grant.qos = earlier.grant.qos.max(later.grant.qos);
            }
            merge
        });
    }

    fn speaks(&self, key: SessionKey) -> Option<Protocol> {
        self.sessions.get(key).map(|session| session.protocol)
    }

    /// Give a copy to a session: at once, or when there is room, or when the client is back.
    pub(super) fn hand_on(&mut self, key: SessionKey, held: Held, now: Time, replies: &mut Replies<C>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        self.tally.copies += 1;
        match (held.message.qos, session.connection_id()) {
            (Qos::AtMostOnce, Some(id)) => {
                self.tally.delivered += 1;
                let subscription_ids = held.subscription_id.into_iter().collect();
                let publish = Publish { subscription_ids, ..Publish::new(held.message, None) };
                replies.push((id, Reply::Publish(within(session.protocol, publish))));
            }
            (Qos::AtMostOnce, None) if !self.limits.queue_qos_0 => self.tally.drop(DropReason::Absent, 1),
            _ => self.enqueue(key, held, now, replies),
        }
    }

    fn enqueue(&mut self, key: SessionKey, held: Held, now: Time, replies: &mut Replies<C>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let (expired, room) = session.outgoing.enqueue(held, now);
        self.tally.drop(DropReason::Expired, expired);
        match room {
            Ok(()) => self.pump(key, now, replies),
            Err(_) => self.tally.drop(DropReason::QueueFull, 1),
        }
    }

    /// Send a client what its windows allow.
    pub(super) fn pump(&mut self, key: SessionKey, now: Time, replies: &mut Replies<C>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(id) = session.connection_id() else { return };
        let protocol = session.protocol;
        let tally = &mut self.tally;
        let expired = session.outgoing.pump(now, |publish| {
            tally.delivered += u64::from(publish.packet_id.is_none());
            replies.push((id, Reply::Publish(within(protocol, publish))));
        });
        tally.drop(DropReason::Expired, expired);
    }
}

impl Match {
    /// The copy of a message for this subscription.
    fn copy(&self, held: &Held) -> Held {
        let mut held = held.clone();
        // [MQTT-3.8.4-8]
        held.message.qos = held.message.qos.min(self.grant.qos);
        // What is live is not marked as kept, unless the subscriber wants to know [MQTT-3.3.1-12],
        // [MQTT-3.3.1-13].
        held.message.retain &= self.grant.retain_as_published;
        held.subscription_id = self.grant.identifier;
        held
    }
}

/// A message as the client's protocol can carry it: 3.1.1 knows no properties.
fn within(protocol: Protocol, mut publish: Publish) -> Publish {
    if protocol == Protocol::V4 {
        publish.message.properties = None;
        publish.subscription_ids.clear();
    }
    publish
}
