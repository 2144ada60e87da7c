//! Where the broker leaves what it has to say, until somebody takes it. Nothing in it waits, and what a reader
//! may leave unread is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use wasmote_sim::broker::packet::Reply;
use wasmote_sim::message::Qos;

/// Things that are on their way in a channel, counted by both ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Load(Arc<AtomicUsize>);

impl Load {
    pub(crate) fn add(&self, things: usize) {
        self.0.fetch_add(things, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, things: usize) {
        self.0.fetch_sub(things, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether a reply may be lost, as MQTT allows it: a message at QoS 0.
pub(super) fn can_be_lost(reply: &Reply) -> bool {
    matches!(reply, Reply::Publish(publish) if publish.message.qos == Qos::AtMostOnce)
}

/// The broker's end for one visitor.
#[derive(Debug)]
pub(super) struct Mailbox {
    sender: mpsc::UnboundedSender<Reply>,
    load: Load,
}

/// The visitor's end.
#[derive(Debug)]
pub(super) struct Letters {
    receiver: mpsc::UnboundedReceiver<Reply>,
    load: Load,
}

/// Replies that one visitor may leave unread before messages at QoS 0 are dropped.
const UNREAD: usize = 10_000;

/// A mailbox and its key.
pub(super) fn mailbox() -> (Mailbox, Letters) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let load = Load::default();
    (Mailbox { sender, load: load.clone() }, Letters { receiver, load })
}

impl Mailbox {
    /// Leave a reply. False if it was dropped.
    pub(super) fn put(&self, reply: Reply) -> bool {
        if self.load.get() >= UNREAD && can_be_lost(&reply) {
            return false;
        }
        self.load.add(1);
        // The visitor may just have left.
        let _ = self.sender.send(reply);
        true
    }
}

impl Letters {
    /// Take some, as soon as there are any; none when there will be no more. May be abandoned and tried again.
    pub(super) async fn take(&mut self, letters: &mut Vec<Reply>, most: usize) -> usize {
        let taken = self.receiver.recv_many(letters, most).await;
        self.load.sub(taken);
        taken
    }

    /// Whether so many are unread that no more should be asked for.
    pub(super) fn pile_up(&self) -> bool {
        self.load.get() >= UNREAD
    }
}
