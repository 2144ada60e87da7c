//! Connections, takeovers, wills and session ends.

use std::sync::Arc;

use super::counters::DropReason;
use super::filter::ParsedFilter;
use super::packet::{Ack, ConnAck, Connect, Disconnect, Reply, Request};
use super::reason::{CloseReason, ConnectRefusal};
use super::session::{Session, SessionKey, session_bytes};
use super::steps::BrokerStepKind;
use super::{Broker, Replies};
use crate::protocol::Protocol;
use crate::time::Time;

impl<C: Copy + Ord> Broker<C> {
    /// Handles the first packet of a connection.
    pub(super) fn handle_unconnected(
        &mut self,
        from: C,
        request: Request,
        now: Time,
        replies: &mut Replies<C>,
    ) {
        match request {
            Request::Connect(connect) => self.connect(from, connect.into_mqtt_5(), now, replies),
            Request::Lost => {}
            // [MQTT-3.1.0-1]
            _ => replies.push((from, Reply::Close(CloseReason::ProtocolError))),
        }
    }

    fn connect(&mut self, from: C, mut connect: Connect, now: Time, replies: &mut Replies<C>) {
        let assigned = connect.client_id.is_empty();
        if assigned {
            if connect.protocol == Protocol::V4 && !connect.clean_start {
                return replies.push((from, Reply::Refused(ConnectRefusal::ClientIdInvalid)));
            }
            connect.client_id = self.assign_client_id();
        }
        let server_keep_alive = self.limits.keep_alive_for(&connect);
        connect.keep_alive = server_keep_alive.unwrap_or(connect.keep_alive);
        self.take_over(&connect, now, replies);
        let found = self.sessions.find(&connect.client_id);
        let will = connect.will.as_ref().map(|will| self.session_budget.take(will.message.footprint()));
        let session = match found {
            Some(_) => None,
            None => Some(self.session_budget.take(session_bytes(&connect.client_id))),
        };
        if matches!(will, Some(None)) || matches!(session, Some(None)) {
            return replies.push((from, Reply::Refused(ConnectRefusal::QuotaExceeded)));
        }
        let key = match (found, session.flatten()) {
            (Some(key), _) => key,
            (None, Some(lease)) => {
                self.sessions.insert(Session::new(Arc::clone(&connect.client_id), &self.limits, lease))
            }
            (None, None) => return,
        };
        if let Some(session) = self.sessions.get_mut(key) {
            session.will_lease = will.flatten();
        }
        let accepted = ConnAck {
            // [MQTT-3.2.2-2], [MQTT-3.2.2-3]
            session_present: found.is_some(),
            assigned_client_id: assigned.then(|| Arc::clone(&connect.client_id)),
            receive_maximum: self.limits.receive_maximum,
            server_keep_alive,
        };
        replies.push((from, Reply::ConnAck(accepted)));
        self.attach(key, from, connect, now, replies);
    }

    fn assign_client_id(&mut self) -> Arc<str> {
        loop {
            self.assigned_ids += 1;
            let name = format!("auto-{}", self.assigned_ids);
            if self.sessions.find(&name).is_none() {
                return name.into();
            }
        }
    }

    /// Closes an earlier connection of the same client [MQTT-3.1.4-3]. On a clean start, the session ends too
    /// [MQTT-3.1.2-4].
    fn take_over(&mut self, connect: &Connect, now: Time, replies: &mut Replies<C>) {
        if let Some(key) = self.sessions.find(&connect.client_id)
            && self.sessions.get(key).is_some_and(|session| session.connection.is_some())
        {
            self.close(key, CloseReason::SessionTakenOver, now, replies);
        }
        // The session may have ended with its connection.
        if connect.clean_start
            && let Some(key) = self.sessions.find(&connect.client_id)
        {
            self.end(key, now, replies);
        }
    }

