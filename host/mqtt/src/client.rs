//! MQTT client of a device as a state machine, without a clock or a socket.
//!
//! The client sends keepalives, acknowledges messages, retransmits unacknowledged messages, and queues
//! messages beyond the broker's window. While it is silent it does none of this, and packets from the broker
//! stay unread, as in the buffers of a socket.
//!
//! The driver passes in requests of the device and replies of the broker, each with the current time,
//! processes the [`Outbox`], and calls [`Client::wake`] at [`Client::next_deadline`]. Virtual time uses this
//! client for every device; live runs use it both in process and over TCP.
//!
//! * [`ids`]: identifiers of connections. [`options`]: configuration.
//! * `sessions`: sessions of earlier and later runs. `reading`: handling of packets from the broker.
//! * [`suspects`]: messages at which the broker ends the connection.

pub mod ids;
pub mod options;
mod reading;
mod sessions;
pub mod suspects;

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::{Disconnection, NegativeAnswer};
use crate::broker::inflight::{Incoming, Outgoing, Sending};
use crate::broker::packet::{
    Ack, Connect, PacketId, Publish, Reply, Request, Subscribe, SubscribeOptions, Unsubscribe,
};
use crate::broker::stored::StoredMessage;
use crate::codec::client::SendError;
use crate::message::{Message, MessageOrigin, Qos, Will};
use crate::protocol::Protocol;
use crate::time::Time;
use crate::topic::TopicFilter;
use ids::ConnectionId;
use options::ClientOptions;
use sessions::Discard;
use suspects::Suspects;

const NO_ANSWER: &str = "no answer from the broker within 10 s";
const NO_PONG: &str = "the broker did not answer the keepalive";
/// Timeout for CONNACK, and for the ping after a silence.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait of DISCONNECT for outstanding acknowledgements.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of SUBSCRIBE and UNSUBSCRIBE packets in flight. Each takes one of the 65,535 identifiers.
const MAX_PENDING_SUBSCRIPTIONS: usize = 32_768;

/// Maximum number of bytes of their filters.
const MAX_PENDING_FILTER_BYTES: usize = 4 << 20;

/// The limit on SUBSCRIBE and UNSUBSCRIBE packets in flight is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many pending subscriptions")]
pub struct TooManyPendingSubscriptions;

/// State of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down,
    /// CONNECT is sent; with the deadline for CONNACK.
    Connecting(Time),
    Up,
    /// DISCONNECT waits for the last acknowledgement; with the deadline of this wait.
    Disconnecting(Time),
}

/// MQTT client of one device.
#[derive(Debug)]
pub struct Client {
    client_id: Arc<str>,
    protocol: Protocol,
    options: Arc<ClientOptions>,
    /// Identifier of the newest connection.
    connection: ConnectionId,
    state: State,
    silent: bool,
    /// The client has no session state, so it discards a session that the broker may still have.
    needs_clean_start: bool,
    /// Whether the broker may keep a session that the client began.
    may_have_session: bool,
    /// Purpose of the present connection, if it only discards the session.
    discarding: Option<Discard>,
    /// Negotiated keepalive in seconds; zero means none.
    keep_alive: u16,
    /// Deadline for the outstanding PINGRESP (section 3.12.4).
    pong_due: Option<Time>,
    /// Time of the latest PINGREQ.
    pinged_at: Time,
    /// Whether the outstanding ping tests the connection after a silence.
    probing: bool,
    /// Reason of a connection loss that a silent client has not reported yet.
    lost_reason: Option<Disconnection>,
    unread: VecDeque<Reply>,
    /// Bytes of the messages in `unread` that can be lost.
    unread_bytes: usize,
    outgoing: Outgoing,
    /// Maximum number of messages in flight on the present connection.
    window: NonZeroU16,
    suspects: Suspects,
    /// Time at which the broker accepted the present connection.
    up_since: Time,
    incoming: Incoming,
    last_sent: Time,
    last_heard: Time,
    /// Unanswered SUBSCRIBE and UNSUBSCRIBE packets.
    pending_subscriptions: BTreeMap<PacketId, PendingSubscription>,
    /// Bytes of the filters in these packets.
    pending_filter_bytes: usize,
    /// Reason String of the packet that is being read.
    reason_string: Option<Arc<str>>,
    /// Will of the next connection, which waits for the end of this one.
    queued_connect: Option<Option<Will>>,
}

