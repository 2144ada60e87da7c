//! Channel of replies from the broker to one client. Sending never waits, and the number of unread replies is
//! bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use wasmote_mqtt::broker::packet::Reply;
use wasmote_mqtt::message::Qos;

/// Count of items in flight in a channel, shared by both ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlightCount(Arc<AtomicUsize>);

impl InFlightCount {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether MQTT allows this reply to be dropped: a message at QoS 0.
pub(super) fn is_droppable(reply: &Reply) -> bool {
    matches!(reply, Reply::Publish(publish) if publish.message.qos == Qos::AtMostOnce)
}

/// Sender of replies to one client.
#[derive(Debug)]
pub(super) struct ReplySender {
    sender: mpsc::UnboundedSender<Reply>,
    unread: InFlightCount,
}

/// Receiver of replies for one client.
#[derive(Debug)]
pub(super) struct ReplyReceiver {
    receiver: mpsc::UnboundedReceiver<Reply>,
    unread: InFlightCount,
}

/// Number of unread replies of one client at which messages at QoS 0 are dropped.
const MAX_UNREAD: usize = 10_000;

/// Creates a channel for one client.
pub(super) fn reply_channel() -> (ReplySender, ReplyReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let unread = InFlightCount::default();
    (ReplySender { sender, unread: unread.clone() }, ReplyReceiver { receiver, unread })
}

impl ReplySender {
    /// Sends a reply. Returns false if the reply was dropped.
    pub(super) fn send(&self, reply: Reply) -> bool {
        if self.unread.get() >= MAX_UNREAD && is_droppable(&reply) {
            return false;
        }
        self.unread.add(1);
        // Sending fails only after the client's task has ended.
        let _ = self.sender.send(reply);
        true
    }
}

impl ReplyReceiver {
    /// Receives up to `limit` replies once at least one is ready. Returns 0 when the broker has dropped its
    /// sender. Cancel-safe.
    pub(super) async fn recv_many(&mut self, replies: &mut Vec<Reply>, limit: usize) -> usize {
        let taken = self.receiver.recv_many(replies, limit).await;
        self.unread.sub(taken);
        taken
    }

    /// Whether the number of unread replies has reached its limit.
    pub(super) fn is_full(&self) -> bool {
        self.unread.get() >= MAX_UNREAD
    }
}
