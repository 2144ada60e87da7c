//! Shard: a task that owns many devices, their deadlines and their connections.
//!
//! Devices never block, so a shard is one event loop over due deadlines, incoming packets and jobs of the
//! fleet's handle, which sleeps until the next deadline when all are empty. Work is done in batches of
//! bounded length, and the task yields in between, so that a busy fleet still responds.
//!
//! * `deadlines`: heap of the deadlines of all devices.
//! * `slot`: a device with its connection and bookkeeping.
//! * `connection`: the MQTT connection of a device. `tcp`: its socket, with or without TLS. `drive`: handling
//!   of connection events.
//! * `event`: events from other tasks.
//! * `actions`: execution of device actions.
//! * `queries`: status and totals. `swaps`: behaviour updates.

mod actions;
mod connection;
mod deadlines;
mod drive;
pub(crate) mod event;
mod queries;
mod slot;
mod swaps;
mod tcp;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::task::unconstrained;
use tokio::time::sleep_until;
use wasmote_mqtt::time::Time;
use wasmote_sim::action::Action;
use wasmote_sim::device::{Blueprint, Input, Now};
use wasmote_sim::event::StopReason;
use wasmote_sim::http::HttpResponse;
use wasmote_sim::virtual_time::observer::{DeviceIndex, TraceEvent};

use crate::broker::{BrokerHandle, ShardReplyReceiver};
use crate::events::EventBus;
use crate::lag::LagStats;
use crate::network::Network;
use crate::observer::FleetObserver;
use crate::outbound::Outbound;
use connection::{Connections, ShardTransport};
use deadlines::Deadlines;
use event::{ShardEvent, ShardEventSender};
pub(crate) use queries::RecentLatencies;
use slot::Slot;
pub(crate) use swaps::SwapStatus;
use tcp::{ReadySet, Sockets};

/// Job for a shard, sent by the fleet's handle.
pub(crate) type Job = Box<dyn FnOnce(&mut Shard) + Send>;

/// Maximum number of inputs handled before the task yields.
const BATCH: usize = 256;
/// Maximum time of a batch; one slow guest call may exceed it.
const BATCH_TIME: Duration = Duration::from_millis(5);
/// Capacity of a shard's event queue. When it is full, the sending tasks wait.
const EVENT_QUEUE: usize = 4_096;

/// State that all shards of a fleet share.
#[derive(Clone)]
pub(crate) struct FleetShared {
    pub(crate) network: Arc<Network>,
    /// Handle of the embedded broker, if devices use it.
    pub(crate) broker: Option<BrokerHandle>,
    pub(crate) outbound: Outbound,
    pub(crate) event_bus: EventBus,
    pub(crate) observer: Option<Arc<dyn FleetObserver>>,
    /// Number of devices that have neither connected nor given up.
    pub(crate) unsettled: Arc<AtomicUsize>,
    /// Sender that the connections of a shard keep while any is active; all are dropped at the end of a
    /// shutdown.
    pub(crate) alive: Option<mpsc::Sender<()>>,
}

/// Index of a shard, and the number of shards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShardId {
    pub(crate) index: usize,
    pub(crate) count: usize,
}

pub(crate) struct Shard {
    id: ShardId,
    slots: Vec<Slot>,
    deadlines: Deadlines,
    shared: FleetShared,
    connections: Connections,
    event_sender: ShardEventSender,
    actions: Vec<Action>,
    /// HTTP callers that wait for a device's response, by ticket.
    pending_http: HashMap<u64, oneshot::Sender<HttpResponse>>,
    next_ticket: u64,
    recent_latencies: RecentLatencies,
    lag: LagStats,
    connects: u64,
    /// Set once all devices have been stopped.
    stopping: bool,
    done: bool,
}

