//! TCP transport of a device's connection, with or without TLS and WebSocket.
//!
//! The MQTT client is the same state machine as in virtual time; this module reads and writes its bytes. The
//! shard itself serves the sockets in its readiness set, with buffers that all sockets share, so an idle
//! connection holds a socket and no buffer.
//!
//! * `sockets`: state shared by the sockets of a shard. `readiness`: their readiness set.
//! * `open_socket`: an open socket and its queue of packets.
//!
//! TLS and WebSocket are part of the byte stream between MQTT and the socket: see [`stream`](crate::stream).
//!
//! # Why not a library
//!
//! Virtual time needs the client as a state machine, and a single client behaves the same in both modes. A
//! client of `rumqttc` was measured: with its buffers of 10 KiB, its bit sets for all 65,535 identifiers and
//! its task it takes 76 to 82 KiB, more than the rest of a device. The host's [own
//! connections](crate::host_client) use it.

mod open_socket;
mod readiness;
mod sockets;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use wasmote_mqtt::answer::Disconnection;
use wasmote_mqtt::broker::packet::{Connect, Request};
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_mqtt::client::{Client, Refusal};
use wasmote_mqtt::codec::client::ClientCodec;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::Input;
use wasmote_sim::device::Outbox;
use wasmote_sim::link::AtMostOnce;

use super::event::ShardEvent;
use crate::socket::{CLOSE_TIMEOUT, SocketControl};
use crate::tls::sessions::DeviceSessions;
use open_socket::{OpenSocket, RejectedPublish};
pub(crate) use readiness::ReadySet;
pub(super) use sockets::Sockets;

/// Maximum number of reads of one socket before others are served.
const MAX_READS: usize = 4;
/// Number of packets of one socket after which others are served, because a read may contain thousands of small ones.
const MAX_PACKETS: usize = 1_024;
/// Longest time to write DISCONNECT to a socket that accepts no bytes.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// TCP connection of a device.
pub(super) struct TcpConnection {
    protocol: Protocol,
    control: SocketControl,
    state: State,
    /// CONNECT of a connection that is not open yet.
    pending_connect: Option<Box<Connect>>,
    silent: bool,
    /// The silence is over, but packets that arrived during it have not been read yet.
    pub(super) resume_pending: bool,
    /// Whether the connection is counted in [`Sockets::dialing`].
    holds_dial_slot: bool,
    /// Attempts since the broker last accepted a connection, which decides where the next one begins.
    retries: u32,
    /// Name of the device, by which its credentials are found.
    device: DeviceId,
    tls_sessions: DeviceSessions,
}

enum State {
    Closed,
    /// The connection is in the dial queue.
    Queued,
    Connecting(AbortHandle),
    Open(Box<OpenSocket>),
    /// DISCONNECT is written, and the broker has time to close first.
    Closing,
}

impl TcpConnection {
    pub(super) fn new(protocol: Protocol, device: DeviceId) -> Self {
        Self {
            protocol,
            control: SocketControl::default(),
            state: State::Closed,
            pending_connect: None,
            silent: false,
            resume_pending: false,
            holds_dial_slot: false,
            retries: 0,
            device,
            tls_sessions: DeviceSessions::default(),
        }
    }

    /// Control handle for byte-stream faults.
    pub(super) fn control(&self) -> &SocketControl {
        &self.control
    }

    /// Whether a connection is open, opening or closing.
    pub(super) fn is_active(&self) -> bool {
        self.pending_connect.is_some() || !matches!(self.state, State::Closed)
    }

    /// Whether the client waits for a TCP connection, so that its connect timeout must not run yet: an attempt
    /// has its own bound, in which it tries several addresses.
    pub(super) fn awaits_dial(&self) -> bool {
        self.pending_connect.is_some()
    }

