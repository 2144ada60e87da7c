//! What the sockets of a shard share: buffers, the line for those that want to connect, and what to connect with.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::task::AbortHandle;
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_mqtt::codec::client::{Credentials, Incoming};

use super::readiness::ReadySet;
use crate::network::{MAX_DIALS, Network};
use crate::shard::event::{ShardEvent, ShardEventSender};
use crate::socket::Socket;
use crate::stream::{ByteStream, StreamBuffers};

/// Most that is kept of a buffer for writing, in bytes.
const KEPT: usize = 256 << 10;

/// What the sockets of a shard share.
pub(in crate::shard) struct Sockets {
    pub(super) dialer: Dialer,
    pub(super) scratch: Scratch,
    pub(super) ready_set: Arc<ReadySet>,
    ready: VecDeque<u32>,
    /// Devices for whose sockets there is something.
    pub(super) unwritten: VecDeque<u32>,
    /// Connections that are to be made, and for which it is not their turn yet.
    pub(super) dial_queue: VecDeque<ConnectionId>,
    /// Attempts under way, and how many there may be. More would overrun a broker's backlog, and each lost SYN
    /// costs a second.
    pub(super) dialing: usize,
    max_dialing: usize,
}

/// What connections are made with.
pub(super) struct Dialer {
    network: Arc<Network>,
    /// The broker's, for people.
    pub(super) address: String,
    pub(super) event_sender: ShardEventSender,
}

/// Buffers for whoever has the turn.
pub(super) struct Scratch {
    pub(super) buffers: StreamBuffers,
    pub(super) incoming: Vec<Incoming>,
    pub(super) write: BytesMut,
    /// Where the packets in it end.
    pub(super) packet_ends: Vec<usize>,
}

impl Sockets {
    pub(in crate::shard) fn new(
        network: Arc<Network>,
        event_sender: ShardEventSender,
        shards: usize,
    ) -> Self {
        let address = network.broker.address();
        let scratch = Scratch {
            buffers: StreamBuffers::default(),
            incoming: Vec::new(),
            write: BytesMut::new(),
            packet_ends: Vec::new(),
        };
        Self {
            dialer: Dialer { network, address, event_sender },
            scratch,
            ready_set: Arc::default(),
            ready: VecDeque::new(),
            unwritten: VecDeque::new(),
            dial_queue: VecDeque::new(),
            dialing: 0,
            max_dialing: (MAX_DIALS / shards).max(1),
        }
    }

    pub(in crate::shard) fn ready_set(&self) -> Arc<ReadySet> {
        Arc::clone(&self.ready_set)
    }

    /// A device whose socket wants attention.
    pub(in crate::shard) fn next_ready(&mut self) -> Option<usize> {
        if self.ready.is_empty() {
            self.ready_set.take(&mut self.ready);
        }
        self.ready.pop_front().map(|index| index as usize)
    }

    /// A device to whose socket there is something to write.
    pub(in crate::shard) fn next_unwritten(&mut self) -> Option<usize> {
        self.unwritten.pop_front().map(|index| index as usize)
    }

    /// A connection whose turn it is to be made.
    pub(in crate::shard) fn next_to_dial(&mut self) -> Option<ConnectionId> {
        if self.dialing < self.max_dialing { self.dial_queue.pop_front() } else { None }
    }

    /// Room for what was heard. It is given back when it was dealt with.
    pub(in crate::shard) fn take_incoming(&mut self) -> Vec<Incoming> {
        std::mem::take(&mut self.scratch.incoming)
    }

    pub(in crate::shard) fn return_incoming(&mut self, incoming: Vec<Incoming>) {
        debug_assert!(incoming.is_empty());
        self.scratch.incoming = incoming;
    }

    /// What a burst took is not kept for ever.
    pub(in crate::shard) fn shrink(&mut self) {
        if self.scratch.write.capacity() > KEPT {
            self.scratch.write = BytesMut::new();
        }
        self.scratch.buffers.shrink();
    }
}

impl Dialer {
    pub(super) fn credentials(&self) -> Credentials<'_> {
        let options = &self.network.options;
        Credentials { username: options.username.as_deref(), password: options.password.as_deref() }
    }

    pub(super) fn stream(&self, socket: Socket) -> Result<ByteStream, String> {
        self.network.stream(socket)
    }

    pub(super) fn dial(&self, link: ConnectionId) -> AbortHandle {
        let (network, event_sender) = (Arc::clone(&self.network), self.event_sender.clone());
        let task = tokio::spawn(async move {
            let stream = network.connect(link.device.0).await;
            // The shard may just have ended.
            let _ = event_sender.send((link.device.0, ShardEvent::Dialled(link.attempt, stream))).await;
        });
        task.abort_handle()
    }
}
