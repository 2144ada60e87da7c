//! Task that owns the broker model.
//!
//! It handles incoming packets for a bounded time, dispatches the replies, and sleeps until the next packet
//! or the model's next deadline. It never waits for a client. `faults`: the broker's own faults.

mod faults;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::select;
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use wasmote_mqtt::broker::counters::DropReason;
use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::broker::reason::CloseReason;
use wasmote_mqtt::broker::{Broker, Replies as BrokerReplies};
use wasmote_mqtt::budget::Lease;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_sim::faults::broker::{BrokerFaults, Condition};

use super::admission::Admission;
use super::observer::BrokerObserver;
use super::reply_channel::{ReplySender, SendOutcome, request_bytes};
use super::report::BrokerReport;
use super::shard_channel::{ShardInbound, ShardReplySender};
use super::sys_topics;
use super::{BrokerFaultEvent, Peer};
use crate::clock::Clock;

/// Job for the broker task, sent by its handle.
pub(super) type Job = Box<dyn FnOnce(&mut BrokerTask) + Send>;

/// Longest time spent on incoming packets before the task yields to the runtime.
const WORK_SLICE: Duration = Duration::from_millis(5);
/// Batches of clients that may wait for the broker. When the queue is full, clients wait and their sockets
/// are not read.
const INBOUND_QUEUE: usize = 256;

/// Longest time for which packets may delay the check of deadlines.
const MAX_DEADLINE_DELAY: Duration = Duration::from_secs(1);
/// Longest time that a shutdown waits for queued packets, and then for clients to disconnect.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Message from a client task to the broker task.
#[derive(Debug)]
pub(super) enum Inbound {
    /// New connection, and the sender for its replies.
    Connected(u64, ReplySender),
    /// Packets of a connection, in order, and their bytes in the budget of all clients if they are many.
    Packets(u64, Vec<Request>, Option<Lease>),
    /// Number of messages at QoS 0 that exceed the client's maximum packet size.
    TooLarge(u64),
}

/// Sender for client tasks.
pub(super) type InboundSender = mpsc::Sender<Inbound>;

/// Senders of all input channels of the broker task.
pub(super) struct BrokerSenders {
    pub(super) jobs: mpsc::UnboundedSender<Job>,
    pub(super) shards: mpsc::UnboundedSender<ShardInbound>,
    pub(super) clients: InboundSender,
}

pub(super) struct BrokerTask {
    model: Broker<Peer>,
    clock: Clock,
    jobs: mpsc::UnboundedReceiver<Job>,
    client_inbound: mpsc::Receiver<Inbound>,
    shard_inbound: mpsc::UnboundedReceiver<ShardInbound>,
    shards: BTreeMap<u32, ShardReplySender>,
    clients: BTreeMap<u64, ReplySender>,
    replies: BrokerReplies<Peer>,
    /// Time of the next `$SYS` round.
    next_sys_publish: Time,
    started: Time,
    faults: BrokerFaults,
    /// Subscribers of fault events.
    fault_event_senders: Vec<mpsc::UnboundedSender<BrokerFaultEvent>>,
    /// Observer of every packet.
    observer: Option<Arc<dyn BrokerObserver>>,
    restarts: u64,
    /// Limits of clients from other programs.
    admission: Admission,
    /// Time of the last deadline check.
    deadlines_checked: Instant,
    /// Set during a shutdown: end of the time for queued packets.
    shutdown_deadline: Option<Instant>,
}

impl BrokerTask {
    pub(super) fn new(limits: BrokerLimits, admission: Admission) -> (Self, BrokerSenders) {
        let (job_sender, jobs) = mpsc::unbounded_channel();
        let (client_sender, client_inbound) = mpsc::channel(INBOUND_QUEUE);
        let (shards, shard_inbound) = mpsc::unbounded_channel();
        let task = Self {
            model: Broker::new(limits),
            clock: Clock::start(),
            jobs,
            client_inbound,
            shard_inbound,
            shards: BTreeMap::new(),
            clients: BTreeMap::new(),
            replies: Vec::new(),
            next_sys_publish: Time::ZERO,
            started: Time::ZERO,
            faults: BrokerFaults::default(),
            fault_event_senders: Vec::new(),
            observer: None,
            restarts: 0,
            admission,
            deadlines_checked: Instant::now(),
            shutdown_deadline: None,
        };
        (task, BrokerSenders { jobs: job_sender, shards, clients: client_sender })
    }

