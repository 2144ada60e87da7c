//! State shared by the sockets of a shard: buffers, the dial queue and the dialer.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::task::AbortHandle;
use wasmote_mqtt::broker::packet::Request;
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_mqtt::codec::client::{Credentials, Incoming};
use wasmote_mqtt::device_id::DeviceId;

use super::readiness::ReadySet;
use crate::config::BrokerUrl;
use crate::credentials::DeviceCredentials;
use crate::network::{MAX_DIALS, Network};
use crate::shard::event::{ShardEvent, ShardEventSender};
use crate::socket::Socket;
use crate::status::SocketWrites;
use crate::stream::{ByteStream, StreamBuffers};
use crate::tls::sessions::DeviceSessions;

/// Capacity above which a write buffer is freed, in bytes.
const KEPT: usize = 256 << 10;

/// Number of empty queues that a shard keeps.
const MAX_SPARE_QUEUES: usize = 256;
/// Largest capacity of a queue that is kept, in packets.
const MAX_SPARE_CAPACITY: usize = 64;
/// Number of sockets with queued packets at which a shard flushes them; each takes at least one system call.
const MAX_BATCH_SOCKETS: usize = 1_024;
/// Number of queued bytes at which a shard flushes its sockets, so that the messages are still in the processor's cache.
const MAX_BATCH_BYTES: usize = 2 << 20;

/// State shared by the sockets of a shard.
pub(in crate::shard) struct Sockets {
    pub(super) dialer: Dialer,
    pub(super) scratch: Scratch,
    pub(super) ready_set: Arc<ReadySet>,
    ready: VecDeque<u32>,
    /// Devices whose sockets have packets to write.
    pub(super) unwritten: VecDeque<u32>,
    /// Bytes of the messages that were queued since the last flush of all sockets.
    pub(super) unwritten_bytes: usize,
    /// Connections that wait for an attempt.
    pub(super) dial_queue: VecDeque<ConnectionId>,
    /// Connection attempts in flight. Their limit is the shard's part of [`MAX_DIALS`].
    pub(super) dialing: usize,
    max_dialing: usize,
}

/// Opens connections.
pub(super) struct Dialer {
    network: Arc<Network>,
    pub(super) event_sender: ShardEventSender,
}

/// Scratch buffers for the socket that is being served.
pub(super) struct Scratch {
    pub(super) buffers: StreamBuffers,
    pub(super) incoming: Vec<Incoming>,
    pub(super) write: BytesMut,
    /// Ends of the packets in `write`.
    pub(super) packet_ends: Vec<usize>,
    pub(super) writes: SocketWrites,
    /// Empty queues of packets, so that a connection need not allocate one for each batch.
    spare_queues: Vec<VecDeque<Request>>,
}

impl Scratch {
    /// An empty queue.
    pub(super) fn take_queue(&mut self) -> VecDeque<Request> {
        self.spare_queues.pop().unwrap_or_default()
    }

    /// Keeps an emptied queue for another connection.
    pub(super) fn return_queue(&mut self, queue: VecDeque<Request>) {
        debug_assert!(queue.is_empty());
        let is_kept = (1..=MAX_SPARE_CAPACITY).contains(&queue.capacity());
        if is_kept && self.spare_queues.len() < MAX_SPARE_QUEUES {
            self.spare_queues.push(queue);
        }
    }
}

impl Sockets {
    pub(in crate::shard) fn new(
        network: Arc<Network>,
        event_sender: ShardEventSender,
        shards: usize,
    ) -> Self {
        let scratch = Scratch {
            buffers: StreamBuffers::default(),
            incoming: Vec::new(),
            write: BytesMut::new(),
            packet_ends: Vec::new(),
            writes: SocketWrites::default(),
            spare_queues: Vec::new(),
        };
        Self {
            dialer: Dialer { network, event_sender },
            scratch,
            ready_set: Arc::default(),
            ready: VecDeque::new(),
            unwritten: VecDeque::new(),
            unwritten_bytes: 0,
            dial_queue: VecDeque::new(),
            dialing: 0,
            max_dialing: (MAX_DIALS / shards).max(1),
        }
    }

