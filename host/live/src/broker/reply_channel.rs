//! Channel of replies from the broker to one client. Sending never waits, and the number and the bytes of unread replies are
//! bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use wasmote_mqtt::broker::packet::{Reply, Request};
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

/// Bytes of a packet other than PUBLISH.
const SMALL_PACKET: usize = 128;

/// Estimate of the memory that a reply takes, in bytes.
pub(super) fn reply_bytes(reply: &Reply) -> usize {
    match reply {
        Reply::Publish(publish) => publish.message.footprint(),
        _ => SMALL_PACKET,
    }
}

/// Estimate of the memory that a request takes, in bytes.
pub(crate) fn request_bytes(request: &Request) -> usize {
    match request {
        Request::Publish(publish) => publish.message.footprint(),
        _ => SMALL_PACKET,
    }
}

/// Sender of replies to one client.
#[derive(Debug)]
pub(super) struct ReplySender {
    sender: mpsc::UnboundedSender<Reply>,
    unread: InFlightCount,
    unread_bytes: InFlightCount,
}

/// Receiver of replies for one client.
#[derive(Debug)]
pub(super) struct ReplyReceiver {
    receiver: mpsc::UnboundedReceiver<Reply>,
    unread: InFlightCount,
    unread_bytes: InFlightCount,
}

/// Number of unread replies of one client at which messages at QoS 0 are dropped.
const MAX_UNREAD: usize = 10_000;
/// Bytes of unread replies of one client at which messages at QoS 0 are dropped.
const MAX_UNREAD_BYTES: usize = 16 << 20;

/// Creates a channel for one client.
pub(super) fn reply_channel() -> (ReplySender, ReplyReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (unread, unread_bytes) = (InFlightCount::default(), InFlightCount::default());
    let reply_sender = ReplySender { sender, unread: unread.clone(), unread_bytes: unread_bytes.clone() };
    (reply_sender, ReplyReceiver { receiver, unread, unread_bytes })
}

impl ReplySender {
    /// Sends a reply. Returns false if the reply was dropped.
    pub(super) fn send(&self, reply: Reply) -> bool {
        let is_full = self.unread.get() >= MAX_UNREAD || self.unread_bytes.get() >= MAX_UNREAD_BYTES;
        if is_full && is_droppable(&reply) {
            return false;
        }
        self.unread.add(1);
        self.unread_bytes.add(reply_bytes(&reply));
        // Sending fails only after the client's task has ended.
        let _ = self.sender.send(reply);
        true
    }
}

impl ReplyReceiver {
    /// Receives up to `limit` replies once at least one is ready. Returns 0 when the broker has dropped its
    /// sender. Cancel-safe.
    pub(super) async fn recv_many(&mut self, replies: &mut Vec<Reply>, limit: usize) -> usize {
        let before = replies.len();
        let taken = self.receiver.recv_many(replies, limit).await;
        self.unread.sub(taken);
        self.unread_bytes.sub(replies[before..].iter().map(reply_bytes).sum());
        taken
    }

    /// Whether the number or the bytes of unread replies have reached their limit.
    pub(super) fn is_full(&self) -> bool {
        self.unread.get() >= MAX_UNREAD || self.unread_bytes.get() >= MAX_UNREAD_BYTES
    }
}
