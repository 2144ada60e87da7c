//! What the sockets of a shard share: buffers, the line for those that want to connect, and what to connect with.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::task::AbortHandle;
use wasmote_sim::client::link::LinkId;

use super::bells::Bells;
use crate::connection::{ATTEMPTS, Inbox, Network, News};
use crate::wire::client::{Heard, Login};

/// Bytes that are read at one time.
const READ: usize = 64 << 10;

/// What the sockets of a shard share.
pub(in crate::shard) struct Sockets {
    pub(super) tools: Tools,
    pub(super) desk: Desk,
    pub(super) bells: Arc<Bells>,
    rung: VecDeque<u32>,
    /// Devices for whose sockets there is something.
    pub(super) unwritten: VecDeque<u32>,
    /// Connections that are to be made, and for which it is not their turn yet.
    pub(super) in_line: VecDeque<LinkId>,
    /// Attempts under way, and how many there may be. More would overrun a broker's backlog, and each lost SYN
    /// costs a second.
    pub(super) attempts: usize,
    most_attempts: usize,
}

/// What connections are made with.
pub(super) struct Tools {
    network: Arc<Network>,
    /// The broker's, for people.
    pub(super) address: String,
    pub(super) inbox: Inbox,
}

/// Buffers for whoever has the turn.
pub(super) struct Desk {
    pub(super) read: Vec<u8>,
    pub(super) heard: Vec<Heard>,
    pub(super) write: BytesMut,
    /// Where the packets in it end.
    pub(super) ends: Vec<usize>,
}

impl Sockets {
    pub(in crate::shard) fn new(network: Arc<Network>, inbox: Inbox, shards: usize) -> Self {
        let address = network.address();
        let desk = Desk { read: vec![0; READ], heard: Vec::new(), write: BytesMut::new(), ends: Vec::new() };
        Self {
            tools: Tools { network, address, inbox },
            desk,
            bells: Arc::default(),
            rung: VecDeque::new(),
            unwritten: VecDeque::new(),
            in_line: VecDeque::new(),
            attempts: 0,
            most_attempts: (ATTEMPTS / shards).max(1),
        }
    }

    pub(in crate::shard) fn bells(&self) -> Arc<Bells> {
        Arc::clone(&self.bells)
    }

    /// A device whose socket wants attention.
    pub(in crate::shard) fn next_rung(&mut self) -> Option<usize> {
        if self.rung.is_empty() {
            self.bells.take(&mut self.rung);
        }
        self.rung.pop_front().map(|index| index as usize)
    }

    /// A device to whose socket there is something to write.
    pub(in crate::shard) fn next_unwritten(&mut self) -> Option<usize> {
        self.unwritten.pop_front().map(|index| index as usize)
    }

    /// A connection whose turn it is to be made.
    pub(in crate::shard) fn next_in_line(&mut self) -> Option<LinkId> {
        if self.attempts < self.most_attempts { self.in_line.pop_front() } else { None }
    }

    /// Room for what was heard. It is given back when it was dealt with.
    pub(in crate::shard) fn take_heard(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.desk.heard)
    }

    pub(in crate::shard) fn give_back(&mut self, heard: Vec<Heard>) {
        debug_assert!(heard.is_empty());
        self.desk.heard = heard;
    }

    /// What a burst took is not kept for ever.
    pub(in crate::shard) fn tidy(&mut self) {
        if self.desk.write.capacity() > 4 * READ {
            self.desk.write = BytesMut::new();
        }
    }
}

impl Tools {
    pub(super) fn login(&self) -> Login<'_> {
        let options = &self.network.options;
        Login { username: options.username.as_deref(), password: options.password.as_deref() }
    }

    pub(super) fn dial(&self, link: LinkId) -> AbortHandle {
        let (network, inbox) = (Arc::clone(&self.network), self.inbox.clone());
        let dialled = tokio::spawn(async move {
            let stream = network.connect(link.device.0).await;
            // The shard may just have ended.
            let _ = inbox.send((link.device.0, News::Dialled(link.attempt, stream))).await;
        });
        dialled.abort_handle()
    }
}
