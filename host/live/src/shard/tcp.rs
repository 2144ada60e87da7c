//! A device's connection to a broker over TCP, with TLS or without.
//!
//! Its client is the state machine of virtual time; here are the bytes. The shard itself reads and writes the
//! sockets of its devices, when their ready_set ring, with buffers that they share. What a connection on which
//! nothing happens holds is a socket and no buffer.
//!
//! * `sockets`: what those of a shard share. `readiness`: which want attention.
//! * `open_socket`: an open socket, and what waits for it.
//!
//! With TLS it is the same: [`stream`](crate::stream) has what stands between the bytes of MQTT and the socket.
//!
//! # Why not a library
//!
//! Virtual time needs the client as a state machine anyway, and one client for both is one behaviour. A client of
//! `rumqttc` was measured here: with its buffers of 10 KiB, its sets of bits for all 65,535 identifiers and its task it
//! takes 76 to 82 KiB, more than all the rest of a device. The host's [own connections](crate::host_client) do use it.

mod open_socket;
mod readiness;
mod sockets;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use wasmote_mqtt::broker::packet::{Connect, Request};
use wasmote_mqtt::client::Client;
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_mqtt::codec::client::ClientCodec;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::Input;
use wasmote_sim::device::Outbox;
use wasmote_sim::link::AtMostOnce;

use super::event::ShardEvent;
use crate::socket::{CLOSE_TIMEOUT, SocketControl};
use open_socket::{OpenSocket, RejectedPublish};
pub(crate) use readiness::ReadySet;
pub(super) use sockets::Sockets;

/// Reads of one socket before others have their turn.
const MAX_READS: usize = 4;
/// Longest that the last words may wait for a socket that takes none.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A device's way.
pub(super) struct TcpConnection {
    protocol: Protocol,
    control: SocketControl,
    state: State,
    /// A connection that was asked for and does not exist yet.
    pending_connect: Option<Box<Connect>>,
    silent: bool,
    /// The silence is over, but what came in it was not looked at yet.
    pub(super) resume_pending: bool,
    /// Whether it counts among the attempts.
    holds_dial_slot: bool,
}

enum State {
    Closed,
    /// Until it is its turn to connect.
    Queued,
    Connecting(AbortHandle),
    Open(Box<OpenSocket>),
    /// The farewell is written, and the broker is given the time to close first.
    Closing,
}

