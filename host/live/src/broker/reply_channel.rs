//! Where the broker leaves what it has to say, until somebody takes it. Nothing in it waits, and what a reader
//! may leave unread is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use wasmote_mqtt::broker::packet::Reply;
use wasmote_mqtt::message::Qos;

/// Things that are on their way in a channel, counted by both ends.
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

/// Whether a reply may be lost, as MQTT allows it: a message at QoS 0.
pub(super) fn is_droppable(reply: &Reply) -> bool {
    matches!(reply, Reply::Publish(publish) if publish.message.qos == Qos::AtMostOnce)
}

/// The broker's end for one visitor.
#[derive(Debug)]
pub(super) struct ReplySender {
    sender: mpsc::UnboundedSender<Reply>,
    unread: InFlightCount,
}

/// The visitor's end.
#[derive(Debug)]
pub(super) struct ReplyReceiver {
    receiver: mpsc::UnboundedReceiver<Reply>,
    unread: InFlightCount,
}

/// Replies that one visitor may leave unread before messages at QoS 0 are dropped.
const MAX_UNREAD: usize = 10_000;

/// A mailbox and its key.
pub(super) fn reply_channel() -> (ReplySender, ReplyReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let unread = InFlightCount::default();
    (ReplySender { sender, unread: unread.clone() }, ReplyReceiver { receiver, unread })
}

impl ReplySender {
    /// Leave a reply. False if it was dropped.
    pub(super) fn send(&self, reply: Reply) -> bool {
        if self.unread.get() >= MAX_UNREAD && is_droppable(&reply) {
            return false;
        }
        self.unread.add(1);
        // The visitor may just have left.
        let _ = self.sender.send(reply);
        true
    }
}

impl ReplyReceiver {
    /// Take some, as soon as there are any; none when there will be no more. May be abandoned and tried again.
    pub(super) async fn recv_many(&mut self, replies: &mut Vec<Reply>, limit: usize) -> usize {
        let taken = self.receiver.recv_many(replies, limit).await;
        self.unread.sub(taken);
        taken
    }

    /// Whether so many are unread that no more should be asked for.
    pub(super) fn is_full(&self) -> bool {
        self.unread.get() >= MAX_UNREAD
    }
}
