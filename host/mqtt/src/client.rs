//! A device's MQTT client as a state machine, without a clock or a socket.
//!
//! It keeps the connection alive, acknowledges what it receives, sends again what was not acknowledged,
//! and holds what the broker does not take yet. While it is silent it does none of this: what arrives
//! stays unread, as in the buffers of a socket.
//!
//! A driver hands it what its device wants and what the broker replies, with the time, carries what it finds
//! in the [`Outbox`], and wakes it at [`Client::next_deadline`]. It serves every device, in virtual time and in real
//! time, over every kind of connection.
//!
//! * [`ids`]: the names of its connections. [`options`]: what it is told once and for all.
//! * `reading`: what it makes of what comes from the broker.

pub mod ids;
pub mod options;
mod reading;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::inflight::{Incoming, Outgoing};
use crate::broker::packet::{
    Ack, Connect, Disconnect, PacketId, Publish, Reply, Request, Subscribe, SubscribeOptions, Unsubscribe,
};
use crate::broker::stored::StoredMessage;
use crate::message::{Message, Qos, Will};
use crate::protocol::Protocol;
use crate::time::Time;
use crate::topic::TopicFilter;
use ids::ConnectionId;
use options::ClientOptions;

const NO_ANSWER: &str = "no answer from the broker within 10 s";
const NO_PONG: &str = "the broker did not answer the keepalive";
/// Longest that the broker may take to answer CONNECT, or the ping after a silence.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest that a farewell waits for messages that are not acknowledged yet.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// SUBSCRIBE and UNSUBSCRIBE packets that may await their answers. Each takes one of the 65,535 identifiers.
const MAX_PENDING_SUBSCRIPTIONS: usize = 32_768;

/// As many subscriptions and their ends as can be asked for at one time are not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many subscriptions at once")]
pub struct TooManyPendingSubscriptions;

/// How far its connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down,
    /// Until then, the broker may answer.
    Connecting(Time),
    Up,
    /// Told to leave, once the last message is acknowledged, or then at the latest.
    Disconnecting(Time),
}

/// A device's side of its session.
#[derive(Debug)]
pub struct Client {
    client_id: Arc<str>,
    protocol: Protocol,
    options: Arc<ClientOptions>,
    /// The newest connection.
    connection: ConnectionId,
    state: State,
    silent: bool,
    /// It has no memory of a session, and refuses one that the broker may still have from before.
    needs_clean_start: bool,
    /// Seconds, as agreed with the broker; zero means never.
    keep_alive: u16,
    /// A ping is out, and this is when it has to be answered (section 3.12.4).
    pong_due: Option<Time>,
    /// That ping tells whether the broker still has the connection after a silence.
    probing: bool,
    /// Why the connection is gone, which a silent client has yet to hear.
    lost_reason: Option<String>,
    unread: VecDeque<Reply>,
    outgoing: Outgoing,
    incoming: Incoming,
    last_sent: Time,
    last_heard: Time,
    /// What SUBSCRIBE packets asked for that are not answered yet; nothing for UNSUBSCRIBE.
    pending_subscriptions: Vec<(PacketId, Option<TopicFilter>)>,
    /// The will of the next connection, which waits until this one has left.
    queued_connect: Option<Option<Will>>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectMode {
    /// With a DISCONNECT packet: no will is published.
    Clean,
    /// The device lost its power, and its memory with it: no DISCONNECT, so the broker publishes the will.
    PowerLoss,
    /// The line is cut while the device runs on: no DISCONNECT, so the broker publishes the will. What was not
    /// acknowledged is still the device's to send.
    Abort,
}

/// Event that a client reports to its device.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEvent {
    /// The broker accepted the connection.
    Connected {
        /// Whether the broker still had the session [MQTT-3.2.2-2].
        session_present: bool,
    },
    /// The broker answered on the old connection after a silence: it never noticed the silence.
    Resumed,
    /// The connection could not be made, or broke; the reason in words.
    Disconnected(String),
    /// The broker delivered a message.
    Delivered(Message),
    /// The connection could not take a message.
    Refused(Message),
    /// The connection broke before a message at QoS 1 or 2 was acknowledged, and its session is gone.
    Returned(Message),
}