impl Shard {
    /// Spawns the task. It runs until [`Self::finish`], or until all job senders are dropped. Each device
    /// comes with the time of its first start.
    pub(crate) fn spawn(
        devices: Vec<(Blueprint, Time)>,
        id: ShardId,
        shared: FleetShared,
    ) -> mpsc::UnboundedSender<Job> {
        let (sender, jobs) = mpsc::unbounded_channel();
        let (event_sender, events) = mpsc::channel(EVENT_QUEUE);
        // The shard yields on its own, and reads many sockets between two yields, so tokio's cooperative
        // budget is disabled.
        tokio::spawn(unconstrained(async move {
            let (requests, replies) = shared.broker.as_ref().map(BrokerHandle::connect_shard).unzip();
            let transport = match requests {
                Some(link) => ShardTransport::Local(link, Vec::new()),
                None => {
                    let network = Arc::clone(&shared.network);
                    ShardTransport::Tcp(Box::new(Sockets::new(network, event_sender.clone(), id.count)))
                }
            };
            let connections = Connections::new(transport, &shared.network.options, shared.alive.clone());
            let mut shard = Self::new(id, shared, connections, event_sender);
            for (blueprint, start) in devices {
                shard.add(blueprint, Some(start), Time::ZERO);
            }
            shard.run(jobs, events, replies).await;
        }));
        sender
    }

    fn new(
        id: ShardId,
        shared: FleetShared,
        connections: Connections,
        event_sender: ShardEventSender,
    ) -> Self {
        Self {
            id,
            slots: Vec::new(),
            deadlines: Deadlines::default(),
            shared,
            connections,
            event_sender,
            actions: Vec::new(),
            pending_http: HashMap::new(),
            next_ticket: 0,
            recent_latencies: RecentLatencies::default(),
            lag: LagStats::default(),
            connects: 0,
            stopping: false,
            done: false,
        }
    }

    /// Adds a device that exists since `since`. It starts at `start`, or on command.
    pub(crate) fn add(&mut self, blueprint: Blueprint, start: Option<Time>, since: Time) {
        let index = self.slots.len();
        let connection = self.connections.new_connection(index, &blueprint);
        self.slots.push(Slot::new(blueprint, connection, start, since));
        self.arm(index);
    }

    async fn run(
        mut self,
        mut jobs: mpsc::UnboundedReceiver<Job>,
        mut events: mpsc::Receiver<(u32, ShardEvent)>,
        mut replies: Option<ShardReplyReceiver>,
    ) {
        let ready_set = self.connections.sockets().map(|sockets| sockets.ready_set());
        while !self.done {
            let more = self.run_batch(&mut jobs, &mut events, &mut replies);
            self.flush_sockets();
            self.dial_queued();
            self.connections.flush(self.stopping);
            if more {
                tokio::task::yield_now().await;
                continue;
            }
            let next = self.deadlines.next();
            let wake_at = next.map(|at| self.shared.network.clock.instant(at));
            select! {
                biased;
                job = jobs.recv() => match job {
                    Some(job) => job(&mut self),
                    // All handles are dropped.
                    None => return,
                },
                Some((slot, event)) = events.recv() => self.handle_event(slot, event),
                batch = next_replies(&mut replies), if replies.is_some() => match batch {
                    Some(batch) => self.handle_replies(batch),
                    // The broker has ended.
                    None => replies = None,
                },
                () = next_ready(ready_set.as_deref()), if ready_set.is_some() => {}
                () = sleep_until(wake_at.unwrap_or_else(tokio::time::Instant::now)), if wake_at.is_some() => {}
            }
        }
    }

    /// Runs one batch of work. Returns whether there may be more.
    fn run_batch(
        &mut self,
        jobs: &mut mpsc::UnboundedReceiver<Job>,
        events: &mut mpsc::Receiver<(u32, ShardEvent)>,
        replies: &mut Option<ShardReplyReceiver>,
    ) -> bool {
        let began = self.now().run;
        while let Ok(job) = jobs.try_recv() {
            job(self);
        }
        for _ in 0..BATCH {
            let now = self.now();
            let due = self.deadlines.pop_due(now.run);
            if let Some((slot, at)) = due {
                self.wake(slot, at, now);
            }
            let received = events.try_recv().ok();
            let batch = replies.as_mut().and_then(ShardReplyReceiver::try_recv);
            let ready = self.connections.sockets().and_then(Sockets::next_ready);
            let idle = due.is_none() && received.is_none() && batch.is_none() && ready.is_none();
            if let Some(index) = ready {
                self.drive_socket(index);
            }
            if let Some(batch) = batch {
                self.handle_replies(batch);
            }
            if let Some((slot, event)) = received {
                self.handle_event(slot, event);
            }
            if idle || self.done {
                return false;
            }
            // Checked last, so that devices make progress however long the jobs took.
            if now.run.since(began) > BATCH_TIME {
                break;
            }
        }
        true
    }