    /// Deadline for writing DISCONNECT.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        match &self.state {
            State::Open(open) => open.disconnect_deadline,
            _ => None,
        }
    }

    /// Handles a packet of the client.
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
            Request::Lost if self.awaits_dial() && !matches!(self.state, State::Connecting(_)) => {
                self.pending_connect = None;
                if matches!(self.state, State::Queued) {
                    self.state = State::Closed;
                }
            }
            Request::Lost => {
                // Earlier packets are written if possible; the connection ends in any case.
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
            let can_enqueue = |open: &OpenSocket| !(request.is_qos_0() && open.is_full());
            if !can_enqueue(open) {
                self.flush(client, now, sockets, out);
            }
            if let State::Open(open) = &mut self.state
                && can_enqueue(open)
            {
                if matches!(request, Request::Disconnect(_)) {
                    open.disconnect_deadline = Some(now + DISCONNECT_TIMEOUT);
                }
                sockets.unwritten_bytes += open.enqueue(request, &mut sockets.scratch);
                return;
            }
        }
        let why = match &self.state {
            State::Open(_) => Refusal::QueueFull,
            _ => Refusal::Offline,
        };
        let refused = request.into_qos_0_message().map(|message| Input::Refused(message, why));
        out.inputs.extend(refused);
    }

    /// Queues a write for the end of the shard's turn. Writing wakes the broker, which costs more than the
    /// write itself unless the broker is awake, so all sockets are written right after another.
    pub(super) fn queue_flush(&mut self, sockets: &mut Sockets) {
        if let State::Open(open) = &mut self.state
            && !self.silent
            && !open.is_empty()
            && !open.is_blocked()
            && !std::mem::replace(&mut open.flush_queued, true)
        {
            sockets.unwritten.push_back(open.link.device.0);
        }
    }

    /// Writes as much as the socket accepts.
    pub(super) fn flush(&mut self, client: &mut Client, now: Time, sockets: &mut Sockets, out: &mut Outbox) {
        let flushed = self.write(client, now, sockets, out);
        let has_disconnected = match &mut self.state {
            State::Open(open) if open.disconnect_deadline.is_some() && open.is_empty() && !self.silent => {
                open.close(&mut sockets.scratch)
            }
            _ => false,
        };
        match flushed {
            Ok(()) if has_disconnected => self.close(sockets),
            Ok(()) => {}
            Err(reason) => self.connection_lost(reason, client, now, sockets, out),
        }
    }

    /// Writes. The error is the reason that the connection is lost.
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
        out.sent += open.take_written();
        for RejectedPublish(publish, why) in rejected {
            client.return_unsendable(publish, why, now, out);
        }
        written
    }

    /// Joins the dial queue, once the previous connection is closed.
    fn queue_dial(&mut self, link: ConnectionId, sockets: &mut Sockets) {
        if self.pending_connect.is_some() && !self.silent && matches!(self.state, State::Closed) {
            self.state = State::Queued;
            sockets.dial_queue.push_back(link);
        }
    }

    /// Starts the connection attempt if it is still wanted.
    pub(super) fn dial(&mut self, link: ConnectionId, client: &Client, sockets: &mut Sockets) {
        if matches!(self.state, State::Queued) && client.connection() == Some(link) {
            self.state = State::Connecting(sockets.dialer.dial(link, self.retries));
            self.retries = self.retries.wrapping_add(1);
            self.holds_dial_slot = true;
            sockets.dialing += 1;
        }
    }

    /// Handles the outcome of a connection attempt.
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
        let peer =
            outcome.as_ref().ok().and_then(|stream| stream.peer_addr().ok()).map(|address| address.ip());
        // A device uses new credentials from its next connection on.
        let credentials = sockets.dialer.credentials_of(&self.device);
        let certificate = credentials.as_ref().and_then(|own| own.certificate.clone());
        self.tls_sessions.set_certificate(certificate);
        let (control, sessions) = (&self.control, &mut self.tls_sessions);
        match outcome.and_then(|stream| sockets.dialer.stream(control.attach(stream), peer, sessions)) {
            Ok(stream) => {
                client.connect_started(now);
                let socket_waker = sockets.ready_set.register(link.device.0);
                let codec = ClientCodec::new(self.protocol);
                let mut open =
                    OpenSocket::new(link, codec, Arc::clone(&socket_waker), stream, peer, credentials);
                open.enqueue(Request::Connect(pending_connect), &mut sockets.scratch);
                self.state = State::Open(Box::new(open));
                // Schedules the first read, which registers the waker.
                socket_waker.set_ready();
            }
            Err(reason) => {
                self.control.detach();
                self.connection_lost(reason, client, now, sockets, out);
            }
        }
    }

    /// Reads from the socket into the shared list of incoming packets. Returns the connection, with the
    /// reason if it is lost.
    pub(super) fn read(
        &mut self,
        sockets: &mut Sockets,
    ) -> Option<(ConnectionId, Result<(), Disconnection>)> {
        let State::Open(open) = &mut self.state else { return None };
        open.socket_waker.clear();
        if self.silent {
            return None;
        }
        open.unblock();
        let mut outcome = Ok(());
        for _ in 0..MAX_READS {
            if sockets.scratch.incoming.len() >= MAX_PACKETS {
                break;
            }
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

    /// Releases the dial slot once the broker has accepted the connection.
    fn release_dial_slot_if_accepted(&mut self, sockets: &mut Sockets) {
        if matches!(&self.state, State::Open(open) if open.codec.is_accepted()) {
            self.retries = 0;
            self.release_dial_slot(sockets);
        }
    }

    fn release_dial_slot(&mut self, sockets: &mut Sockets) {
        if std::mem::take(&mut self.holds_dial_slot) {
            sockets.dialing -= 1;
        }
    }

    /// Handles a lost connection or a failed attempt.
    pub(super) fn connection_lost(
        &mut self,
        reason: impl Into<Disconnection>,
        client: &mut Client,
        now: Time,
        sockets: &mut Sockets,
        out: &mut Outbox,
    ) {
        let has_disconnected = matches!(&self.state, State::Open(open) if open.disconnect_deadline.is_some());
        let mut reason = reason.into();
        if let State::Open(open) = &self.state {
            reason = reason.at(&open.address(&sockets.dialer));
        }
        self.drop_connection(sockets, out);
        if has_disconnected {
            // The client has finished with this connection, and may want another.
            self.redial(client, sockets);
        } else {
            client.connection_lost(reason, now, out);
        }
    }

    /// Drops the connection. Unwritten messages at QoS 0 return to the device.
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
                out.inputs
                    .extend(open.into_unsent().map(|message| Input::Refused(message, Refusal::Offline)));
                self.control.detach();
            }
            State::Closing => self.state = State::Closing,
        }
    }

    /// Waits for the broker to close first, after DISCONNECT is written. Closing a socket with unread data
    /// would reset the connection, and the last messages might be lost.
    fn close(&mut self, sockets: &mut Sockets) {
        let State::Open(open) = std::mem::replace(&mut self.state, State::Closing) else { return };
        let (control, event_sender, slot) =
            (self.control.clone(), sockets.dialer.event_sender.clone(), open.link.device.0);
        drop(open);
        tokio::spawn(async move {
            control.close_after_peer(CLOSE_TIMEOUT).await;
            // Sending fails only after the shard has ended.
            let _ = event_sender.send((slot, ShardEvent::Closed)).await;
        });
    }

    /// Handles the close of the last connection.
    pub(super) fn connection_closed(&mut self, client: &Client, sockets: &mut Sockets) {
        if matches!(self.state, State::Closing) {
            self.state = State::Closed;
            self.redial(client, sockets);
        }
    }

    /// Queues the next connection if the client wants one.
    fn redial(&mut self, client: &Client, sockets: &mut Sockets) {
        if let Some(link) = client.connection() {
            self.queue_dial(link, sockets);
        }
    }

    /// Drops the connection if DISCONNECT could not be written in time, or if the broker has not answered
    /// CONNECT in time.
    pub(super) fn wake(&mut self, client: &mut Client, now: Time, sockets: &mut Sockets, out: &mut Outbox) {
        if self.next_deadline().is_some_and(|due| due <= now) {
            self.drop_connection(sockets, out);
            self.redial(client, sockets);
        }
        if let State::Open(open) = &self.state
            && client.connect_deadline().is_some_and(|due| due <= now)
        {
            // The client would report this too, but does not know the broker's address.
            let reason = open.no_answer(&sockets.dialer);
            self.connection_lost(reason, client, now, sockets, out);
        }
    }

    /// Stops reading and writing, and releases the dial slot.
    pub(super) fn silence(&mut self, sockets: &mut Sockets) {
        self.silent = true;
        self.release_dial_slot(sockets);
        if matches!(self.state, State::Queued) {
            self.state = State::Closed;
        }
    }

    /// Resumes reading and writing. Packets that arrived meanwhile are read first.
    pub(super) fn resume(&mut self, client: &Client, sockets: &mut Sockets) {
        self.silent = false;
        self.redial(client, sockets);
        if let State::Open(open) = &self.state {
            self.resume_pending = true;
            open.socket_waker.set_ready();
        }
    }
}
