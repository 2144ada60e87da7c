//! Devices in this process: no socket, no task and no channel for each, but one way in and one way out for each
//! shard, on which packets travel in batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::rng::Seed;

use super::BrokerFaultEvent;
use super::observer::BrokerObserver;
use super::reply_channel::InFlightCount;
use super::report::BrokerReport;
use super::shard_channel::{ShardInbound, ShardReplySender};
use super::task::{BrokerTask, Job};

/// Packets of one shard that may wait for the broker before messages at QoS 0 are refused.
const MAX_UNHANDLED: usize = 100_000;

/// Leave to link devices to an embedded broker.
#[derive(Clone, Debug)]
pub struct BrokerHandle {
    inbound: mpsc::UnboundedSender<ShardInbound>,
    jobs: mpsc::UnboundedSender<Job>,
    next_shard: Arc<AtomicU32>,
}

impl BrokerHandle {
    pub(super) fn new(
        inbound: mpsc::UnboundedSender<ShardInbound>,
        jobs: mpsc::UnboundedSender<Job>,
    ) -> Self {
        Self { inbound, jobs, next_shard: Arc::default() }
    }

    /// What the broker holds and what became of its messages; `None` when it has ended.
    pub async fn report(&self) -> Option<BrokerReport> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Box::new(move |task| drop(answer.send(task.report())))).ok()?;
        answered.await.ok()
    }

    /// Let it have other faults from now on: those of the broker among these. What the others had begun is over.
    pub fn set_faults(&self, faults: Arc<[Arc<Fault>]>, seed: Seed) {
        self.send_job(move |task| task.set_faults(&faults, seed));
    }

    /// Let it fail now, for so long, in this fault's name.
    pub fn fail(&self, fault: FaultId, failure: Failure, lasting: Duration) {
        self.send_job(move |task| task.fail(fault, failure, lasting));
    }

    /// Hear of every failure from now on, as it begins and ends.
    pub fn fault_events(&self) -> mpsc::UnboundedReceiver<BrokerFaultEvent> {
        let (sender, fault_events) = mpsc::unbounded_channel();
        self.send_job(move |task| task.subscribe_fault_events(sender));
        fault_events
    }

    /// Let somebody see every packet from now on.
    pub fn set_observer(&self, observer: Arc<dyn BrokerObserver>) {
        self.send_job(move |task| task.set_observer(observer));
    }

    fn send_job(&self, job: impl FnOnce(&mut BrokerTask) + Send + 'static) {
        // It has ended if nobody listens.
        let _ = self.jobs.send(Box::new(job));
    }

    /// A link for the devices of one shard.
    pub(crate) fn connect_shard(&self) -> (ShardRequestSender, ShardReplyReceiver) {
        let number = self.next_shard.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::unbounded_channel();
        let (unhandled, unread) = (InFlightCount::default(), InFlightCount::default());
        let reply_sender = ShardReplySender {
            sender,
            unhandled: unhandled.clone(),
            unread: unread.clone(),
            batch: Vec::new(),
        };
        let request_sender = ShardRequestSender { number, inbound: self.inbound.clone(), unhandled };
        request_sender.forward(ShardInbound::Opened(number, reply_sender));
        (request_sender, ShardReplyReceiver { receiver, unread })
    }
}

/// The shard's end of its way in. Its devices' connections break when it is dropped.
#[derive(Debug)]
pub(crate) struct ShardRequestSender {
    number: u32,
    inbound: mpsc::UnboundedSender<ShardInbound>,
    unhandled: InFlightCount,
}

impl ShardRequestSender {
    /// Bring packets to the broker. Nothing is left in `packets`.
    pub(crate) fn send(&self, packets: &mut Vec<(ConnectionId, Request)>) {
        if packets.is_empty() {
            return;
        }
        self.unhandled.add(packets.len());
        self.forward(ShardInbound::Packets(self.number, std::mem::take(packets)));
    }

    /// Whether so much waits for the broker, beside so many more packets, that no more should be sent.
    pub(crate) fn is_full(&self, more: usize) -> bool {
        self.unhandled.get() + more >= MAX_UNHANDLED
    }

    fn forward(&self, inbound: ShardInbound) {
        // The broker may have ended.
        let _ = self.inbound.send(inbound);
    }
}

impl Drop for ShardRequestSender {
    fn drop(&mut self) {
        self.forward(ShardInbound::Closed(self.number));
    }
}

/// The shard's end of its way out.
#[derive(Debug)]
pub(crate) struct ShardReplyReceiver {
    receiver: mpsc::UnboundedReceiver<Vec<(ConnectionId, Reply)>>,
    unread: InFlightCount,
}

impl ShardReplyReceiver {
    /// A batch, if there is one.
    pub(crate) fn try_recv(&mut self) -> Option<Vec<(ConnectionId, Reply)>> {
        let batch = self.receiver.try_recv().ok()?;
        self.unread.sub(batch.len());
        Some(batch)
    }

    /// The next batch; `None` when the broker has ended. May be abandoned and tried again.
    pub(crate) async fn recv(&mut self) -> Option<Vec<(ConnectionId, Reply)>> {
        let batch = self.receiver.recv().await?;
        self.unread.sub(batch.len());
        Some(batch)
    }
}
