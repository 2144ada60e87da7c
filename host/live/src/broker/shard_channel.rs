//! Channel between the broker and a shard: packets of the shard's devices, and the broker's replies, in batches.

use tokio::sync::mpsc;
use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::client::ids::ConnectionId;

use super::reply_channel::{InFlightCount, is_droppable, reply_bytes};

/// Replies that one shard may leave unread before messages at QoS 0 are dropped.
const MAX_UNREAD: usize = 100_000;
/// Bytes of the replies that one shard may leave unread before messages at QoS 0 are dropped.
const MAX_UNREAD_BYTES: usize = 64 << 20;
/// Maximum number of replies in a batch.
const BATCH: usize = 256;

/// Message from a shard to the broker task.
#[derive(Debug)]
pub(super) enum ShardInbound {
    /// New shard, and the sender for its replies.
    Opened(u32, ShardReplySender),
    /// Packets of the shard's devices, in order.
    Packets(u32, Vec<(ConnectionId, Request)>),
    /// The shard has ended; the connections of its devices are closed.
    Closed(u32),
}

/// The broker's end for one shard.
#[derive(Debug)]
pub(super) struct ShardReplySender {
    pub(super) sender: mpsc::UnboundedSender<Vec<(ConnectionId, Reply)>>,
    pub(super) unhandled: InFlightCount,
    pub(super) unhandled_bytes: InFlightCount,
    pub(super) unread: InFlightCount,
    pub(super) unread_bytes: InFlightCount,
    pub(super) batch: Vec<(ConnectionId, Reply)>,
    pub(super) batch_bytes: usize,
}

impl ShardReplySender {
    /// Counts packets of the shard as handled.
    pub(super) fn mark_handled(&self, packets: usize, bytes: usize) {
        self.unhandled.sub(packets);
        self.unhandled_bytes.sub(bytes);
    }

    /// Adds a reply to the batch. Returns false if the reply was dropped.
    pub(super) fn push(&mut self, link: ConnectionId, reply: Reply) -> bool {
        let is_full = self.unread.get() + self.batch.len() >= MAX_UNREAD
            || self.unread_bytes.get() + self.batch_bytes >= MAX_UNREAD_BYTES;
        if is_full && is_droppable(&reply) {
            return false;
        }
        self.batch_bytes += reply_bytes(&reply);
        self.batch.push((link, reply));
        if self.batch.len() >= BATCH {
            self.flush();
        }
        true
    }

    /// Sends the batch.
    pub(super) fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.unread.add(self.batch.len());
        self.unread_bytes.add(std::mem::take(&mut self.batch_bytes));
        // Sending fails only after the shard has ended.
        let _ = self.sender.send(std::mem::take(&mut self.batch));
    }
}
