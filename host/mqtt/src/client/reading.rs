//! Handling of packets from the broker.

use std::sync::Arc;

use super::ids::ConnectionId;
use super::sessions::Discard;
use super::{
    Client, ClientEvent, Outbox, PendingSubscription, RESPONSE_TIMEOUT, Refusal, RefusedRequest, State,
};
use crate::answer::{AnswerPacket, Disconnection, NegativeAnswer};
use crate::broker::inflight::AckOutcome;
use crate::broker::packet::{Ack, AckStep, ConnAck, PacketId, Publish, Reply, Request};
use crate::broker::reason::{AckReason, CloseReason, ConnectRefusal};
use crate::message::Qos;
use crate::protocol::Protocol;
use crate::reason_text::DOUBLED_CLIENT_ID;
use crate::time::Time;

impl Client {
    /// Handles a packet of the broker.
    pub fn receive<E: From<ClientEvent>>(
        &mut self,
        connection: ConnectionId,
        reply: Reply,
        now: Time,
        out: &mut Outbox<E>,
    ) {
        if connection != self.connection || self.state == State::Down {
            out.lose(&reply, "its connection had ended");
        } else if self.silent {
            self.buffer_unread(reply, out);
        } else {
            self.read(reply, now, out);
        }
    }

    /// Handles a packet of the broker with its Reason String.
    pub fn receive_explained<E: From<ClientEvent>>(
        &mut self,
        connection: ConnectionId,
        reply: Reply,
        reason_string: Arc<str>,
        now: Time,
        out: &mut Outbox<E>,
    ) {
        self.reason_string = Some(reason_string);
        self.receive(connection, reply, now, out);
        self.reason_string = None;
    }

    /// Buffers a packet while the client is silent. Messages at QoS 0 are lost when the buffer is full; the
    /// broker's window limits the others.
    fn buffer_unread<E: From<ClientEvent>>(&mut self, reply: Reply, out: &mut Outbox<E>) {
        let bytes = match &reply {
            Reply::Publish(publish) if publish.packet_id.is_none() => publish.message.footprint(),
            _ => 0,
        };
        let is_full = self.unread.len() >= self.options.unread
            || self.unread_bytes.saturating_add(bytes) > self.options.unread_bytes;
        if bytes > 0 && is_full {
            out.lose(&reply, "the buffer of the client, which does not read, was full");
        } else {
            self.unread_bytes += bytes;
            self.unread.push_back(reply);
        }
    }

    /// Handles the loss of the network connection. A silent client reports it when it reads again.
    pub fn connection_lost<E: From<ClientEvent>>(
        &mut self,
        reason: impl Into<Disconnection>,
        now: Time,
        out: &mut Outbox<E>,
    ) {
        match (self.state, self.silent) {
            (State::Down, _) => {}
            (_, true) => self.lost_reason = Some(reason.into()),
            (_, false) => self.lost(reason.into(), now, out),
        }
    }