    /// Runs until a shutdown, or until all handles are dropped.
    pub(super) async fn run(mut self) {
        loop {
            let more = self.run_slice();
            self.shards.values_mut().for_each(ShardReplySender::flush);
            if more {
                tokio::task::yield_now().await;
                continue;
            }
            if self.shutdown_deadline.is_some() {
                break;
            }
            let is_reading = self.faults.condition() != Condition::Paused;
            let wake_at = self.next_deadline().map(|due| self.clock.instant(due));
            select! {
                biased;
                job = self.jobs.recv() => match job {
                    Some(job) => job(&mut self),
                    None => self.shut_down(),
                },
                Some(inbound) = self.shard_inbound.recv(), if is_reading => self.handle_shard_inbound(inbound),
                Some(inbound) = self.client_inbound.recv(), if is_reading => self.handle_inbound(inbound),
                () = sleep_until(wake_at.unwrap_or_else(tokio::time::Instant::now)), if wake_at.is_some() => {}
            }
        }
        self.close_all().await;
    }

    /// Runs one slice of work. Returns whether there may be more.
    fn run_slice(&mut self) -> bool {
        let began = Instant::now();
        while let Ok(job) = self.jobs.try_recv() {
            job(self);
        }
        self.advance_faults();
        if self.faults.condition() == Condition::Paused && self.shutdown_deadline.is_none() {
            return false;
        }
        let mut idle = false;
        while !idle && began.elapsed() < WORK_SLICE {
            let from_shard = self.shard_inbound.try_recv().ok();
            let from_client = self.client_inbound.try_recv().ok();
            idle = from_shard.is_none() && from_client.is_none();
            from_shard.into_iter().for_each(|inbound| self.handle_shard_inbound(inbound));
            from_client.into_iter().for_each(|inbound| self.handle_inbound(inbound));
        }
        // Queued packets are handled first, so that their clients do not exceed their keepalive.
        if idle || self.deadlines_checked.elapsed() > MAX_DEADLINE_DELAY {
            self.deadlines_checked = Instant::now();
            self.run_deadlines();
        }
        !idle && self.shutdown_deadline.is_none_or(|end| Instant::now() < end)
    }