    fn now(&self) -> Now {
        self.shared.network.clock.now()
    }

    /// Handles a due deadline.
    fn wake(&mut self, index: usize, at: Time, now: Now) {
        if !self.slots[index].disarm(at) {
            return;
        }
        self.lag.record(now.run.since(at));
        if self.slots[index].take_start(now.run) {
            return self.handle_input(index, Input::Start);
        }
        self.wake_connection(index, now);
    }

    /// Handles an event from another task.
    fn handle_event(&mut self, slot: u32, event: ShardEvent) {
        let index = slot as usize;
        match event {
            ShardEvent::HttpReply(id, reply) => self.handle_input(index, Input::HttpReply(id, reply)),
            ShardEvent::Dialled(attempt, outcome) => self.dialled(index, attempt, outcome),
            ShardEvent::Closed => self.connection_closed(index),
            // The caller may have stopped waiting.
            ShardEvent::Barrier(sender) => drop(sender.send(())),
        }
    }

    /// Handles an input of a device and drives its connection.
    fn handle_input(&mut self, index: usize, input: Input) {
        let now = self.now();
        self.apply_input(index, input, now);
        self.pump(index, now);
    }

    /// Handles an input of a device and performs the resulting actions.
    fn apply_input(&mut self, index: usize, input: Input, now: Now) {
        self.observe(now, &TraceEvent::Input(self.device_index(index), &input));
        let mut actions = std::mem::take(&mut self.actions);
        self.slots[index].device.handle(input, now, &mut actions);
        self.perform_all(index, now, &mut actions);
        self.actions = actions;
        if self.slots[index].take_newly_settled() {
            self.shared.unsettled.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Position of a device in the fleet.
    fn device_index(&self, index: usize) -> DeviceIndex {
        let device_index = index * self.id.count + self.id.index;
        DeviceIndex(u32::try_from(device_index).unwrap_or(u32::MAX))
    }

    fn observe(&self, now: Now, step: &TraceEvent<'_>) {
        if let Some(observer) = &self.shared.observer {
            observer.observe(now, step);
        }
    }

    fn arm(&mut self, index: usize) {
        if let Some(at) = self.slots[index].arm() {
            self.deadlines.push(at, index);
        }
    }

    /// Receiver that resolves when all events queued by now have been handled.
    pub(crate) fn barrier(&mut self) -> oneshot::Receiver<()> {
        let (sender, reached) = oneshot::channel();
        let event_sender = self.event_sender.clone();
        tokio::spawn(async move { event_sender.send((0, ShardEvent::Barrier(sender))).await });
        reached
    }

    /// Stops every device cleanly; the connections close by themselves.
    pub(crate) fn stop_all(&mut self) {
        for index in 0..self.slots.len() {
            self.slots[index].cancel_start();
            self.handle_input(index, Input::Stop(StopReason::Shutdown));
        }
        self.stopping = true;
        self.shared.alive = None;
    }
}

async fn next_ready(ready_set: Option<&ReadySet>) {
    if let Some(ready_set) = ready_set {
        ready_set.wait().await;
    }
}

async fn next_replies(
    replies: &mut Option<ShardReplyReceiver>,
) -> Option<Vec<(wasmote_mqtt::client::ids::ConnectionId, wasmote_mqtt::broker::packet::Reply)>> {
    match replies {
        Some(replies) => replies.recv().await,
        None => None,
    }
}
