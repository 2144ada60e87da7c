//! Handling of packets from the broker.

use super::ids::ConnectionId;
use super::{Client, ClientEvent, Outbox, RESPONSE_TIMEOUT, State};
use crate::broker::inflight::AckOutcome;
use crate::broker::packet::{Ack, AckStep, ConnAck, PacketId, Publish, Reply, Request};
use crate::broker::reason::{AckReason, CloseReason};
use crate::message::Qos;
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
            out.lost += u64::from(matches!(reply, Reply::Publish(_)));
        } else if self.silent {
            self.buffer_unread(reply, out);
        } else {
            self.read(reply, now, out);
        }
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
            out.lost += 1;
        } else {
            self.unread_bytes += bytes;
            self.unread.push_back(reply);
        }
    }

    /// Handles the loss of the network connection. A silent client reports it when it reads again.
    pub fn connection_lost<E: From<ClientEvent>>(&mut self, reason: String, now: Time, out: &mut Outbox<E>) {
        match (self.state, self.silent) {
            (State::Down, _) => {}
            (_, true) => self.lost_reason = Some(reason),
            (_, false) => self.lost(reason, now, out),
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
            Reply::Refused(reason) => self.lost(reason.to_string(), now, out),
            Reply::Close(reason) => self.closed(reason, now, out),
            Reply::Publish(publish) => self.receive_message(publish, now, out),
            Reply::Ack(ack) => self.acknowledged(ack, now, out),
            Reply::PingResp => self.pong_received(out),
            Reply::SubAck(answer) => self.subscription_answered(answer.packet_id),
            Reply::UnsubAck(id, _) => self.subscription_answered(id),
        }
    }

    /// Frees the identifier of a SUBSCRIBE or UNSUBSCRIBE packet.
    fn subscription_answered(&mut self, id: PacketId) {
        if let Some(answered) = self.pending_subscriptions.remove(&id) {
            self.pending_filter_bytes -= answered.filter.as_str().len();
            self.outgoing.release(id);
        }
    }

    fn pong_received<E: From<ClientEvent>>(&mut self, out: &mut Outbox<E>) {
        self.pong_due = None;
        if std::mem::take(&mut self.probing) {
            out.report(ClientEvent::Resumed);
        }
    }

    fn accepted<E: From<ClientEvent>>(&mut self, accepted: &ConnAck, now: Time, out: &mut Outbox<E>) {
        let session_present = accepted.session_present;
        self.state = State::Up;
        self.needs_clean_start = false;
        // [MQTT-3.2.2-21]
        self.keep_alive = accepted.server_keep_alive.unwrap_or(self.keep_alive);
        if !session_present {
            // [MQTT-3.2.2-5]
            self.clear_session(out);
        }
        let connection = self.connection;
        let packets = &mut out.packets;
        let window = accepted.receive_maximum.min(self.options.inflight);
        self.outgoing.resume(window, |ack| packets.push((connection, Request::Ack(ack))));
        self.pump(now, out);
        out.report(ClientEvent::Connected { session_present });
    }

    fn closed<E: From<ClientEvent>>(&mut self, reason: CloseReason, now: Time, out: &mut Outbox<E>) {
        self.lost(reason.to_string(), now, out);
    }

    pub(super) fn lost<E: From<ClientEvent>>(&mut self, reason: String, now: Time, out: &mut Outbox<E>) {
        let was_disconnecting = matches!(self.state, State::Disconnecting(_));
        self.close(out);
        if was_disconnecting {
            self.start_queued_connect(now, out);
        } else {
            out.report(ClientEvent::Disconnected(reason));
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
        if ack.step == AckStep::PubRel {
            let known = self.incoming.release(ack.packet_id);
            let reason = if known { AckReason::Success } else { AckReason::PacketIdNotFound };
            return self.send_ack(Ack { reason, ..Ack::new(AckStep::PubComp, ack.packet_id) }, now, out);
        }
        if let AckOutcome::Answer(next) = self.outgoing.acknowledge(ack) {
            self.send_ack(next, now, out);
        }
        self.pump(now, out);
        self.finish_disconnect(now, out);
    }
}
