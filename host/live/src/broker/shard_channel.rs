//! Channel between the broker and a shard: packets of the shard's devices, and the broker's replies, in batches.

use tokio::sync::mpsc;
use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::client::ids::ConnectionId;

use super::reply_channel::{InFlightCount, is_droppable};

/// Replies that one shard may leave unread before messages at QoS 0 are dropped.
const MAX_UNREAD: usize = 100_000;
/// Replies that travel together.
const BATCH: usize = 256;

/// What a shard brings.
#[derive(Debug)]
pub(super) enum ShardInbound {
    /// A shard, and where to leave what is for it.
    Opened(u32, ShardReplySender),
    /// Packets of its devices, in order.
    Packets(u32, Vec<(ConnectionId, Request)>),
    /// The shard is gone, and its devices with it.
    Closed(u32),
}

/// The broker's end for one shard.
#[derive(Debug)]
pub(super) struct ShardReplySender {
    pub(super) sender: mpsc::UnboundedSender<Vec<(ConnectionId, Reply)>>,
    pub(super) unhandled: InFlightCount,
    pub(super) unread: InFlightCount,
    pub(super) batch: Vec<(ConnectionId, Reply)>,
}

impl ShardReplySender {
    /// Packets of the shard have been taken.
    pub(super) fn mark_handled(&self, packets: usize) {
        self.unhandled.sub(packets);
    }

    /// Leave a reply. False if it was dropped.
    pub(super) fn push(&mut self, link: ConnectionId, reply: Reply) -> bool {
        if self.unread.get() + self.batch.len() >= MAX_UNREAD && is_droppable(&reply) {
            return false;
        }
        self.batch.push((link, reply));
        if self.batch.len() >= BATCH {
            self.flush();
        }
        true
    }

    /// Let what has been left travel.
    pub(super) fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.unread.add(self.batch.len());
        // The shard may just have ended.
        let _ = self.sender.send(std::mem::take(&mut self.batch));
    }
}
