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
//! * `event`: events from other tasks. `log_lines`: limit on the log lines about a device.
//! * `thread_share`: limit on the time that a device uses while others wait. `thread_time`: the clock of a thread.
//! * `actions`: execution of device actions.
//! * `queries`: status and totals. `swaps`: behaviour updates.

mod actions;
mod connection;
mod deadlines;
mod drive;
pub(crate) mod event;
mod log_lines;
mod queries;
mod slot;
mod swaps;
mod tcp;
mod thread_share;
mod thread_time;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::task::unconstrained;
use tokio::time::sleep_until;
use wasmote_mqtt::time::Time;
use wasmote_sim::action::Action;
use wasmote_sim::device::{Blueprint, Input, Now};
use wasmote_sim::event::StopReason;
use wasmote_sim::http::HttpResponse;
use wasmote_sim::latency::MAX_PLAUSIBLE;
use wasmote_sim::virtual_time::observer::{DeviceIndex, TraceEvent};

use crate::broker::{BrokerHandle, ShardReplyReceiver};
use crate::broker_state::Leftovers;
use crate::events::EventBus;
use crate::lag::LagStats;
use crate::network::Network;
use crate::observer::FleetObserver;
use crate::outbound::Outbound;
use connection::{Connections, ShardTransport};
use deadlines::Deadlines;
use event::{ShardEvent, ShardEventSender};
pub(crate) use queries::{RecentLatencies, ShardTotals};
use slot::Slot;
pub(crate) use swaps::SwapStatus;
use tcp::{ReadySet, Sockets};
use thread_time::thread_time;

/// Job for a shard, sent by the fleet's handle.
pub(crate) type Job = Box<dyn FnOnce(&mut Shard) + Send>;

/// Maximum time of a batch; one slow guest call may exceed it. The shard writes the packets of a batch at its end, all
/// packets of a connection together. So a shard that falls behind needs fewer system calls for each message.
const BATCH_TIME: Duration = Duration::from_millis(10);
/// Maximum number of due deadlines that a device handles in one turn.
const MAX_STEPS: u32 = 16;
/// Time of a turn after which a device that is late waits for its next one.
const STEPS_TIME: Duration = Duration::from_micros(100);
/// Lateness of other devices, or age of other events, at which a device that exceeds its share is paused.
const CONTENTION: Duration = Duration::from_millis(20);
/// Time for which a shard counts as contended after events had to wait.
const CONTENTION_LASTS: Duration = Duration::from_secs(1);
/// Total time of slow stop handlers of a shard at a shutdown. Devices that remain stop without theirs.
const SLOW_STOPS: Duration = Duration::from_millis(500);
/// Duration of a turn above which a stop handler counts as slow.
const SLOW_STOP: Duration = Duration::from_millis(5);