/// A SUBSCRIBE or UNSUBSCRIBE packet without an answer.
#[derive(Debug)]
struct PendingSubscription {
    filter: TopicFilter,
    is_subscribe: bool,
}

/// Ways to end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectMode {
    /// With a DISCONNECT packet: no will is published.
    Clean,
    /// The device lost power and memory. It sends no DISCONNECT, so the broker publishes the will.
    PowerLoss,
    /// The connection is cut while the device runs. It sends no DISCONNECT, so the broker publishes the will.
    /// The device keeps its unacknowledged messages.
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
    /// The broker answered on the old connection after a silence, which it did not notice.
    Resumed,
    /// The connection failed or was lost.
    Disconnected(Disconnection),
    /// The broker delivered a message.
    Delivered(Message),
    /// A message will not be sent, or the broker refused it.
    Refused(Message, Refusal),
    /// The broker gave a negative answer to another request.
    RequestRefused(RefusedRequest, NegativeAnswer),
    /// The connection broke before a message at QoS 1 or 2 was acknowledged, and its session is gone.
    Returned(Message),
}

/// Reason for which a message was refused. It is not sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The queue of the client or of its socket was full.
    QueueFull,
    /// A message at QoS 0 was not written before the connection ended.
    Offline,
    /// The message exceeds limits that the broker announced, or those of MQTT.
    BeyondLimits(SendError),
    /// The broker answered with an error.
    Answer(NegativeAnswer),
    /// The broker ended several connections in a row at the message, with this answer if it gave one.
    EndsConnection(Option<NegativeAnswer>),
}

/// Request, other than a new message, to which the broker gave a negative answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusedRequest {
    /// SUBSCRIBE with this filter.
    Subscribe(TopicFilter),
    /// UNSUBSCRIBE with this filter.
    Unsubscribe(TopicFilter),
    /// A step in the exchange of a message that the peer already has.
    Exchange,
    /// No request awaited this answer.
    Unknown,
}

/// Output of clients: packets for the broker and events for the device. The driver empties it after each step.
/// `E` is the driver's input type, so that it can keep its own inputs in the same order.
#[derive(Debug)]
pub struct Outbox<E = ClientEvent> {
    /// Packets for the broker.
    pub packets: Vec<(ConnectionId, Request)>,
    /// Events for the device.
    pub inputs: VecDeque<E>,
    /// Messages from the broker that the client will not read.
    pub lost: u64,
    /// Messages that left for good: acknowledged by the broker, or at QoS 0 written by the transport.
    pub sent: u64,
    /// Whether the driver follows single messages, so that `settled` is filled.
    pub follows_messages: bool,
    /// Messages whose exchange with the broker has just ended.
    pub settled: Vec<Settled>,
}

/// End of a message at the client, for its journey.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// The broker acknowledged a message of the device.
    Acknowledged(Arc<MessageOrigin>),
    /// A message from the broker was lost before the client read it, with the reason.
    Unread(Arc<MessageOrigin>, &'static str),
}

impl<E> Default for Outbox<E> {
    fn default() -> Self {
        Self {
            packets: Vec::new(),
            inputs: VecDeque::new(),
            lost: 0,
            sent: 0,
            follows_messages: false,
            settled: Vec::new(),
        }
    }
}

impl<E: From<ClientEvent>> Outbox<E> {
    fn report(&mut self, event: ClientEvent) {
        self.inputs.push_back(event.into());
    }
}