    /// Sends the final replies and waits for client tasks to end.
    async fn close_all(mut self) {
        self.model.shut_down(&mut self.replies);
        let replies = std::mem::take(&mut self.replies);
        for (peer, reply) in replies {
            match peer {
                Peer::Device { shard, link } => {
                    self.shards.get_mut(&shard).map(|shard_sender| shard_sender.push(link, reply));
                }
                Peer::Client(client) => {
                    self.clients.get(&client).map(|reply_sender| reply_sender.send(reply));
                }
            }
        }
        self.shards.values_mut().for_each(ShardReplySender::flush);
        self.clients.clear();
        let left = async { while self.client_inbound.recv().await.is_some() {} };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, left).await;
    }

    fn next_deadline(&self) -> Option<Time> {
        let is_up = self.faults.condition() == Condition::Up;
        let own = [self.model.next_deadline(), Some(self.next_sys_publish)].map(|due| due.filter(|_| is_up));
        own.into_iter().chain([self.faults.next_deadline()]).flatten().min()
    }

    fn run_deadlines(&mut self) {
        if self.faults.condition() != Condition::Up {
            return;
        }
        let now = self.clock.now().run;
        if self.model.next_deadline().is_some_and(|due| due <= now) {
            self.model.wake(now, &mut self.replies);
            self.dispatch_replies();
        }
        if self.next_sys_publish <= now {
            self.next_sys_publish = now + sys_topics::INTERVAL;
            for message in sys_topics::messages(&self.report()) {
                self.model.publish(message, now, &mut self.replies);
            }
            self.dispatch_replies();
        }
    }

    fn handle_inbound(&mut self, inbound: Inbound) {
        match inbound {
            // Dropping the sender closes the connection.
            Inbound::Connected(..) if self.faults.condition() == Condition::Down => {}
            Inbound::Connected(client, reply_sender) => {
                self.clients.insert(client, reply_sender);
            }
            Inbound::Packets(client, requests, _lease) => {
                for request in requests {
                    // Packets that arrive after the end of the connection were sent before the client saw the
                    // end.
                    if self.clients.contains_key(&client) {
                        self.handle(Peer::Client(client), request);
                    }
                }
                // DISCONNECT and a lost connection have no reply, so the client is removed here.
                if !self.model.is_connected(Peer::Client(client)) {
                    self.clients.remove(&client);
                }
            }
            Inbound::TooLarge(copies) => self.model.record_unsent(DropReason::TooLarge, copies),
        }
    }

    fn handle_shard_inbound(&mut self, inbound: ShardInbound) {
        match inbound {
            ShardInbound::Opened(shard, shard_sender) => {
                self.shards.insert(shard, shard_sender);
            }
            ShardInbound::Packets(shard, packets) => {
                if let Some(shard_sender) = self.shards.get(&shard) {
                    let bytes = packets.iter().map(|(_, request)| request_bytes(request)).sum();
                    shard_sender.mark_handled(packets.len(), bytes);
                }
                let is_down = self.faults.condition() == Condition::Down;
                for (link, request) in packets {
                    if is_down {
                        self.reject_while_down(shard, link, &request);
                        continue;
                    }
                    let from = Peer::Device { shard, link };
                    // Packets on a closed connection are discarded.
                    if matches!(request, Request::Connect(_)) || self.model.is_connected(from) {
                        self.handle(from, request);
                    }
                }
            }
            ShardInbound::Closed(shard) => {
                self.shards.remove(&shard);
                let of_shard = |peer: &Peer| matches!(peer, Peer::Device { shard: of, .. } if *of == shard);
                let left: Vec<_> = self.model.connections().filter(of_shard).collect();
                for peer in left {
                    self.handle(peer, Request::Lost);
                }
            }
        }
    }

    /// Sets the observer of all packets.
    pub(super) fn set_observer(&mut self, observer: Arc<dyn BrokerObserver>) {
        self.observer = Some(observer);
    }

    fn handle(&mut self, from: Peer, request: Request) {
        if let Some(observer) = &self.observer {
            observer.on_request(from, &request);
            self.model.follow_messages(observer.follows_messages());
        }
        self.model.handle(from, request, self.clock.now().run, &mut self.replies);
        self.dispatch_replies();
    }

    /// Dispatches replies to their clients and shards.
    fn dispatch_replies(&mut self) {
        self.report_steps();
        while !self.replies.is_empty() {
            let mut replies = std::mem::take(&mut self.replies);
            let mut without_room = Vec::new();
            for (peer, reply) in replies.drain(..) {
                if let Some(observer) = &self.observer {
                    observer.on_reply(peer, &reply);
                }
                match peer {
                    Peer::Client(client) => {
                        if !self.send_to_client(client, reply) {
                            without_room.push(client);
                        }
                    }
                    Peer::Device { shard, link } => {
                        let Some(shard_sender) = self.shards.get_mut(&shard) else { continue };
                        let followed = followed_message(self.model.follows_messages(), &reply);
                        if !shard_sender.push(link, reply) {
                            self.model.record_unsent(DropReason::SlowConsumer, 1);
                            self.model.note_unsent(peer, followed.as_ref(), DropReason::SlowConsumer);
                        }
                    }
                }
            }
            // The allocation is used again.
            self.replies = replies;
            self.report_steps();
            without_room.into_iter().for_each(|client| self.close_without_room(client));
        }
    }

    /// Passes the steps of messages to the observer.
    fn report_steps(&mut self) {
        let Some(observer) = &self.observer else { return };
        let mut steps = self.model.drain_steps().peekable();
        if steps.peek().is_none() {
            return;
        }
        let now = self.clock.now();
        steps.for_each(|step| observer.on_step(now, &step));
    }

    /// Sends a reply to a client. False if there is no room for it and it cannot be dropped.
    fn send_to_client(&mut self, client: u64, reply: Reply) -> bool {
        let Some(reply_sender) = self.clients.get(&client) else { return true };
        let is_last = matches!(reply, Reply::Close(_) | Reply::Refused(_));
        let followed = followed_message(self.model.follows_messages(), &reply);
        let outcome = reply_sender.send(reply);
        if outcome == SendOutcome::Dropped {
            self.model.record_unsent(DropReason::SlowConsumer, 1);
            self.model.note_unsent(Peer::Client(client), followed.as_ref(), DropReason::SlowConsumer);
        }
        if is_last {
            self.clients.remove(&client);
        }
        outcome != SendOutcome::NoRoom
    }

    /// Closes a client for which the budget of all clients has no room. Its session keeps messages at QoS 1 and 2.
    fn close_without_room(&mut self, client: u64) {
        let Some(reply_sender) = self.clients.remove(&client) else { return };
        reply_sender.send(Reply::Close(CloseReason::QuotaExceeded));
        let peer = Peer::Client(client);
        if let Some(observer) = &self.observer {
            observer.on_request(peer, &Request::Lost);
        }
        self.model.handle(peer, Request::Lost, self.clock.now().run, &mut self.replies);
    }

    pub(super) fn report(&self) -> BrokerReport {
        BrokerReport {
            counters: self.model.counters().clone(),
            stats: self.model.stats(),
            external_clients: self.clients.len(),
            clients: self.admission.report(),
            uptime: self.clock.now().run.since(self.started),
            restarts: self.restarts,
            condition: self.faults.condition(),
        }
    }

    /// Starts a shutdown: queued packets are handled, then all connections are closed.
    pub(super) fn shut_down(&mut self) {
        self.shutdown_deadline.get_or_insert(Instant::now() + DRAIN_TIMEOUT);
    }
}

/// The message of a reply, if somebody follows messages.
fn followed_message(is_followed: bool, reply: &Reply) -> Option<Message> {
    match reply {
        Reply::Publish(publish) if is_followed => Some(publish.message.clone()),
        _ => None,
    }
}