/// Output of clients: packets for the broker and events for the device. The driver empties it after each step.
/// `E` is the driver's input type, so that it can keep its own inputs in the same order.
#[derive(Debug)]
pub struct Outbox<E = ClientEvent> {
    /// To the broker.
    pub packets: Vec<(ConnectionId, Request)>,
    /// To the device.
    pub inputs: VecDeque<E>,
    /// Messages that will not be read.
    pub lost: u64,
}

impl<E> Default for Outbox<E> {
    fn default() -> Self {
        Self { packets: Vec::new(), inputs: VecDeque::new(), lost: 0 }
    }
}

impl<E: From<ClientEvent>> Outbox<E> {
    fn report(&mut self, event: ClientEvent) {
        self.inputs.push_back(event.into());
    }
}

impl<E> Outbox<E> {
    /// Whether there is neither a packet nor an event.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty() && self.inputs.is_empty()
    }
}

impl Client {
    /// A client that is not connected. `connection` is the connection before its first, so to say.
    pub fn new(
        connection: ConnectionId,
        client_id: Arc<str>,
        protocol: Protocol,
        options: Arc<ClientOptions>,
    ) -> Self {
        Self {
            client_id,
            protocol,
            connection,
            state: State::Down,
            silent: false,
            needs_clean_start: true,
            keep_alive: options.keep_alive,
            pong_due: None,
            probing: false,
            lost_reason: None,
            unread: VecDeque::new(),
            outgoing: Outgoing::new(options.queued),
            incoming: Incoming::default(),
            last_sent: Time::ZERO,
            last_heard: Time::ZERO,
            pending_subscriptions: Vec::new(),
            queued_connect: None,
            options,
        }
    }

    /// The name of its session.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// When it wants to be woken: to keep the connection alive, or to give it up.
    pub fn next_deadline(&self) -> Option<Time> {
        match self.state {
            _ if self.silent => None,
            State::Down => None,
            State::Connecting(until) => Some(until),
            State::Up => self.keepalive_due(),
            State::Disconnecting(until) => Some(self.keepalive_due().map_or(until, |due| due.min(until))),
        }
    }

    fn keepalive_due(&self) -> Option<Time> {
        // Who has much to say and hears nothing has to ask as well, or a connection that leads nowhere
        // would never be found out.
        let idle_since = self.last_sent.min(self.last_heard);
        let ping = (self.keep_alive > 0).then(|| idle_since + self.keepalive());
        // While a ping is out, nothing else has to be sent.
        self.pong_due.or(ping)
    }

    fn keepalive(&self) -> Duration {
        Duration::from_secs(self.keep_alive.into())
    }