impl TcpConnection {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            control: SocketControl::default(),
            state: State::Closed,
            pending_connect: None,
            silent: false,
            resume_pending: false,
            holds_dial_slot: false,
        }
    }

    /// What faults of the byte stream come over.
    pub(super) fn control(&self) -> &SocketControl {
        &self.control
    }

    /// Whether there is a connection, or one is to be made.
    pub(super) fn is_active(&self) -> bool {
        self.pending_connect.is_some() || !matches!(self.state, State::Closed)
    }

    /// Whether the client has a connection that is not even begun, so that its patience does not count.
    pub(super) fn awaits_dial(&self) -> bool {
        self.pending_connect.is_some() && !matches!(self.state, State::Connecting(_))
    }

    /// When the farewell has waited long enough.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        match &self.state {
            State::Open(open) => open.disconnect_deadline,
            _ => None,
        }
    }

    /// Carry what the client has to send.
    pub(super) fn send(
        &mut self,
        link: ConnectionId,
        request: Request,
        client: &mut Client,
        now: Time,
        sockets: &mut Sockets,
        out: &mut Outbox,
    ) {
        match request {
            Request::Connect(connect) => {
                self.pending_connect = Some(connect);
                self.queue_dial(link, sockets);
            }
            Request::Lost if self.awaits_dial() => {
                self.pending_connect = None;
                if matches!(self.state, State::Queued) {
                    self.state = State::Closed;
                }
            }
            Request::Lost => {
                // What was said before still goes out. Whether it can or not, the connection ends.
                let _ = self.write(client, now, sockets, out);
                self.drop_connection(sockets, out);
            }
            request => self.enqueue(request, client, now, sockets, out),
        }
    }

    fn enqueue(
        &mut self,
        request: Request,
        client: &mut Client,
        now: Time,
        sockets: &mut Sockets,
        out: &mut Outbox,
    ) {
        if let State::Open(open) = &mut self.state {
            let has_room = |open: &OpenSocket| !(request.is_qos_0() && open.is_full());
            if !has_room(open) {
                self.flush(client, now, sockets, out);
            }
            if let State::Open(open) = &mut self.state
                && has_room(open)
            {
                if matches!(request, Request::Disconnect(_)) {
                    open.disconnect_deadline = Some(now + DISCONNECT_TIMEOUT);
                }
                return open.enqueue(request);
            }
        }
        out.inputs.extend(request.into_qos_0_message().map(Input::Refused));
    }

    /// Have what there is to send written at the end of the shard's turn. Writing wakes the broker, which costs more
    /// than the writing, unless it is awake: so sockets are written to one right after another.
    pub(super) fn queue_flush(&mut self, sockets: &mut Sockets) {
        if let State::Open(open) = &mut self.state
            && !self.silent
            && !open.is_empty()
            && !std::mem::replace(&mut open.flush_queued, true)
        {
            sockets.unwritten.push_back(open.link.device.0);
        }
    }

    /// Write what the socket takes now.
    pub(super) fn flush(&mut self, client: &mut Client, now: Time, sockets: &mut Sockets, out: &mut Outbox) {
        let flushed = self.write(client, now, sockets, out);
        let has_disconnected = match &mut self.state {
            State::Open(open) if open.disconnect_deadline.is_some() && open.is_empty() && !self.silent => {
                open.close()
            }
            _ => false,
        };
        match flushed {
            Ok(()) if has_disconnected => self.close(sockets),
            Ok(()) => {}
            Err(reason) => self.connection_lost(reason, client, now, sockets, out),
        }
    }

    /// Write. Says why the connection is no more, if it is.
    fn write(
        &mut self,
        client: &mut Client,
        now: Time,
        sockets: &mut Sockets,
        out: &mut Outbox,
    ) -> Result<(), String> {
        let State::Open(open) = &mut self.state else { return Ok(()) };
        open.flush_queued = false;
        if self.silent {
            return Ok(());
        }
        let mut rejected = Vec::new();
        let written = open.flush(&mut sockets.scratch, &sockets.dialer, &mut rejected);
        for RejectedPublish(publish, why) in rejected {
            let (device, topic) = (client.client_id(), &publish.message.topic);
            tracing::warn!(%device, %topic, "{why}");
            client.return_unsendable(publish, now, out);
        }
        written
    }

    /// Get in line for an attempt, once there is no connection any more.
    fn queue_dial(&mut self, link: ConnectionId, sockets: &mut Sockets) {
        if self.pending_connect.is_some() && !self.silent && matches!(self.state, State::Closed) {
            self.state = State::Queued;
            sockets.dial_queue.push_back(link);
        }
    }

    /// It is the turn of this connection to be made, if it still is to be.
    pub(super) fn dial(&mut self, link: ConnectionId, client: &mut Client, now: Time, sockets: &mut Sockets) {
        if matches!(self.state, State::Queued) && client.connection() == Some(link) {
            self.state = State::Connecting(sockets.dialer.dial(link));
            self.holds_dial_slot = true;
            sockets.dialing += 1;
            client.connect_started(now);
        }
    }

    /// What came of it.
    pub(super) fn dialled(
        &mut self,
        attempt: u32,
        outcome: Result<TcpStream, String>,
        client: &mut Client,
        now: Time,
        sockets: &mut Sockets,
        out: &mut Outbox,
    ) {
        let link = client.connection().filter(|link| link.attempt == attempt);
        let (Some(link), State::Connecting(_)) = (link, &self.state) else { return };
        let Some(pending_connect) = self.pending_connect.take() else {
            return self.drop_connection(sockets, out);
        };
        match outcome.and_then(|stream| sockets.dialer.stream(self.control.attach(stream))) {
            Ok(stream) => {
                let socket_waker = sockets.ready_set.register(link.device.0);
                let mut open =
                    OpenSocket::new(link, ClientCodec::new(self.protocol), Arc::clone(&socket_waker), stream);
                open.enqueue(Request::Connect(pending_connect));
                self.state = State::Open(Box::new(open));
                // To be read from as soon as there is something.
                socket_waker.set_ready();
            }
            Err(reason) => {
                self.control.detach();
                self.connection_lost(reason, client, now, sockets, out);
            }
        }
    }

    /// Read what has come. It is left with the other things that were heard, with the connection it came on;
    /// or why there is none any more.
    pub(super) fn read(&mut self, sockets: &mut Sockets) -> Option<(ConnectionId, Result<(), String>)> {
        let State::Open(open) = &mut self.state else { return None };
        open.socket_waker.clear();
        if self.silent {
            return None;
        }
        let mut outcome = Ok(());
        for _ in 0..MAX_READS {
            match open.read(&mut sockets.scratch, &sockets.dialer) {
                Ok(true) => {}
                Ok(false) => {
                    let link = open.link;
                    self.release_dial_slot_if_accepted(sockets);
                    return Some((link, outcome));
                }
                Err(reason) => {
                    outcome = Err(reason);
                    break;
                }
            }
        }
        if outcome.is_ok() {
            open.socket_waker.set_ready();
        }
        let link = open.link;
        self.release_dial_slot_if_accepted(sockets);
        Some((link, outcome))
    }

    /// The broker has answered: others may try.
    fn release_dial_slot_if_accepted(&mut self, sockets: &mut Sockets) {
        if matches!(&self.state, State::Open(open) if open.codec.is_accepted()) {
            self.release_dial_slot(sockets);
        }
    }

    fn release_dial_slot(&mut self, sockets: &mut Sockets) {
        if std::mem::take(&mut self.holds_dial_slot) {
            sockets.dialing -= 1;
        }
    }

    /// The connection is gone, or could not be made.
    pub(super) fn connection_lost(
        &mut self,
        reason: String,
        client: &mut Client,
        now: Time,
        sockets: &mut Sockets,
        out: &mut Outbox,
    ) {
        let has_disconnected = matches!(&self.state, State::Open(open) if open.disconnect_deadline.is_some());
        self.drop_connection(sockets, out);
        if has_disconnected {
            // The client has no part in it any more, and may want another.
            self.redial(client, sockets);
        } else {
            client.connection_lost(reason, now, out);
        }
    }

    /// Let go of the connection. What was not written at QoS 0 goes back.
    fn drop_connection(&mut self, sockets: &mut Sockets, out: &mut Outbox) {
        self.release_dial_slot(sockets);
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => {}
            State::Queued => self.pending_connect = None,
            State::Connecting(task) => {
                task.abort();
                self.pending_connect = None;
            }
            State::Open(open) => {
                out.inputs.extend(open.into_unsent().map(Input::Refused));
                self.control.detach();
            }
            State::Closing => self.state = State::Closing,
        }
    }

    /// The farewell is written. Closing a socket with unread data would reset the connection and might take the
    /// last messages with it, so the broker closes first.
    fn close(&mut self, sockets: &mut Sockets) {
        let State::Open(open) = std::mem::replace(&mut self.state, State::Closing) else { return };
        let (control, event_sender, slot) =
            (self.control.clone(), sockets.dialer.event_sender.clone(), open.link.device.0);
        drop(open);
        tokio::spawn(async move {
            control.close_after_peer(CLOSE_TIMEOUT).await;
            let _ = event_sender.send((slot, ShardEvent::Closed)).await;
        });
    }

    /// The last connection is closed.
    pub(super) fn connection_closed(&mut self, client: &Client, sockets: &mut Sockets) {
        if matches!(self.state, State::Closing) {
            self.state = State::Closed;
            self.redial(client, sockets);
        }
    }

    /// Make the next connection, if there is to be one.
    fn redial(&mut self, client: &Client, sockets: &mut Sockets) {
        if let Some(link) = client.connection() {
            self.queue_dial(link, sockets);
        }
    }

    /// The farewell has waited long enough, if it has.
    pub(super) fn wake(&mut self, client: &Client, now: Time, sockets: &mut Sockets, out: &mut Outbox) {
        if self.next_deadline().is_some_and(|due| due <= now) {
            self.drop_connection(sockets, out);
            self.redial(client, sockets);
        }
    }

    /// Neither read nor write. Others need not wait for one that does not try.
    pub(super) fn silence(&mut self, sockets: &mut Sockets) {
        self.silent = true;
        self.release_dial_slot(sockets);
        if matches!(self.state, State::Queued) {
            self.state = State::Closed;
        }
    }

    /// Read and write again. What has come meanwhile is read before anything else happens.
    pub(super) fn resume(&mut self, client: &Client, sockets: &mut Sockets) {
        self.silent = false;
        self.redial(client, sockets);
        if let State::Open(open) = &self.state {
            self.resume_pending = true;
            open.socket_waker.set_ready();
        }
    }
}