/// Duration of a turn from which the clock of the thread is read, which costs more than the clock of the run.
const MEASURED_TURN: Duration = Duration::from_millis(2);

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
    /// Whether the fleet has logged an implausible latency.
    pub(crate) has_warned_of_clocks: Arc<AtomicBool>,
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
    /// Time until which events had to wait lately.
    contended_until: Time,
    /// Time from which the devices that exceeded their share may use the thread again.
    next_culprit_at: Time,
    /// Whether the time of the present turn is being measured.
    in_turn: bool,
    /// Reading of the thread's clock, before the present turn.
    thread_time: Option<Duration>,
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
            contended_until: Time::ZERO,
            next_culprit_at: Time::ZERO,
            in_turn: false,
            thread_time: None,
            stopping: false,
            done: false,
        }
    }

    /// Adds a device that exists since `since`. It starts at `start`, or on command.
    pub(crate) fn add(&mut self, blueprint: Blueprint, start: Option<Time>, since: Time) {
        let index = self.slots.len();
        let connection = self.connections.new_connection(index, &blueprint);
        self.slots.push(Slot::new(blueprint, connection, start, since));
        let now = self.now().run;
        self.arm(index, now);
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
                    Some(job) => {
                        self.thread_time = thread_time();
                        job(&mut self);
                    }
                    // All handles are dropped.
                    None => return,
                },
                Some((slot, event)) = events.recv() => {
                    self.thread_time = thread_time();
                    self.turn(slot as usize, |shard| shard.handle_event(slot, event));
                }
                batch = next_replies(&mut replies), if replies.is_some() => match batch {
                    Some(batch) => {
                        self.thread_time = thread_time();
                        self.handle_replies(batch);
                    }
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
        self.thread_time = thread_time();
        // The rest of many jobs, such as a change of all devices, waits for the next batch.
        let mut jobs_wait = true;
        while self.now().run.since(began) <= BATCH_TIME {
            match jobs.try_recv() {
                Ok(job) => job(self),
                Err(_) => {
                    jobs_wait = false;
                    break;
                }
            }
        }
        loop {
            let now = self.now();
            let due = self.deadlines.pop_due(now.run);
            if let Some((slot, at)) = due {
                self.turn(slot, |shard| shard.wake(slot, at, now));
            }
            let received = events.try_recv().ok();
            let batch = replies.as_mut().and_then(ShardReplyReceiver::try_recv);
            let ready = self.connections.sockets().and_then(Sockets::next_ready);
            let has_events = received.is_some() || batch.is_some() || ready.is_some();
            let idle = due.is_none() && !has_events;
            if has_events && now.run.since(began) > CONTENTION {
                self.contended_until = now.run + CONTENTION_LASTS;
            }
            if let Some(index) = ready {
                self.turn(index, |shard| shard.drive_socket(index));
            }
            if let Some(batch) = batch {
                self.handle_replies(batch);
            }
            if let Some((slot, event)) = received {
                self.turn(slot as usize, |shard| shard.handle_event(slot, event));
            }
            if idle || self.done {
                return jobs_wait;
            }
            // Checked last, so that devices make progress however much the jobs took.
            if now.run.since(began) > BATCH_TIME || self.connections.is_batch_full() {
                return true;
            }
        }
    }

    fn now(&self) -> Now {
        self.shared.network.clock.now()
    }

    /// Handles a due deadline.
    fn wake(&mut self, index: usize, at: Time, now: Now) {
        let Some(due) = self.slots[index].disarm(at) else { return };
        if self.end_pause(index, now.run) {
            return self.arm(index, now.run);
        }
        // A device that exceeds its share is late by itself.
        if !self.slots[index].share.is_known() {
            self.lag.record(now.run.since(due));
        }
        if self.slots[index].take_start(now.run) {
            return self.handle_input(index, Input::Start);
        }
        self.wake_connection(index, now);
        self.catch_up(index, now);
        self.finish_turn(index, now);
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
        self.turn(index, |shard| {
            let now = shard.now();
            shard.apply_input(index, input, now);
            shard.pump(index, now);
        });
    }

    /// Handles the next due deadlines of a device that is late. Each is handled as in a turn of its own, but the device's data
    /// is in the processor's cache, and its packets leave in one write.
    fn catch_up(&mut self, index: usize, began: Now) {
        for _ in 1..MAX_STEPS {
            let now = self.now();
            let slot = &self.slots[index];
            let Some(due) = slot.device.next_deadline().filter(|due| *due <= now.run) else { return };
            if now.run.since(began.run) > STEPS_TIME || slot.share.paused_until.is_some() {
                return;
            }
            // The events after a hang have no time of their own.
            if due > Time::ZERO && !slot.share.is_known() {
                self.lag.record(now.run.since(due));
            }
            self.apply_input(index, Input::Wake, now);
            self.deliver(index, now);
        }
    }

    /// Runs a turn of a device and measures its time. A device that exceeds its share while others wait is paused.
    fn turn(&mut self, index: usize, work: impl FnOnce(&mut Self)) {
        if std::mem::replace(&mut self.in_turn, true) {
            return work(self);
        }
        let began = self.now().run;
        work(self);
        self.in_turn = false;
        let now = self.now().run;
        let mut took = now.since(began);
        if took > MEASURED_TURN {
            let before = std::mem::replace(&mut self.thread_time, thread_time());
            if let (Some(before), Some(after)) = (before, self.thread_time) {
                took = took.min(after.saturating_sub(before));
            }
        }
        let Some(slot) = self.slots.get_mut(index) else { return };
        let pause = slot.share.record(took, slot.limits.thread_percent, now);
        if slot.share.is_known() {
            // Devices that exceeded their share use half of the thread together.
            self.next_culprit_at = now + took;
        }
        let Some(until) = pause.filter(|_| slot.share.paused_until.is_none()) else { return };
        if self.slots.len() > 1 && self.is_contended(index, now) {
            self.pause(index, until, now);
        }
    }

    /// Whether other devices or events have waited for some time.
    fn is_contended(&self, index: usize, now: Time) -> bool {
        let is_late = |(at, slot): (Time, usize)| slot != index && now.since(at) > CONTENTION;
        self.contended_until > now || self.deadlines.peek().is_some_and(is_late)
    }

    fn pause(&mut self, index: usize, until: Time, now: Time) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.device.set_paused(true);
        if slot.share.pause(until, now) {
            let percent = slot.limits.thread_percent;
            let text = format!(
                "the behaviour uses more than {percent} % of its thread while other devices wait; its calls are delayed \
                 (--limit thread_percent)"
            );
            self.warn(index, &text);
        }
        self.arm(index, now);
    }

    /// Ends the pause of a device when it is over. Returns whether the device has to wait for others that exceeded their
    /// share.
    fn end_pause(&mut self, index: usize, now: Time) -> bool {
        let next_culprit_at = self.next_culprit_at;
        let slot = &mut self.slots[index];
        if slot.share.paused_until.is_none_or(|until| until > now) {
            return false;
        }
        if next_culprit_at > now {
            slot.share.paused_until = Some(next_culprit_at);
            return true;
        }
        slot.share.paused_until = None;
        slot.device.set_paused(false);
        false
    }

    /// Handles an input of a device and performs the resulting actions.
    fn apply_input(&mut self, index: usize, input: Input, now: Now) {
        self.observe(now, &TraceEvent::Input(self.device_index(index), &input));
        let follows = self.shared.observer.as_ref().is_some_and(|observer| observer.follows_messages());
        self.slots[index].device.follow_messages(follows);
        self.connections.outbox.follows_messages = follows;
        let mut actions = std::mem::take(&mut self.actions);
        self.slots[index].device.handle(input, now, &mut actions);
        self.perform_all(index, now, &mut actions);
        self.actions = actions;
        self.report_steps(index, now);
        self.warn_of_clocks(index);
        if self.slots[index].take_newly_settled() {
            self.shared.unsettled.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Logs the fleet's first implausible latency. Every further message of the same peer has one, too.
    fn warn_of_clocks(&self, index: usize) {
        let device = &self.slots[index].device;
        let Some(found) = device.implausible_latency() else { return };
        if self.shared.has_warned_of_clocks.swap(true, Ordering::Relaxed) {
            return;
        }
        let (id, from) = (&device.identity().id, &found.from);
        let what = match found.age {
            Err(ahead) if ahead <= MAX_PLAUSIBLE => {
                format!("{ahead:.1?} from the future: the clock of its sender is ahead")
            }
            age => format!(
                "more than a year {}: its time is in the wrong unit, unreadable, or of a clock that was never set",
                if age.is_ok() { "old" } else { "from the future" }
            ),
        };
        tracing::warn!(
            "{id} received a message of {from} that is {what}. Such latencies are left out of mean and histogram, and \
             counted apart as `latency_implausible` in /metrics; this is said once"
        );
    }

    /// Passes the steps of messages at a device to the observer.
    fn report_steps(&mut self, index: usize, now: Now) {
        if !self.slots[index].device.has_steps() {
            return;
        }
        for step in self.slots[index].device.take_steps() {
            self.observe(now, &TraceEvent::Journey(self.device_index(index), &step));
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

    fn arm(&mut self, index: usize, now: Time) {
        if let Some(at) = self.slots[index].arm(now) {
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

    /// Takes what the devices may have left at the broker.
    pub(crate) fn take_leftovers(&mut self) -> Leftovers {
        let sessions = self.slots.iter().filter(|slot| slot.connection.may_have_session()).count();
        let discards = self.connections.discards_sessions();
        let (topics, missed) = self.connections.retained.take();
        Leftovers { topics, missed, sessions: if discards { sessions as u64 } else { 0 } }
    }

    /// Stops every device cleanly; the connections close by themselves.
    pub(crate) fn stop_all(&mut self) {
        let mut slow = Duration::ZERO;
        for index in 0..self.slots.len() {
            self.slots[index].cancel_start();
            if slow > SLOW_STOPS || self.slots[index].share.paused_until.is_some() {
                // The device stops and disconnects, without a call of its behaviour.
                self.slots[index].device.set_paused(true);
            }
            let began = Instant::now();
            self.handle_input(index, Input::Stop(StopReason::Shutdown));
            // A device that had crashed, or was switched off before, has no connection to disconnect.
            let now = self.now();
            self.with_connection(index, |connection, connections| {
                connection.end_session(now.run, connections)
            });
            self.pump(index, now);
            let took = began.elapsed();
            slow += if took > SLOW_STOP { took } else { Duration::ZERO };
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
