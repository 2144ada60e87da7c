//! MQTT connection of a device: the client state machine, and its transport to the broker.
//!
//! The shard's deadline heap includes the connection's deadlines. With the embedded broker, packets go out in
//! one batch per turn of the shard and replies arrive in batches. With any other broker, packets go over a
//! [socket](super::tcp).

use std::sync::Arc;

use tokio::sync::mpsc;
use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::client::ids::{ConnectionId, DeviceIndex};
use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::client::{Client, DisconnectMode, Refusal};
use wasmote_mqtt::message::{Message, Qos, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::device::Outbox;
use wasmote_sim::device::{Blueprint, Input};
use wasmote_sim::faults::byte_stream::{LinkBreak, LinkConditions};
use wasmote_sim::faults::{Direction, FaultId};
use wasmote_sim::link::{AtMostOnce, NetworkLink, SendOutcome};

use super::tcp::{Sockets, TcpConnection};
use crate::broker::{ShardRequestSender, request_bytes};
use crate::broker_state::{CleanUp, RetainedTopics};
use crate::config::ConnectionOptions;
use crate::status::SessionStatus;

/// Number of packets for the embedded broker at which a shard sends them.
const MAX_LOCAL_BATCH: usize = 256;

/// MQTT client of a device, with its transport.
pub(super) struct Connection {
    client: Client,
    protocol: Protocol,
    transport: Transport,
    /// Whether the connection is counted in [`Connections::active`].
    is_counted: bool,
}

/// Transport of packets to the broker.
enum Transport {
    /// Packets as values, to the embedded broker. The link model exists only after a byte-stream fault.
    Local(Option<Box<NetworkLink>>),
    /// Bytes over TCP.
    Tcp(TcpConnection),
}

/// State that all connections of a shard share.
pub(super) struct Connections {
    transport: ShardTransport,
    options: Arc<ClientOptions>,
    /// Inputs and packets to handle before the device's turn ends.
    pub(super) outbox: Outbox,
    /// Warnings about the device whose turn it is. The shard writes them within the device's log rate.
    pub(super) warnings: Vec<String>,
    /// Bytes of the batch for the embedded broker.
    batch_bytes: usize,
    /// Number of active connections, including those that are opening or closing.
    active: usize,
    /// Dropped when all devices are stopped and no connection is active.
    alive: Option<mpsc::Sender<()>>,
    /// Retained messages that were passed to the transport.
    pub(super) retained: RetainedTopics,
}

/// Transport that all connections of a shard use.
pub(super) enum ShardTransport {
    /// Channel to the embedded broker, and the batch for it.
    Local(ShardRequestSender, Vec<(ConnectionId, Request)>),
    /// TCP, with or without TLS.
    Tcp(Box<Sockets>),
}

impl Connections {
    pub(super) fn new(
        transport: ShardTransport,
        options: &ConnectionOptions,
        alive: Option<mpsc::Sender<()>>,
    ) -> Self {
        // The embedded broker ends with the run.
        let clean_up = match &transport {
            ShardTransport::Local(..) => CleanUp::Off,
            ShardTransport::Tcp(_) => options.clean_up.clone(),
        };
        let options = ClientOptions {
            discard_sessions: clean_up.is_on(),
            keep_alive: u16::try_from(options.keepalive.as_secs()).unwrap_or(u16::MAX).max(5),
            session_expiry: u32::try_from(options.session_expiry.as_secs()).unwrap_or(u32::MAX),
            ..ClientOptions::default()
        };
        let retained = RetainedTopics::new(clean_up);
        Self {
            transport,
            options: Arc::new(options),
            outbox: Outbox::default(),
            warnings: Vec::new(),
            batch_bytes: 0,
            active: 0,
            alive,
            retained,
        }
    }

    /// Whether sessions end with the run.
    pub(super) fn discards_sessions(&self) -> bool {
        self.options.discard_sessions
    }

    pub(super) fn new_connection(&self, index: usize, blueprint: &Blueprint) -> Box<Connection> {
        let device = DeviceIndex(u32::try_from(index).unwrap_or(u32::MAX));
        let (name, protocol) = (blueprint.identity.client_id().into(), blueprint.protocol);
        let client =
            Client::new(ConnectionId { device, attempt: 0 }, name, protocol, Arc::clone(&self.options));
        let transport = match &self.transport {
            ShardTransport::Local(..) => Transport::Local(None),
            ShardTransport::Tcp(_) => {
                Transport::Tcp(TcpConnection::new(protocol, blueprint.identity.id.clone()))
            }
        };
        Box::new(Connection { client, protocol, transport, is_counted: false })
    }

    /// Sends the batch of a turn. Drops [`Self::alive`] if all devices are stopped and no connection is
    /// active.
    pub(super) fn flush(&mut self, stopping: bool) {
        match &mut self.transport {
            ShardTransport::Local(sender, packets) => {
                self.batch_bytes = 0;
                sender.send(packets);
            }
            ShardTransport::Tcp(sockets) => sockets.shrink(),
        }
        if stopping && self.active == 0 {
            self.alive = None;
        }
    }

    /// Whether the packets of this turn are enough for one flush.
    pub(super) fn is_batch_full(&self) -> bool {
        match &self.transport {
            ShardTransport::Local(_, packets) => packets.len() >= MAX_LOCAL_BATCH,
            ShardTransport::Tcp(sockets) => sockets.is_batch_full(),
        }
    }

    pub(super) fn sockets(&mut self) -> Option<&mut Sockets> {
        match &mut self.transport {
            ShardTransport::Local(..) => None,
            ShardTransport::Tcp(sockets) => Some(sockets),
        }
    }

    fn send(&mut self, link: ConnectionId, request: Request) {
        let ShardTransport::Local(sender, packets) = &mut self.transport else { return };
        if request.is_qos_0() && sender.is_full(packets.len(), self.batch_bytes) {
            self.outbox.inputs.extend(refused_input(request, Refusal::QueueFull));
        } else {
            self.batch_bytes += request_bytes(&request);
            self.outbox.sent += u64::from(request.is_qos_0());
            packets.push((link, request));
        }
    }

    /// Handles the link model's outcome for a packet to the broker.
    fn forward(&mut self, link: ConnectionId, outcome: SendOutcome<Request>) {
        match outcome {
            SendOutcome::Passed(request) => self.send(link, request),
            SendOutcome::Queued => {}
            SendOutcome::Full(request) => {
                self.outbox.inputs.extend(refused_input(request, Refusal::QueueFull));
            }
            SendOutcome::Dropped(request, fault) => {
                self.outbox.inputs.extend(dropped_input(Direction::Out, request, fault));
            }
        }
    }

    /// Link model with the queue limits of a client.
    fn new_link(&self) -> Box<NetworkLink> {
        Box::new(NetworkLink::new(self.options.queued, self.options.unread))
    }
}

/// Input for a message at QoS 0 that the transport does not take.
fn refused_input(packet: impl AtMostOnce, why: Refusal) -> Option<Input> {
    packet.into_qos_0_message().map(|message| Input::Refused(message, why))
}

fn dropped_input(direction: Direction, packet: impl AtMostOnce, fault: FaultId) -> Option<Input> {
    packet.into_qos_0_message().map(|message| Input::Dropped(direction, message, fault))
}

/// Records the retained message of a packet, which may be the will of a CONNECT.
fn record_retained(request: &Request, retained: &mut RetainedTopics) {
    let message = match request {
        Request::Publish(publish) => &publish.message,
        Request::Connect(connect) => match &connect.will {
            Some(will) => &will.message,
            None => return,
        },
        _ => return,
    };
    if message.retain {
        retained.record(&message.topic, message.payload.is_empty());
    }
}

impl Connection {
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let (transport, waits) = match &self.transport {
            Transport::Local(network_link) => {
                (network_link.as_ref().and_then(|network_link| network_link.next_deadline()), false)
            }
            Transport::Tcp(tcp) => (tcp.next_deadline(), tcp.awaits_dial()),
        };
        let client = self.client.next_deadline().filter(|_| !waits);
        [client, transport].into_iter().flatten().min()
    }

    pub(super) fn connect(&mut self, will: Option<Will>, now: Time, connections: &mut Connections) {
        self.client.connect(will, now, &mut connections.outbox);
    }

    pub(super) fn disconnect(&mut self, mode: DisconnectMode, now: Time, connections: &mut Connections) {
        self.client.disconnect(mode, now, &mut connections.outbox);
    }

    /// Discards the session after the last connection.
    pub(super) fn end_session(&mut self, now: Time, connections: &mut Connections) {
        self.client.end_session(now, &mut connections.outbox);
    }

    /// Time of the ping that the broker has not answered yet.
    pub(super) fn unanswered_since(&self) -> Option<Time> {
        self.client.unanswered_since()
    }

    /// The MQTT session.
    pub(super) fn session(&self, connections: &Connections, now: Time) -> SessionStatus {
        SessionStatus {
            protocol: self.protocol,
            keep_alive_s: self.client.keep_alive(),
            expiry_s: connections.options.session_expiry,
            unanswered: self.client.unanswered_since().map(|since| now.since(since)),
        }
    }

    /// Whether the broker may keep the session.
    pub(super) fn may_have_session(&self) -> bool {
        self.client.may_have_session()
    }

    pub(super) fn publish(&mut self, message: Message, now: Time, connections: &mut Connections) {
        self.client.publish(message, now, &mut connections.outbox);
    }

    pub(super) fn subscribe(
        &mut self,
        filter: TopicFilter,
        qos: Qos,
        now: Time,
        connections: &mut Connections,
    ) {
        if let Err(error) = self.client.subscribe(filter, qos, now, &mut connections.outbox) {
            connections.warnings.push(format!("a subscription was not sent: {error}"));
        }
    }

    pub(super) fn unsubscribe(&mut self, filter: TopicFilter, now: Time, connections: &mut Connections) {
        if let Err(error) = self.client.unsubscribe(filter, now, &mut connections.outbox) {
            connections.warnings.push(format!("an unsubscription was not sent: {error}"));
        }
    }

    pub(super) fn silence(&mut self, connections: &mut Connections) {
        self.client.silence();
        if let (Transport::Tcp(tcp), Some(sockets)) = (&mut self.transport, connections.sockets()) {
            tcp.silence(sockets);
        }
    }

    pub(super) fn resume(&mut self, now: Time, connections: &mut Connections) {
        if let (Transport::Tcp(tcp), Some(sockets)) = (&mut self.transport, connections.sockets()) {
            tcp.resume(&self.client, sockets);
            if tcp.resume_pending {
                // Packets that arrived during the silence are handled first.
                return;
            }
        }
        self.client.resume(now, &mut connections.outbox);
    }

    /// Completes a pending end of a silence.
    pub(super) fn finish_resume(&mut self, now: Time, connections: &mut Connections) {
        if let Transport::Tcp(tcp) = &mut self.transport
            && std::mem::take(&mut tcp.resume_pending)
        {
            self.client.resume(now, &mut connections.outbox);
        }
    }

    pub(super) fn set_conditions(
        &mut self,
        conditions: LinkConditions,
        now: Time,
        connections: &mut Connections,
    ) {
        match &mut self.transport {
            Transport::Local(network_link) => {
                network_link.get_or_insert_with(|| connections.new_link()).set_conditions(conditions, now)
            }
            Transport::Tcp(tcp) => tcp.control().set_conditions(conditions),
        }
    }

    /// Breaks the current connection. After a reset of a local link both ends are notified; the ends of a
    /// socket detect it themselves.
    pub(super) fn break_link(
        &mut self,
        link_break: LinkBreak,
        fault: FaultId,
        now: Time,
        connections: &mut Connections,
    ) {
        let network_link = match &mut self.transport {
            Transport::Local(network_link) => network_link.get_or_insert_with(|| connections.new_link()),
            Transport::Tcp(tcp) => return tcp.control().break_link(link_break, fault),
        };
        let Some(link) = self.client.connection() else { return };
        let taken = network_link.break_link(link, link_break, fault.clone());
        let inputs = taken.into_iter().map(|(direction, it)| Input::Dropped(direction, it, fault.clone()));
        connections.outbox.inputs.extend(inputs);
        if link_break == LinkBreak::Reset {
            connections.send(link, Request::Lost);
            self.client.connection_lost(
                format!("fault `{fault}` reset the connection"),
                now,
                &mut connections.outbox,
            );
        }
    }

    /// Handles due deadlines of the transport and the client.
    pub(super) fn wake(&mut self, now: Time, connections: &mut Connections) {
        match &mut self.transport {
            Transport::Local(None) => {}
            Transport::Local(Some(network_link)) => {
                while let Some((link, request)) = network_link.take_up(now) {
                    connections.send(link, request);
                }
                while let Some((link, reply)) = network_link.take_down(now) {
                    self.client.receive(link, reply, now, &mut connections.outbox);
                }
            }
            Transport::Tcp(tcp) => {
                let ShardTransport::Tcp(sockets) = &mut connections.transport else { return };
                tcp.wake(&mut self.client, now, sockets, &mut connections.outbox);
                if tcp.awaits_dial() {
                    return;
                }
            }
        }
        self.client.wake(now, &mut connections.outbox);
    }

    pub(super) fn receive(
        &mut self,
        link: ConnectionId,
        reply: Reply,
        now: Time,
        connections: &mut Connections,
    ) {
        let outcome = match &mut self.transport {
            Transport::Local(Some(network_link)) => network_link.send_down(link, reply, self.protocol, now),
            Transport::Local(None) | Transport::Tcp(_) => SendOutcome::Passed(reply),
        };
        match outcome {
            SendOutcome::Passed(reply) => self.client.receive(link, reply, now, &mut connections.outbox),
            SendOutcome::Queued | SendOutcome::Full(_) => {}
            SendOutcome::Dropped(reply, fault) => {
                connections.outbox.inputs.extend(dropped_input(Direction::In, reply, fault));
            }
        }
    }

    /// Handles a packet with its Reason String. Only brokers behind a socket send one.
    pub(super) fn receive_explained(
        &mut self,
        link: ConnectionId,
        reply: Reply,
        reason_string: Arc<str>,
        now: Time,
        connections: &mut Connections,
    ) {
        self.client.receive_explained(link, reply, reason_string, now, &mut connections.outbox);
    }

    /// Sends the client's packets.
    pub(super) fn send_packets(&mut self, now: Time, connections: &mut Connections) {
        let mut packets = std::mem::take(&mut connections.outbox.packets);
        for (link, request) in packets.drain(..) {
            match &mut self.transport {
                Transport::Local(network_link) => {
                    let outcome = match network_link {
                        None => SendOutcome::Passed(request),
                        Some(network_link) => network_link.send_up(link, request, self.protocol, now),
                    };
                    connections.forward(link, outcome);
                }
                Transport::Tcp(tcp) => {
                    record_retained(&request, &mut connections.retained);
                    let ShardTransport::Tcp(sockets) = &mut connections.transport else { continue };
                    tcp.send(link, request, &mut self.client, now, sockets, &mut connections.outbox);
                }
            }
        }
        // Packets queued meanwhile are sent in the next round.
        packets.append(&mut connections.outbox.packets);
        connections.outbox.packets = packets;
        if let (Transport::Tcp(tcp), ShardTransport::Tcp(sockets)) =
            (&mut self.transport, &mut connections.transport)
        {
            tcp.queue_flush(sockets);
        }
        self.update_count(connections);
    }

    /// Writes packets that wait for the end of a turn.
    pub(super) fn write(&mut self, now: Time, connections: &mut Connections) {
        if let (Transport::Tcp(tcp), ShardTransport::Tcp(sockets)) =
            (&mut self.transport, &mut connections.transport)
        {
            tcp.flush(&mut self.client, now, sockets, &mut connections.outbox);
        }
        self.update_count(connections);
    }

    fn update_count(&mut self, connections: &mut Connections) {
        let is_active = match &self.transport {
            Transport::Local(_) => self.client.connection().is_some(),
            Transport::Tcp(tcp) => tcp.is_active() || self.client.connection().is_some(),
        };
        match (std::mem::replace(&mut self.is_counted, is_active), is_active) {
            (false, true) => connections.active += 1,
            (true, false) => connections.active -= 1,
            _ => {}
        }
    }

    /// Runs a job on the TCP connection, if the transport is TCP.
    pub(super) fn with_tcp(
        &mut self,
        connections: &mut Connections,
        job: impl FnOnce(&mut TcpConnection, &mut Client, &mut Sockets, &mut Outbox),
    ) {
        if let (Transport::Tcp(tcp), ShardTransport::Tcp(sockets)) =
            (&mut self.transport, &mut connections.transport)
        {
            job(tcp, &mut self.client, sockets, &mut connections.outbox);
        }
    }
}