    /// Resumes reading. If the broker has closed the connection meanwhile, the unread packets are discarded.
    /// Otherwise a ping tests the connection.
    pub fn resume<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        self.silent = false;
        if let Some(reason) = self.lost_reason.take() {
            return self.lost(reason, now, out);
        }
        let closed = self.unread.iter().find_map(|reply| match reply {
            Reply::Close(reason) => Some(*reason),
            _ => None,
        });
        if let Some(reason) = closed {
            return self.closed(reason, now, out);
        }
        if self.state == State::Up {
            self.probing = true;
            self.ping(RESPONSE_TIMEOUT, now, out);
        }
        self.unread_bytes = 0;
        for reply in std::mem::take(&mut self.unread) {
            self.read(reply, now, out);
        }
    }

    fn read<E: From<ClientEvent>>(&mut self, reply: Reply, now: Time, out: &mut Outbox<E>) {
        self.last_heard = now;
        match reply {
            Reply::ConnAck(accepted) => self.accepted(&accepted, now, out),
            Reply::Refused(reason) => self.connection_refused(reason, now, out),
            Reply::Close(reason) => self.closed(reason, now, out),
            Reply::Publish(publish) => self.receive_message(publish, now, out),
            Reply::Ack(ack) => self.acknowledged(ack, now, out),
            Reply::PingResp => self.pong_received(now, out),
            Reply::SubAck(answer) => {
                let code = answer.granted.iter().find_map(|granted| Some(granted.as_ref().err()?.code()));
                self.subscription_answered(answer.packet_id, AnswerPacket::SubAck, code, out);
            }
            Reply::UnsubAck(id, outcomes) => {
                let code = outcomes.iter().find_map(|outcome| Some(outcome.as_ref().err()?.0));
                self.subscription_answered(id, AnswerPacket::UnsubAck, code, out);
            }
        }
    }

    /// Frees the identifier of a SUBSCRIBE or UNSUBSCRIBE packet, and reports a refusal. Each packet has one
    /// filter, so there is at most one error code.
    fn subscription_answered<E: From<ClientEvent>>(
        &mut self,
        id: PacketId,
        packet: AnswerPacket,
        error: Option<u8>,
        out: &mut Outbox<E>,
    ) {
        let answered = self.pending_subscriptions.remove(&id);
        if let Some(answered) = &answered {
            self.pending_filter_bytes -= answered.filter.as_str().len();
            self.outgoing.release(id);
        }
        if let Some(code) = error {
            let request = match answered {
                Some(PendingSubscription { filter, is_subscribe: true }) => RefusedRequest::Subscribe(filter),
                Some(PendingSubscription { filter, .. }) => RefusedRequest::Unsubscribe(filter),
                None => RefusedRequest::Unknown,
            };
            let answer = self.negative_answer(packet, code);
            out.report(ClientEvent::RequestRefused(request, answer));
        }
    }

    /// Negative answer with the Reason String of the packet that is being read.
    fn negative_answer(&self, packet: AnswerPacket, code: u8) -> NegativeAnswer {
        NegativeAnswer::new(packet, code).with_reason_string(self.reason_string.clone())
    }

    fn pong_received<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        self.pong_due = None;
        if std::mem::take(&mut self.probing) {
            out.report(ClientEvent::Resumed);
        }
        self.connection_tested(now, out);
    }

    fn accepted<E: From<ClientEvent>>(&mut self, accepted: &ConnAck, now: Time, out: &mut Outbox<E>) {
        if self.session_discarded(now, out) {
            return;
        }
        let session_present = accepted.session_present;
        self.state = State::Up;
        self.up_since = now;
        self.needs_clean_start = false;
        self.may_have_session = self.options.session_expiry > 0;
        // [MQTT-3.2.2-21]
        self.keep_alive = accepted.server_keep_alive.unwrap_or(self.keep_alive);
        if !session_present {
            // [MQTT-3.2.2-5]
            self.clear_session(out);
        }
        self.window = accepted.receive_maximum.min(self.options.inflight);
        self.suspects.connected();
        let window = self.set_outgoing_limits();
        let connection = self.connection;
        let packets = &mut out.packets;
        self.outgoing.resume(window, |ack| packets.push((connection, Request::Ack(ack))));
        self.pump(now, out);
        out.report(ClientEvent::Connected { session_present });
    }

    fn closed<E: From<ClientEvent>>(&mut self, reason: CloseReason, now: Time, out: &mut Outbox<E>) {
        let mut text = reason.to_string();
        if reason == CloseReason::SessionTakenOver {
            text.push_str(DOUBLED_CLIENT_ID);
        }
        match self.protocol {
            // 3.1.1 has no DISCONNECT from a broker.
            Protocol::V4 => self.lost(text.into(), now, out),
            Protocol::V5 => {
                let answer = self.negative_answer(AnswerPacket::Disconnect, reason.code());
                self.lost(Disconnection::by_broker(text, answer), now, out);
            }
        }
    }

    fn connection_refused<E: From<ClientEvent>>(
        &mut self,
        refusal: ConnectRefusal,
        now: Time,
        out: &mut Outbox<E>,
    ) {
        let code = match self.protocol {
            // Without a broker there is no answer.
            _ if refusal == ConnectRefusal::Unavailable => None,
            Protocol::V4 => refusal.code_of_v4(),
            Protocol::V5 => Some(refusal.code()),
        };
        let answer = code.map(|code| self.negative_answer(AnswerPacket::ConnAck, code));
        self.lost(Disconnection { answer, ..refusal.to_string().into() }, now, out);
    }

    pub(super) fn lost<E: From<ClientEvent>>(&mut self, end: Disconnection, now: Time, out: &mut Outbox<E>) {
        let was_disconnecting =
            matches!(self.state, State::Disconnecting(_)) || matches!(self.discarding, Some(Discard::After));
        let end = self.note_end(end, now, out);
        self.close(out);
        if was_disconnecting {
            self.start_queued_connect(now, out);
        } else {
            out.report(ClientEvent::Disconnected(end));
        }
    }

    fn receive_message<E: From<ClientEvent>>(&mut self, publish: Publish, now: Time, out: &mut Outbox<E>) {
        let is_new = match (publish.message.qos, publish.packet_id) {
            (Qos::AtLeastOnce, Some(id)) => {
                self.send_ack(Ack::new(AckStep::PubAck, id), now, out);
                true
            }
            (Qos::ExactlyOnce, Some(id)) => {
                self.send_ack(Ack::new(AckStep::PubRec, id), now, out);
                self.incoming.receive(id)
            }
            _ => true,
        };
        if is_new {
            out.report(ClientEvent::Delivered(publish.message));
        }
    }

    fn acknowledged<E: From<ClientEvent>>(&mut self, ack: Ack, now: Time, out: &mut Outbox<E>) {
        let error =
            ack.reason.is_error().then(|| self.negative_answer(answer_packet(ack.step), ack.reason.code()));
        if matches!(ack.step, AckStep::PubAck | AckStep::PubRec) {
            self.message_answered();
        }
        if ack.step == AckStep::PubRel {
            if let Some(answer) = error {
                out.report(ClientEvent::RequestRefused(RefusedRequest::Exchange, answer));
            }
            let known = self.incoming.release(ack.packet_id);
            let reason = if known { AckReason::Success } else { AckReason::PacketIdNotFound };
            return self.send_ack(Ack { reason, ..Ack::new(AckStep::PubComp, ack.packet_id) }, now, out);
        }
        match (self.outgoing.acknowledge(ack), error) {
            (AckOutcome::Refused(message), Some(answer)) => {
                out.report(ClientEvent::Refused(message, Refusal::Answer(answer)));
            }
            (AckOutcome::Delivered(message), error) => {
                out.sent += 1;
                out.acknowledge(&message);
                let refused =
                    error.map(|answer| ClientEvent::RequestRefused(RefusedRequest::Exchange, answer));
                out.inputs.extend(refused.map(E::from));
            }
            (outcome, error) => {
                if let AckOutcome::Answer(next) = outcome {
                    self.send_ack(next, now, out);
                }
                let refused =
                    error.map(|answer| ClientEvent::RequestRefused(RefusedRequest::Unknown, answer));
                out.inputs.extend(refused.map(E::from));
            }
        }
        self.pump(now, out);
        self.finish_disconnect(now, out);
    }
}

fn answer_packet(step: AckStep) -> AnswerPacket {
    match step {
        AckStep::PubAck => AnswerPacket::PubAck,
        AckStep::PubRec => AnswerPacket::PubRec,
        AckStep::PubRel => AnswerPacket::PubRel,
        AckStep::PubComp => AnswerPacket::PubComp,
    }
}