    pub(in crate::shard) fn ready_set(&self) -> Arc<ReadySet> {
        Arc::clone(&self.ready_set)
    }

    /// Next device whose socket is ready.
    pub(in crate::shard) fn next_ready(&mut self) -> Option<usize> {
        if self.ready.is_empty() {
            self.ready_set.take(&mut self.ready);
        }
        self.ready.pop_front().map(|index| index as usize)
    }

    /// Whether the queued packets are enough for one flush of all sockets.
    pub(in crate::shard) fn is_batch_full(&self) -> bool {
        self.unwritten.len() >= MAX_BATCH_SOCKETS || self.unwritten_bytes >= MAX_BATCH_BYTES
    }

    /// Next device whose socket has packets to write.
    pub(in crate::shard) fn next_unwritten(&mut self) -> Option<usize> {
        let next = self.unwritten.pop_front();
        if next.is_none() {
            self.unwritten_bytes = 0;
        }
        next.map(|index| index as usize)
    }

    /// Next connection to attempt, unless the limit is reached.
    pub(in crate::shard) fn next_to_dial(&mut self) -> Option<ConnectionId> {
        if self.dialing < self.max_dialing { self.dial_queue.pop_front() } else { None }
    }

    /// Writes so far.
    pub(in crate::shard) fn writes(&self) -> SocketWrites {
        self.scratch.writes
    }

    /// Takes the list of incoming packets. Return it with [`Self::return_incoming`] after use.
    pub(in crate::shard) fn take_incoming(&mut self) -> Vec<Incoming> {
        std::mem::take(&mut self.scratch.incoming)
    }

    pub(in crate::shard) fn return_incoming(&mut self, incoming: Vec<Incoming>) {
        debug_assert!(incoming.is_empty());
        self.scratch.incoming = incoming;
    }

    /// Frees buffers that a burst enlarged.
    pub(in crate::shard) fn shrink(&mut self) {
        if self.scratch.write.capacity() > KEPT {
            self.scratch.write = BytesMut::new();
        }
        self.scratch.buffers.shrink();
    }
}

impl Dialer {
    /// Credentials of a device, if it has its own.
    pub(super) fn credentials_of(&self, device: &DeviceId) -> Option<Arc<DeviceCredentials>> {
        self.network.options.devices.get(device.as_str())
    }

    /// User name and password for a connection: those of the device, or else those of the fleet.
    pub(super) fn login<'a>(&'a self, own: Option<&'a DeviceCredentials>) -> Credentials<'a> {
        match own.filter(|own| own.has_login()) {
            Some(own) => Credentials { username: own.username.as_deref(), password: own.password.as_deref() },
            None => {
                let options = &self.network.options;
                Credentials { username: options.username.as_deref(), password: options.password.as_deref() }
            }
        }
    }

    pub(super) fn stream(
        &self,
        socket: Socket,
        peer: Option<IpAddr>,
        sessions: &mut DeviceSessions,
    ) -> Result<ByteStream, String> {
        self.network.stream(socket, peer, sessions)
    }

    pub(super) fn broker(&self) -> &BrokerUrl {
        &self.network.broker
    }

    /// Broker, with the address that a connection has reached, for messages.
    pub(super) fn address_at(&self, peer: Option<IpAddr>) -> String {
        self.network.address_at(peer)
    }

    /// Starts a connection attempt, after `retries` attempts that reached no MQTT connection.
    pub(super) fn dial(&self, link: ConnectionId, retries: u32) -> AbortHandle {
        let (network, event_sender) = (Arc::clone(&self.network), self.event_sender.clone());
        let task = tokio::spawn(async move {
            let stream = network.connect(link.device.0, retries).await;
            // Sending fails only after the shard has ended.
            let _ = event_sender.send((link.device.0, ShardEvent::Dialled(link.attempt, stream))).await;
        });
        task.abort_handle()
    }
}