    /// Its deadline may have come.
    pub fn wake<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        if self.next_deadline().is_none_or(|due| due > now) {
            return;
        }
        match self.state {
            State::Connecting(_) => self.time_out(NO_ANSWER, now, out),
            State::Disconnecting(until) if until <= now => {
                self.abort(now, out);
                self.clear_session(out);
                self.start_queued_connect(now, out);
            }
            _ if self.pong_due.is_some() => self.time_out(NO_PONG, now, out),
            _ => self.ping(self.keepalive(), now, out),
        }
    }

    fn ping<E: From<ClientEvent>>(&mut self, timeout: Duration, now: Time, out: &mut Outbox<E>) {
        self.pong_due = Some(now + timeout);
        self.send(Request::PingReq, now, out);
    }

    /// The broker does not answer.
    fn time_out<E: From<ClientEvent>>(&mut self, reason: &str, now: Time, out: &mut Outbox<E>) {
        self.send(Request::Lost, now, out);
        self.lost(reason.to_owned(), now, out);
    }

    /// Its present connection, if it has one or tries to.
    pub fn connection(&self) -> Option<ConnectionId> {
        (self.state != State::Down).then_some(self.connection)
    }

    /// The attempt that was asked for begins only now: the broker's time to answer counts from here.
    pub fn connect_started(&mut self, now: Time) {
        if matches!(self.state, State::Connecting(_)) {
            self.state = State::Connecting(now + RESPONSE_TIMEOUT);
        }
    }

    /// Begin a new connection. One that there still is ends without a farewell.
    pub fn connect<E: From<ClientEvent>>(&mut self, will: Option<Will>, now: Time, out: &mut Outbox<E>) {
        if matches!(self.state, State::Disconnecting(_)) {
            self.queued_connect = Some(will);
            return;
        }
        self.abort(now, out);
        self.connection.attempt += 1;
        self.state = State::Connecting(now + RESPONSE_TIMEOUT);
        self.keep_alive = self.options.keep_alive;
        let connect = Connect {
            client_id: Arc::clone(&self.client_id),
            protocol: self.protocol,
            // On 3.1.1 a clean start also ends the session with the connection.
            clean_start: self.options.session_expiry == 0
                || (self.needs_clean_start && self.protocol == Protocol::V5),
            session_expiry: self.options.session_expiry,
            keep_alive: self.options.keep_alive,
            receive_maximum: None,
            will,
        };
        self.send(Request::Connect(Box::new(connect)), now, out);
    }

    /// End the connection. A silent client cannot take its leave. After a farewell in order nothing goes
    /// on: what is not acknowledged by then goes back to the device.
    pub fn disconnect<E: From<ClientEvent>>(&mut self, mode: DisconnectMode, now: Time, out: &mut Outbox<E>) {
        self.queued_connect = None;
        self.needs_clean_start |= mode == DisconnectMode::Clean;
        match mode {
            DisconnectMode::Clean if self.state == State::Up && !self.silent => {
                self.state = State::Disconnecting(now + DISCONNECT_TIMEOUT);
                self.finish_disconnect(now, out);
            }
            DisconnectMode::Clean => {
                self.abort(now, out);
                self.clear_session(out);
            }
            DisconnectMode::PowerLoss | DisconnectMode::Abort => self.abort(now, out),
        }
    }

    /// Say farewell once the last message is acknowledged.
    fn finish_disconnect<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        if matches!(self.state, State::Disconnecting(_)) && self.outgoing.is_empty() {
            self.send(Request::Disconnect(Disconnect::default()), now, out);
            self.close(out);
            self.start_queued_connect(now, out);
        }
    }

    fn start_queued_connect<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        if let Some(will) = self.queued_connect.take() {
            self.connect(will, now, out);
        }
    }

    /// Break the connection.
    fn abort<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        if self.state != State::Down {
            self.send(Request::Lost, now, out);
            self.close(out);
        }
    }

    /// The connection is over; what was not read never will be. A session that does not outlive it takes
    /// nothing with it.
    fn close<E: From<ClientEvent>>(&mut self, out: &mut Outbox<E>) {
        self.state = State::Down;
        self.pong_due = None;
        self.probing = false;
        self.lost_reason = None;
        for (id, _) in std::mem::take(&mut self.pending_subscriptions) {
            self.outgoing.release(id);
        }
        let unread = std::mem::take(&mut self.unread).into_iter();
        out.lost += unread.filter(|reply| matches!(reply, Reply::Publish(_))).count() as u64;
        if self.options.session_expiry == 0 {
            self.clear_session(out);
        }
    }

    /// The session is no more: what was not acknowledged goes back to the device, in order.
    fn clear_session<E: From<ClientEvent>>(&mut self, out: &mut Outbox<E>) {
        self.incoming.clear();
        out.inputs.extend(self.outgoing.take_all().map(returned).map(E::from));
    }

    /// Fall silent.
    pub fn silence(&mut self) {
        self.silent = true;
    }

    /// Publish a message, or give it back.
    pub fn publish<E: From<ClientEvent>>(&mut self, message: Message, now: Time, out: &mut Outbox<E>) {
        if self.state != State::Up {
            // The device has yet to hear that the connection is gone.
            out.report(returned(message));
        } else if message.qos == Qos::AtMostOnce {
            self.send(Request::Publish(Publish::new(message, None)), now, out);
        } else if self.outgoing.has_room() {
            // There is room, and nothing expires on this side.
            let _ = self.outgoing.enqueue(StoredMessage::without_expiry(message), now);
            self.pump(now, out);
        } else {
            out.report(ClientEvent::Refused(message));
        }
    }

    /// A packet with a message could not be sent: the broker takes none of its kind or size. The message goes
    /// back for good.
    pub fn return_unsendable<E: From<ClientEvent>>(
        &mut self,
        publish: Publish,
        now: Time,
        out: &mut Outbox<E>,
    ) {
        let message = match publish.packet_id {
            None => Some(publish.message),
            Some(id) => self.outgoing.take(id),
        };
        out.inputs.extend(message.map(ClientEvent::Refused).map(E::from));
        self.pump(now, out);
        self.finish_disconnect(now, out);
    }

    /// Ask for messages, unless there is no connection.
    pub fn subscribe<E: From<ClientEvent>>(
        &mut self,
        filter: TopicFilter,
        qos: Qos,
        now: Time,
        out: &mut Outbox<E>,
    ) -> Result<(), TooManyPendingSubscriptions> {
        let Some(packet_id) = self.reserve_subscription(Some(&filter))? else { return Ok(()) };
        let filters = vec![(filter, SubscribeOptions::at(qos))];
        self.send(Request::Subscribe(Subscribe { packet_id, identifier: None, filters }), now, out);
        Ok(())
    }

    /// Take a subscription back, unless there is no connection.
    pub fn unsubscribe<E: From<ClientEvent>>(
        &mut self,
        filter: TopicFilter,
        now: Time,
        out: &mut Outbox<E>,
    ) -> Result<(), TooManyPendingSubscriptions> {
        let Some(packet_id) = self.reserve_subscription(None)? else { return Ok(()) };
        self.send(Request::Unsubscribe(Unsubscribe { packet_id, filters: vec![filter] }), now, out);
        Ok(())
    }

    /// An identifier of its own [MQTT-2.2.1-4], and what it is for; nothing while there is no connection.
    fn reserve_subscription(
        &mut self,
        filter: Option<&TopicFilter>,
    ) -> Result<Option<PacketId>, TooManyPendingSubscriptions> {
        if self.state != State::Up {
            return Ok(None);
        }
        if self.pending_subscriptions.len() >= MAX_PENDING_SUBSCRIPTIONS {
            return Err(TooManyPendingSubscriptions);
        }
        let id = self.outgoing.reserve().ok_or(TooManyPendingSubscriptions)?;
        self.pending_subscriptions.push((id, filter.cloned()));
        Ok(Some(id))
    }

    /// What a SUBSCRIBE packet asked for that awaits its answer.
    pub fn pending_subscription(&self, id: PacketId) -> Option<&TopicFilter> {
        self.pending_subscriptions.iter().find(|(pending, _)| *pending == id)?.1.as_ref()
    }

    fn send<E: From<ClientEvent>>(&mut self, request: Request, now: Time, out: &mut Outbox<E>) {
        self.last_sent = now;
        out.packets.push((self.connection, request));
    }

    fn send_ack<E: From<ClientEvent>>(&mut self, ack: Ack, now: Time, out: &mut Outbox<E>) {
        self.send(Request::Ack(ack), now, out);
    }

    /// Send what the broker takes.
    fn pump<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        let connection = self.connection;
        let sent_before = out.packets.len();
        // Nothing expires on this side.
        let _ = self.outgoing.pump(now, |publish| out.packets.push((connection, Request::Publish(publish))));
        if out.packets.len() > sent_before {
            self.last_sent = now;
        }
    }
}

/// A message that met the end of a connection: at QoS 0 that is the end of it, otherwise it waits for the
/// next.
fn returned(message: Message) -> ClientEvent {
    match message.qos {
        Qos::AtMostOnce => ClientEvent::Refused(message),
        Qos::AtLeastOnce | Qos::ExactlyOnce => ClientEvent::Returned(message),
    }
}