impl<E> Outbox<E> {
    /// Counts a packet that the client will not read, if it has a message.
    fn lose(&mut self, reply: &Reply, reason: &'static str) {
        let Reply::Publish(publish) = reply else { return };
        self.lost += 1;
        if self.follows_messages
            && let Some(origin) = publish.message.proven_origin()
        {
            self.settled.push(Settled::Unread(Arc::clone(origin), reason));
        }
    }

    fn acknowledge(&mut self, message: &Message) {
        if self.follows_messages
            && let Some(origin) = message.proven_origin()
        {
            self.settled.push(Settled::Acknowledged(Arc::clone(origin)));
        }
    }

    /// Whether there is neither a packet nor an event.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty() && self.inputs.is_empty()
    }
}

impl Client {
    /// Creates a disconnected client. `connection` is the identifier that precedes the first connection's.
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
            may_have_session: false,
            discarding: None,
            keep_alive: options.keep_alive,
            pong_due: None,
            pinged_at: Time::ZERO,
            probing: false,
            lost_reason: None,
            unread: VecDeque::new(),
            outgoing: Outgoing::new(options.queued, options.queued_bytes),
            window: options.inflight,
            suspects: Suspects::default(),
            up_since: Time::ZERO,
            incoming: Incoming::default(),
            last_sent: Time::ZERO,
            last_heard: Time::ZERO,
            pending_subscriptions: BTreeMap::new(),
            pending_filter_bytes: 0,
            unread_bytes: 0,
            reason_string: None,
            queued_connect: None,
            options,
        }
    }

    /// The client identifier.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Time of the next [`wake`](Self::wake): a keepalive or a timeout.
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
        if self.suspects.ping_is_due() {
            return Some(self.up_since);
        }
        // A client that only sends must also ping, otherwise it would not detect a half-open connection.
        let idle_since = self.last_sent.min(self.last_heard);
        let ping = (self.keep_alive > 0).then(|| idle_since + self.keepalive());
        // While a ping is outstanding, no other is sent.
        self.pong_due.or(ping)
    }

    fn keepalive(&self) -> Duration {
        Duration::from_secs(self.keep_alive.into())
    }

    /// Runs the due work, if any.
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
                self.end_session(now, out);
            }
            _ if self.suspects.ping_is_due() => self.test_connection(now, out),
            _ if self.pong_due.is_some() => self.time_out(NO_PONG, now, out),
            _ => self.ping(self.keepalive(), now, out),
        }
    }

    fn ping<E: From<ClientEvent>>(&mut self, timeout: Duration, now: Time, out: &mut Outbox<E>) {
        self.pong_due = Some(now + timeout);
        self.pinged_at = now;
        self.send(Request::PingReq, now, out);
    }

    /// Ends a connection to an unresponsive broker.
    fn time_out<E: From<ClientEvent>>(&mut self, reason: &str, now: Time, out: &mut Outbox<E>) {
        self.send(Request::Lost, now, out);
        self.lost(reason.into(), now, out);
    }

    /// Time of the PINGREQ that the broker has not answered yet; `None` for a client that does not read.
    pub fn unanswered_since(&self) -> Option<Time> {
        (self.pong_due.is_some() && !self.silent).then_some(self.pinged_at)
    }

    /// Negotiated keepalive in seconds; zero means none.
    pub fn keep_alive(&self) -> u16 {
        self.keep_alive
    }

    /// Identifier of the present connection, or of the present attempt.
    pub fn connection(&self) -> Option<ConnectionId> {
        (self.state != State::Down).then_some(self.connection)
    }

    /// Time until which the broker has to answer CONNECT, unless the client is silent.
    pub fn connect_deadline(&self) -> Option<Time> {
        match self.state {
            State::Connecting(until) if !self.silent => Some(until),
            _ => None,
        }
    }

    /// Restarts the timeout for CONNACK: the requested attempt begins only now.
    pub fn connect_started(&mut self, now: Time) {
        if matches!(self.state, State::Connecting(_)) {
            self.state = State::Connecting(now + RESPONSE_TIMEOUT);
        }
    }

    /// Opens a new connection. An existing one ends without DISCONNECT.
    pub fn connect<E: From<ClientEvent>>(&mut self, will: Option<Will>, now: Time, out: &mut Outbox<E>) {
        if matches!(self.state, State::Disconnecting(_)) {
            self.queued_connect = Some(will);
            return;
        }
        self.abort(now, out);
        if self.must_discard_first() {
            return self.discard_session(Discard::Before(will), now, out);
        }
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
        self.open(connect, now, out);
    }

    /// Sends CONNECT on a new connection.
    fn open<E: From<ClientEvent>>(&mut self, connect: Connect, now: Time, out: &mut Outbox<E>) {
        self.connection.attempt += 1;
        self.state = State::Connecting(now + RESPONSE_TIMEOUT);
        self.keep_alive = self.options.keep_alive;
        self.send(Request::Connect(Box::new(connect)), now, out);
    }

    /// Ends the connection. A silent client cannot send DISCONNECT. A clean disconnect discards the session:
    /// unacknowledged messages are returned to the device.
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
                self.end_session(now, out);
            }
            DisconnectMode::PowerLoss | DisconnectMode::Abort => self.abort(now, out),
        }
    }

    /// Sends DISCONNECT once the last message is acknowledged.
    fn finish_disconnect<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        if matches!(self.state, State::Disconnecting(_)) && self.outgoing.is_empty() {
            let disconnect = self.last_disconnect();
            self.send(Request::Disconnect(disconnect), now, out);
            self.close(out);
            self.start_queued_connect(now, out);
            self.end_session(now, out);
        }
    }

    fn start_queued_connect<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        if let Some(will) = self.queued_connect.take() {
            self.connect(will, now, out);
        }
    }

    /// Ends the connection without DISCONNECT.
    fn abort<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        if self.state != State::Down {
            self.send(Request::Lost, now, out);
            self.close(out);
        }
    }

    /// Cleans up after the end of a connection. Unread packets are lost. A session without expiry ends here.
    fn close<E: From<ClientEvent>>(&mut self, out: &mut Outbox<E>) {
        self.state = State::Down;
        self.discarding = None;
        self.pong_due = None;
        self.probing = false;
        self.lost_reason = None;
        self.pending_filter_bytes = 0;
        for id in std::mem::take(&mut self.pending_subscriptions).into_keys() {
            self.outgoing.release(id);
        }
        self.unread_bytes = 0;
        let unread = std::mem::take(&mut self.unread).into_iter();
        unread.for_each(|reply| out.lose(&reply, "the connection ended before the client read it"));
        if self.options.session_expiry == 0 {
            self.clear_session(out);
        }
    }

    /// Discards the session: unacknowledged messages are returned to the device, in order.
    fn clear_session<E: From<ClientEvent>>(&mut self, out: &mut Outbox<E>) {
        self.incoming.clear();
        out.inputs.extend(self.outgoing.take_all().map(returned).map(E::from));
    }

    /// Stops reading and writing.
    pub fn silence(&mut self) {
        self.silent = true;
    }

    /// Publishes a message, or returns it.
    pub fn publish<E: From<ClientEvent>>(&mut self, message: Message, now: Time, out: &mut Outbox<E>) {
        if self.state != State::Up {
            // The device does not know of the connection loss yet.
            out.report(returned(message));
        } else if message.qos == Qos::AtMostOnce {
            self.send(Request::Publish(Publish::new(message, None)), now, out);
        } else if self.outgoing.has_room(&message) {
            // The queue has space, and nothing expires in the client.
            let _ = self.outgoing.enqueue(StoredMessage::without_expiry(message), now, |_| {});
            self.pump(now, out);
        } else {
            out.report(ClientEvent::Refused(message, Refusal::QueueFull));
        }
    }

    /// Returns a message that could not be sent because the broker does not support its QoS, retain flag or
    /// size. It is not retried.
    pub fn return_unsendable<E: From<ClientEvent>>(
        &mut self,
        publish: Publish,
        why: SendError,
        now: Time,
        out: &mut Outbox<E>,
    ) {
        let message = match publish.packet_id {
            None => Some(publish.message),
            Some(id) => self.outgoing.take(id),
        };
        let refused = message.map(|message| ClientEvent::Refused(message, Refusal::BeyondLimits(why)));
        out.inputs.extend(refused.map(E::from));
        self.pump(now, out);
        self.finish_disconnect(now, out);
    }

    /// Sends SUBSCRIBE if connected.
    pub fn subscribe<E: From<ClientEvent>>(
        &mut self,
        filter: TopicFilter,
        qos: Qos,
        now: Time,
        out: &mut Outbox<E>,
    ) -> Result<(), TooManyPendingSubscriptions> {
        let Some(packet_id) = self.reserve_subscription(&filter, true)? else { return Ok(()) };
        let filters = vec![(filter, SubscribeOptions::at(qos))];
        self.send(Request::Subscribe(Subscribe { packet_id, identifier: None, filters }), now, out);
        Ok(())
    }

    /// Sends UNSUBSCRIBE if connected.
    pub fn unsubscribe<E: From<ClientEvent>>(
        &mut self,
        filter: TopicFilter,
        now: Time,
        out: &mut Outbox<E>,
    ) -> Result<(), TooManyPendingSubscriptions> {
        let Some(packet_id) = self.reserve_subscription(&filter, false)? else { return Ok(()) };
        self.send(Request::Unsubscribe(Unsubscribe { packet_id, filters: vec![filter] }), now, out);
        Ok(())
    }

    /// Reserves a packet identifier for a subscription [MQTT-2.2.1-4]; `None` while disconnected.
    fn reserve_subscription(
        &mut self,
        filter: &TopicFilter,
        is_subscribe: bool,
    ) -> Result<Option<PacketId>, TooManyPendingSubscriptions> {
        if self.state != State::Up {
            return Ok(None);
        }
        let bytes = self.pending_filter_bytes + filter.as_str().len();
        if self.pending_subscriptions.len() >= MAX_PENDING_SUBSCRIPTIONS || bytes > MAX_PENDING_FILTER_BYTES {
            return Err(TooManyPendingSubscriptions);
        }
        let id = self.outgoing.reserve().ok_or(TooManyPendingSubscriptions)?;
        self.pending_filter_bytes = bytes;
        self.pending_subscriptions.insert(id, PendingSubscription { filter: filter.clone(), is_subscribe });
        Ok(Some(id))
    }

    fn send<E: From<ClientEvent>>(&mut self, request: Request, now: Time, out: &mut Outbox<E>) {
        self.last_sent = now;
        out.packets.push((self.connection, request));
    }

    fn send_ack<E: From<ClientEvent>>(&mut self, ack: Ack, now: Time, out: &mut Outbox<E>) {
        self.send(Request::Ack(ack), now, out);
    }

    /// Sends queued messages as far as the broker's window allows.
    fn pump<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        if self.suspects.holds_messages() {
            return;
        }
        let connection = self.connection;
        let sent_before = out.packets.len();
        // Nothing expires in the client.
        let _ = self.outgoing.pump(now, |sending| {
            if let Sending::Publish(publish) = sending {
                out.packets.push((connection, Request::Publish(publish)));
            }
        });
        if out.packets.len() > sent_before {
            self.last_sent = now;
        }
    }
}

/// Event for a message whose connection has ended: a message at QoS 0 is lost, others wait for the next
/// connection.
fn returned(message: Message) -> ClientEvent {
    match message.qos {
        Qos::AtMostOnce => ClientEvent::Refused(message, Refusal::Offline),
        Qos::AtLeastOnce | Qos::ExactlyOnce => ClientEvent::Returned(message),
    }
}