    fn attach(&mut self, key: SessionKey, from: C, connect: Connect, now: Time, replies: &mut Replies<C>) {
        self.connections.insert(from, key);
        // As in Mosquitto, the client's receive maximum replaces the broker's limit.
        let window = connect.receive_maximum.unwrap_or(self.limits.inflight);
        if let Some(session) = self.sessions.get_mut(key) {
            session.attach(from, connect, now);
            session.outgoing.resume(window, |release: Ack| replies.push((from, Reply::Ack(release))));
        }
        self.sessions.schedule_wakeup(key);
        self.pump(key, now, replies);
    }

    pub(super) fn record_activity(&mut self, key: SessionKey, now: Time) {
        if let Some(connection) = self.sessions.get_mut(key).and_then(|session| session.connection.as_mut()) {
            connection.last_heard = now;
        }
    }

    pub(super) fn disconnect(
        &mut self,
        key: SessionKey,
        disconnect: Disconnect,
        now: Time,
        replies: &mut Replies<C>,
    ) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        match disconnect.session_expiry {
            // A zero expiry interval cannot be raised in DISCONNECT (section 3.14.2.2.2).
            Some(1..) if session.expiry == 0 => {
                return self.close(key, CloseReason::ProtocolError, now, replies);
            }
            Some(expiry) => session.expiry = expiry,
            None => {}
        }
        if !disconnect.with_will
            && let Some(connection) = &mut session.connection
        {
            // [MQTT-3.14.4-3]
            connection.will = None;
            session.will_lease = None;
        }
        self.detach(key, now, replies);
    }

    /// Closes a connection with a reason.
    pub(super) fn close(
        &mut self,
        key: SessionKey,
        reason: CloseReason,
        now: Time,
        replies: &mut Replies<C>,
    ) {
        if let Some(id) = self.sessions.get(key).and_then(Session::connection_id) {
            replies.push((id, Reply::Close(reason)));
        }
        self.detach(key, now, replies);
    }

    /// Detaches the session from its connection.
    pub(super) fn detach(&mut self, key: SessionKey, now: Time, replies: &mut Replies<C>) {
        if let Some(id) = self.sessions.get_mut(key).and_then(|session| session.detach(now)) {
            self.connections.remove(&id);
        }
        self.run_due(key, now, replies);
    }

    /// Checks the keepalive timeout and the due work of a session.
    pub(super) fn check_session(&mut self, key: SessionKey, now: Time, replies: &mut Replies<C>) {
        let connection = self.sessions.get(key).and_then(|session| session.connection.as_ref());
        let times_out_at = connection.and_then(|connection| connection.times_out_at());
        match times_out_at {
            // [MQTT-3.1.2-22]
            Some(due) if due <= now => self.close(key, CloseReason::KeepAliveTimeout, now, replies),
            _ => self.run_due(key, now, replies),
        }
    }

    /// Runs the due work of a session without a connection, and schedules the next wakeup.
    fn run_due(&mut self, key: SessionKey, now: Time, replies: &mut Replies<C>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.ends_at.is_some_and(|ends_at| ends_at <= now) {
            return self.end(key, now, replies);
        }
        if let Some(will) = session.pending_will.take_if(|will| will.due <= now) {
            session.will_lease = None;
            self.counters.wills += 1;
            // A will has no answer that could report a refusal.
            let _ = self.distribute(will.message, Some(key), now, replies);
        }
        self.sessions.schedule_wakeup(key);
    }

    /// Ends a session. Its delayed will is published now [MQTT-3.1.3-9].
    fn end(&mut self, key: SessionKey, now: Time, replies: &mut Replies<C>) {
        let Some(mut session) = self.sessions.remove(key) else { return };
        for filter in session.filters.keys() {
            if let Ok(parts) = ParsedFilter::parse(filter) {
                self.subscriptions.remove(parts, key);
            }
        }
        if self.steps.is_followed {
            let dropped =
                || BrokerStepKind::Dropped(Arc::clone(&session.client_id), DropReason::SessionEnded);
            session.outgoing.messages().for_each(|message| self.steps.add(message, dropped));
        }
        self.counters.drop(DropReason::SessionEnded, session.outgoing.clear());
        if let Some(will) = session.pending_will {
            self.counters.wills += 1;
            // A will has no answer that could report a refusal.
            let _ = self.distribute_from(will.message, None, Some(&session.client_id), now, replies);
        }
    }
}
