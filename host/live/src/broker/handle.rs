//! Links of devices in this process. Shards send packets in batches over one shared channel, and each shard
//! has one channel for replies; a device needs no socket, task or channel.

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
use super::reply_channel::{InFlightCount, reply_bytes, request_bytes};
use super::report::BrokerReport;
use super::shard_channel::{ShardInbound, ShardReplySender};
use super::task::{BrokerTask, Job};

/// Number of waiting packets of one shard at which messages at QoS 0 are refused.
const MAX_UNHANDLED: usize = 100_000;
/// Bytes of the waiting packets of one shard at which messages at QoS 0 are refused.
const MAX_UNHANDLED_BYTES: usize = 64 << 20;

/// Handle that links devices to an embedded broker and controls its faults.
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

    /// Current report of the broker; `None` after it has ended.
    pub async fn report(&self) -> Option<BrokerReport> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Box::new(move |task| drop(answer.send(task.report())))).ok()?;
        answered.await.ok()
    }

    /// Replaces the faults. Only faults of the broker itself are used. Failures of removed faults end.
    pub fn set_faults(&self, faults: Arc<[Arc<Fault>]>, seed: Seed) {
        self.send_job(move |task| task.set_faults(&faults, seed));
    }

    /// Starts a failure now, for this duration, caused by this fault.
    pub fn fail(&self, fault: FaultId, failure: Failure, lasting: Duration) {
        self.send_job(move |task| task.fail(fault, failure, lasting));
    }

    /// Receiver of an event for each start and end of a failure from now on.
    pub fn fault_events(&self) -> mpsc::UnboundedReceiver<BrokerFaultEvent> {
        let (sender, fault_events) = mpsc::unbounded_channel();
        self.send_job(move |task| task.subscribe_fault_events(sender));
        fault_events
    }

    /// Sets the observer of all packets.
    pub fn set_observer(&self, observer: Arc<dyn BrokerObserver>) {
        self.send_job(move |task| task.set_observer(observer));
    }

    fn send_job(&self, job: impl FnOnce(&mut BrokerTask) + Send + 'static) {
        // Sending fails only after the broker task has ended.
        let _ = self.jobs.send(Box::new(job));
    }

    /// Links one shard to the broker.
    pub(crate) fn connect_shard(&self) -> (ShardRequestSender, ShardReplyReceiver) {
        let number = self.next_shard.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::unbounded_channel();
        let (unhandled, unhandled_bytes) = (InFlightCount::default(), InFlightCount::default());
        let (unread, unread_bytes) = (InFlightCount::default(), InFlightCount::default());
        let reply_sender = ShardReplySender {
            sender,
            unhandled: unhandled.clone(),
            unhandled_bytes: unhandled_bytes.clone(),
            unread: unread.clone(),
            unread_bytes: unread_bytes.clone(),
            batch: Vec::new(),
            batch_bytes: 0,
        };
        let request_sender =
            ShardRequestSender { number, inbound: self.inbound.clone(), unhandled, unhandled_bytes };
        request_sender.forward(ShardInbound::Opened(number, reply_sender));
        (request_sender, ShardReplyReceiver { receiver, unread, unread_bytes })
    }
}

/// Sender of packets of one shard. Dropping it breaks the connections of its devices.
#[derive(Debug)]
pub(crate) struct ShardRequestSender {
    number: u32,
    inbound: mpsc::UnboundedSender<ShardInbound>,
    unhandled: InFlightCount,
    unhandled_bytes: InFlightCount,
}

impl ShardRequestSender {
    /// Sends packets to the broker and leaves `packets` empty.
    pub(crate) fn send(&self, packets: &mut Vec<(ConnectionId, Request)>) {
        if packets.is_empty() {
            return;
        }
        self.unhandled.add(packets.len());
        self.unhandled_bytes.add(packets.iter().map(|(_, request)| request_bytes(request)).sum());
        self.forward(ShardInbound::Packets(self.number, std::mem::take(packets)));
    }

    /// Whether the shard's queue at the broker is full, with `more` packets of `more_bytes` bytes added.
    pub(crate) fn is_full(&self, more: usize, more_bytes: usize) -> bool {
        self.unhandled.get() + more >= MAX_UNHANDLED
            || self.unhandled_bytes.get() + more_bytes >= MAX_UNHANDLED_BYTES
    }

    fn forward(&self, inbound: ShardInbound) {
        // Sending fails only after the broker has ended.
        let _ = self.inbound.send(inbound);
    }
}

impl Drop for ShardRequestSender {
    fn drop(&mut self) {
        self.forward(ShardInbound::Closed(self.number));
    }
}

/// Receiver of replies for one shard.
#[derive(Debug)]
pub(crate) struct ShardReplyReceiver {
    receiver: mpsc::UnboundedReceiver<Vec<(ConnectionId, Reply)>>,
    unread: InFlightCount,
    unread_bytes: InFlightCount,
}

impl ShardReplyReceiver {
    /// The next batch, if one is ready.
    pub(crate) fn try_recv(&mut self) -> Option<Vec<(ConnectionId, Reply)>> {
        let batch = self.receiver.try_recv().ok()?;
        self.mark_read(&batch);
        Some(batch)
    }

    /// The next batch; `None` when the broker has ended. Cancel-safe.
    pub(crate) async fn recv(&mut self) -> Option<Vec<(ConnectionId, Reply)>> {
        let batch = self.receiver.recv().await?;
        self.mark_read(&batch);
        Some(batch)
    }

    fn mark_read(&self, batch: &[(ConnectionId, Reply)]) {
        self.unread.sub(batch.len());
        self.unread_bytes.sub(batch.iter().map(|(_, reply)| reply_bytes(reply)).sum());
    }
}
