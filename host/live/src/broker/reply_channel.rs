//! Channel of replies from the broker to one client. Sending never waits, and the number and the bytes of unread replies are
//! bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::budget::{ByteBudget, Lease};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::topic::TopicFilter;

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

/// Bytes of a packet other than PUBLISH, without its topic filters.
const SMALL_PACKET: usize = 128;
/// Bytes of a topic filter in a packet without its text.
const FILTER: usize = 64;

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
        Request::Subscribe(subscribe) => {
            SMALL_PACKET + filter_bytes(subscribe.filters.iter().map(|(it, _)| it))
        }
        Request::Unsubscribe(unsubscribe) => SMALL_PACKET + filter_bytes(unsubscribe.filters.iter()),
        _ => SMALL_PACKET,
    }
}

fn filter_bytes<'a>(filters: impl Iterator<Item = &'a TopicFilter>) -> usize {
    filters.map(|filter| FILTER + filter.as_str().len()).sum()
}

/// A reply that its client has not read, with its bytes in the budget of all clients.
#[derive(Debug)]
pub(super) struct UnreadReply {
    pub(super) reply: Reply,
    pub(super) lease: Lease,
}

/// What became of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendOutcome {
    /// It waits for the client.
    Sent,
    /// It was dropped, as messages at QoS 0 may be.
    Dropped,
    /// The budget of all clients has no room, and the reply cannot be dropped.
    NoRoom,
}

/// Sender of replies to one client.
#[derive(Debug)]
pub(super) struct ReplySender {
    sender: mpsc::UnboundedSender<UnreadReply>,
    /// Budget of all clients.
    held: ByteBudget,
    unread: InFlightCount,
    unread_bytes: InFlightCount,
}

/// Receiver of replies for one client.
#[derive(Debug)]
pub(super) struct ReplyReceiver {
    receiver: mpsc::UnboundedReceiver<UnreadReply>,
    unread: InFlightCount,
    unread_bytes: InFlightCount,
}

/// Number of unread replies of one client at which messages at QoS 0 are dropped.
const MAX_UNREAD: usize = 10_000;
/// Bytes of unread replies of one client at which messages at QoS 0 are dropped.
const MAX_UNREAD_BYTES: usize = 16 << 20;

/// Creates a channel for one client, with the budget of all clients.
pub(super) fn reply_channel(held: &ByteBudget) -> (ReplySender, ReplyReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (unread, unread_bytes) = (InFlightCount::default(), InFlightCount::default());
    let held = held.clone();
    let reply_sender =
        ReplySender { sender, held, unread: unread.clone(), unread_bytes: unread_bytes.clone() };
    (reply_sender, ReplyReceiver { receiver, unread, unread_bytes })
}

impl ReplySender {
    /// Sends a reply, if there is room for it.
    pub(super) fn send(&self, reply: Reply) -> SendOutcome {
        let is_full = self.unread.get() >= MAX_UNREAD || self.unread_bytes.get() >= MAX_UNREAD_BYTES;
        let (bytes, may_drop) = (reply_bytes(&reply), is_droppable(&reply));
        if is_full && may_drop {
            return SendOutcome::Dropped;
        }
        let lease = match reply {
            Reply::Publish(_) => self.held.take(bytes),
            // Other packets are small. They answer packets of the client, and the broker does not read from a client that
            // leaves too many replies unread.
            _ => Some(self.held.force(bytes)),
        };
        let Some(lease) = lease else {
            return if may_drop { SendOutcome::Dropped } else { SendOutcome::NoRoom };
        };
        self.unread.add(1);
        self.unread_bytes.add(bytes);
        // Sending fails only after the client's task has ended.
        let _ = self.sender.send(UnreadReply { reply, lease });
        SendOutcome::Sent
    }
}

impl ReplyReceiver {
    /// Receives up to `limit` replies once at least one is ready. Returns 0 when the broker has dropped its
    /// sender. Cancel-safe.
    pub(super) async fn recv_many(&mut self, replies: &mut Vec<UnreadReply>, limit: usize) -> usize {
        let before = replies.len();
        let taken = self.receiver.recv_many(replies, limit).await;
        self.unread.sub(taken);
        self.unread_bytes.sub(replies[before..].iter().map(|unread| reply_bytes(&unread.reply)).sum());
        taken
    }

    /// Whether the number or the bytes of unread replies have reached their limit.
    pub(super) fn is_full(&self) -> bool {
        self.unread.get() >= MAX_UNREAD || self.unread_bytes.get() >= MAX_UNREAD_BYTES
    }
}
