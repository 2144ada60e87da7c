//! Devices in this process: no socket, no task and no channel for each, but one way in and one way out for each
//! shard, on which packets travel in batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use wasmote_sim::broker::packet::{Reply, Request};
use wasmote_sim::client::link::LinkId;
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::rng::Seed;

use super::BrokerTurn;
use super::core::{Core, Job};
use super::post::{Load, can_be_lost};
use super::report::BrokerReport;
use super::witness::BrokerWitness;

/// Packets of one shard that may wait for the broker before messages at QoS 0 are refused.
const UNHANDLED: usize = 100_000;
/// Replies that one shard may leave unread before messages at QoS 0 are dropped.
const UNREAD: usize = 100_000;
/// Replies that travel together.
const BATCH: usize = 256;

/// What a shard brings.
#[derive(Debug)]
pub(super) enum ShardParcel {
    /// A shard, and where to leave what is for it.
    Opened(u32, Post),
    /// Packets of its devices, in order.
    Packets(u32, Vec<(LinkId, Request)>),
    /// The shard is gone, and its devices with it.
    Closed(u32),
}

/// Leave to link devices to an embedded broker.
#[derive(Clone, Debug)]
pub struct BrokerLinks {
    way_in: mpsc::UnboundedSender<ShardParcel>,
    jobs: mpsc::UnboundedSender<Job>,
    opened: Arc<AtomicU32>,
}

impl BrokerLinks {
    pub(super) fn new(way_in: mpsc::UnboundedSender<ShardParcel>, jobs: mpsc::UnboundedSender<Job>) -> Self {
        Self { way_in, jobs, opened: Arc::default() }
    }

    /// What the broker holds and what became of its messages; `None` when it has ended.
    pub async fn report(&self) -> Option<BrokerReport> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Box::new(move |core| drop(answer.send(core.report())))).ok()?;
        answered.await.ok()
    }

    /// Let it have other faults from now on: those of the broker among these. What the others had begun is over.
    pub fn set_faults(&self, faults: Arc<[Arc<Fault>]>, seed: Seed) {
        self.tell(move |core| core.set_faults(&faults, seed));
    }

    /// Let it fail now, for so long, in this fault's name.
    pub fn fail(&self, fault: FaultId, failure: Failure, lasting: Duration) {
        self.tell(move |core| core.fail(fault, failure, lasting));
    }

    /// Hear of every failure from now on, as it begins and ends.
    pub fn turns(&self) -> mpsc::UnboundedReceiver<BrokerTurn> {
        let (teller, turns) = mpsc::unbounded_channel();
        self.tell(move |core| core.tell_turns(teller));
        turns
    }

    /// Let somebody see every packet from now on.
    pub fn watch(&self, witness: Arc<dyn BrokerWitness>) {
        self.tell(move |core| core.watch(witness));
    }

    fn tell(&self, job: impl FnOnce(&mut Core) + Send + 'static) {
        // It has ended if nobody listens.
        let _ = self.jobs.send(Box::new(job));
    }

    /// A link for the devices of one shard.
    pub(crate) fn open(&self) -> (ShardLink, Replies) {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::unbounded_channel();
        let (unhandled, unread) = (Load::default(), Load::default());
        let post = Post { sender, unhandled: unhandled.clone(), unread: unread.clone(), batch: Vec::new() };
        let link = ShardLink { number, way_in: self.way_in.clone(), unhandled };
        link.bring(ShardParcel::Opened(number, post));
        (link, Replies { receiver, unread })
    }
}

/// The shard's end of its way in. Its devices' connections break when it is dropped.
#[derive(Debug)]
pub(crate) struct ShardLink {
    number: u32,
    way_in: mpsc::UnboundedSender<ShardParcel>,
    unhandled: Load,
}

impl ShardLink {
    /// Bring packets to the broker. Nothing is left in `packets`.
    pub(crate) fn send(&self, packets: &mut Vec<(LinkId, Request)>) {
        if packets.is_empty() {
            return;
        }
        self.unhandled.add(packets.len());
        self.bring(ShardParcel::Packets(self.number, std::mem::take(packets)));
    }

    /// Whether so much waits for the broker, beside so many more packets, that no more should be sent.
    pub(crate) fn is_crowded(&self, more: usize) -> bool {
        self.unhandled.get() + more >= UNHANDLED
    }

    fn bring(&self, parcel: ShardParcel) {
        // The broker may have ended.
        let _ = self.way_in.send(parcel);
    }
}

impl Drop for ShardLink {
    fn drop(&mut self) {
        self.bring(ShardParcel::Closed(self.number));
    }
}

/// The shard's end of its way out.
#[derive(Debug)]
pub(crate) struct Replies {
    receiver: mpsc::UnboundedReceiver<Vec<(LinkId, Reply)>>,
    unread: Load,
}

impl Replies {
    /// A batch, if there is one.
    pub(crate) fn try_take(&mut self) -> Option<Vec<(LinkId, Reply)>> {
        let batch = self.receiver.try_recv().ok()?;
        self.unread.sub(batch.len());
        Some(batch)
    }

    /// The next batch; `None` when the broker has ended. May be abandoned and tried again.
    pub(crate) async fn take(&mut self) -> Option<Vec<(LinkId, Reply)>> {
        let batch = self.receiver.recv().await?;
        self.unread.sub(batch.len());
        Some(batch)
    }
}

/// The broker's end for one shard.
#[derive(Debug)]
pub(super) struct Post {
    sender: mpsc::UnboundedSender<Vec<(LinkId, Reply)>>,
    unhandled: Load,
    unread: Load,
    batch: Vec<(LinkId, Reply)>,
}

impl Post {
    /// Packets of the shard have been taken.
    pub(super) fn took(&self, packets: usize) {
        self.unhandled.sub(packets);
    }

    /// Leave a reply. False if it was dropped.
    pub(super) fn put(&mut self, link: LinkId, reply: Reply) -> bool {
        if self.unread.get() + self.batch.len() >= UNREAD && can_be_lost(&reply) {
            return false;
        }
        self.batch.push((link, reply));
        if self.batch.len() >= BATCH {
            self.send();
        }
        true
    }

    /// Let what has been left travel.
    pub(super) fn send(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.unread.add(self.batch.len());
        // The shard may just have ended.
        let _ = self.sender.send(std::mem::take(&mut self.batch));
    }
}
