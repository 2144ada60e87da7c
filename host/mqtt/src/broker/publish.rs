//! Publications and acknowledgements of one client, at each QoS [MQTT-4.3].

use std::sync::Arc;

use super::counters::DropReason;
use super::inflight::AckOutcome;
use super::packet::{Ack, AckStep, PacketId, Publish, Reply};
use super::reason::{AckReason, CloseReason};
use super::retained::RetainedFull;
use super::session::{Session, SessionKey};
use super::steps::BrokerStepKind;
use super::{Broker, Replies};
use crate::message::Qos;
use crate::protocol::Protocol;
use crate::time::Time;

/// Topics with this prefix are reserved for the broker.
const RESERVED_PREFIX: &str = "$SYS/";

impl<C: Copy + Ord> Broker<C> {
    /// Handles PUBLISH of a client.
    pub(super) fn publish_from(
        &mut self,
        key: SessionKey,
        publish: Publish,
        now: Time,
        replies: &mut Replies<C>,
    ) {
        if publish.message.topic.as_str().starts_with(RESERVED_PREFIX) {
            return self.reject_publish(key, &publish, replies);
        }
        match (publish.message.qos, publish.packet_id) {
            (Qos::AtMostOnce, _) => {
                // QoS 0 has no acknowledgement, so the broker only counts the refusal.
                let _ = self.distribute(publish.message, Some(key), now, replies);
            }
            (Qos::AtLeastOnce, Some(id)) => {
                let outcome = self.distribute(publish.message, Some(key), now, replies);
                let reason = self.ack_reason(key, &outcome);
                self.answer(key, AckStep::PubAck, id, reason, replies);
            }
            (Qos::ExactlyOnce, Some(id)) => self.receive_qos_2(key, id, publish, now, replies),
            // [MQTT-2.2.1-3]
            (_, None) => self.close(key, CloseReason::ProtocolError, now, replies),
        }
    }

    /// Rejects a publication on a reserved topic. As in Mosquitto, it is acknowledged and not delivered.
    fn reject_publish(&mut self, key: SessionKey, publish: &Publish, replies: &mut Replies<C>) {
        self.counters.received += 1;
        self.counters.unmatched += 1;
        self.steps.add(&publish.message, || BrokerStepKind::Refused("its topic is reserved for the broker"));
        let step = match publish.message.qos {
            Qos::AtMostOnce => return,
            Qos::AtLeastOnce => AckStep::PubAck,
            Qos::ExactlyOnce => AckStep::PubRec,
        };
        if let Some(id) = publish.packet_id {
            self.answer(key, step, id, AckReason::NotAuthorized, replies);
        }
    }

    fn receive_qos_2(
        &mut self,
        key: SessionKey,
        id: PacketId,
        publish: Publish,
        now: Time,
        replies: &mut Replies<C>,
    ) {
        let most = usize::from(self.limits.receive_maximum.get());
        let Some(session) = self.sessions.get_mut(key) else { return };
        let is_new = session.incoming.receive(id);
        if session.incoming.len() > most && session.protocol == Protocol::V5 {
            // The client exceeds the receive maximum of the broker (section 3.3.4).
            return self.close(key, CloseReason::ReceiveMaximumExceeded, now, replies);
        }
        let outcome =
            if is_new { self.distribute(publish.message, Some(key), now, replies) } else { Ok(true) };
        let reason = self.ack_reason(key, &outcome);
        if reason.is_error()
            && let Some(session) = self.sessions.get_mut(key)
        {
            // An error in PUBREC ends the exchange (section 4.3.3).
            session.incoming.release(id);
        }
        self.answer(key, AckStep::PubRec, id, reason, replies);
    }

    /// Reason code for a publication. 3.1.1 cannot refuse one, so there it is acknowledged, and the refusal counted.
    fn ack_reason(&self, key: SessionKey, outcome: &Result<bool, RetainedFull>) -> AckReason {
        match outcome {
            Ok(true) => AckReason::Success,
            Ok(false) => AckReason::NoMatchingSubscribers,
            Err(RetainedFull) if self.protocol_of(key) == Some(Protocol::V4) => AckReason::Success,
            Err(RetainedFull) => AckReason::QuotaExceeded,
        }
    }

    /// Handles an acknowledgement of a client.
    pub(super) fn acknowledge(&mut self, key: SessionKey, ack: Ack, now: Time, replies: &mut Replies<C>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if ack.step == AckStep::PubRel {
            let known = session.incoming.release(ack.packet_id);
            let reason = if known { AckReason::Success } else { AckReason::PacketIdNotFound };
            return self.answer(key, AckStep::PubComp, ack.packet_id, reason, replies);
        }
        match session.outgoing.acknowledge(ack) {
            AckOutcome::Delivered(_) => self.counters.delivered += 1,
            AckOutcome::Refused(message) => {
                let reason = match ack.reason {
                    AckReason::PacketTooLarge => DropReason::TooLarge,
                    _ => DropReason::Refused,
                };
                let client_id = &session.client_id;
                self.steps.add(&message, || BrokerStepKind::Dropped(Arc::clone(client_id), reason));
                self.counters.drop(reason, 1);
            }
            AckOutcome::Answer(next) => self.answer(key, next.step, next.packet_id, next.reason, replies),
            AckOutcome::Unknown => {}
        }
        self.pump(key, now, replies);
    }

    fn answer(
        &mut self,
        key: SessionKey,
        step: AckStep,
        packet_id: PacketId,
        reason: AckReason,
        replies: &mut Replies<C>,
    ) {
        if let Some(id) = self.sessions.get(key).and_then(Session::connection_id) {
            replies.push((id, Reply::Ack(Ack { step, packet_id, reason })));
        }
    }
}
