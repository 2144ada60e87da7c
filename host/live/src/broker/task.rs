//! The task that owns the model and alone turns it.
//!
//! It takes what has come in, up to a bounded time, hands the replies to those they are for, and sleeps until
//! something comes or the model wants to be woken. It never waits for a client. `faults`: the broker's own faults.

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
use wasmote_mqtt::broker::{Broker, Replies as BrokerReplies};
use wasmote_mqtt::time::Time;
use wasmote_sim::faults::broker::{BrokerFaults, Condition};

use super::observer::BrokerObserver;
use super::reply_channel::ReplySender;
use super::report::BrokerReport;
use super::shard_channel::{ShardInbound, ShardReplySender};
use super::sys_topics;
use super::{BrokerFaultEvent, Peer};
use crate::clock::Clock;

/// Something to do with the broker, from its handle.
pub(super) type Job = Box<dyn FnOnce(&mut BrokerTask) + Send>;

/// Longest time spent on what has come in before the runtime is let in.
const WORK_SLICE: Duration = Duration::from_millis(5);
/// Parcels of visitors that may wait for the broker. Visitors that have more wait, and are not read from.
const INBOUND_QUEUE: usize = 256;

/// Longest time that deadlines wait for packets to be dealt with first.
const MAX_DEADLINE_DELAY: Duration = Duration::from_secs(1);
/// Longest time that the end waits for what has come in, and then for visitors to go.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// What a visitor brings.
#[derive(Debug)]
pub(super) enum Inbound {
    /// A new connection, and where to leave what is for it.
    Connected(u64, ReplySender),
    /// Packets of a connection, in order.
    Packets(u64, Vec<Request>),
    /// Messages at QoS 0 that the visitor takes no packets so large for.
    TooLarge(u64),
}

/// Where visitors bring their parcels.
pub(super) type InboundSender = mpsc::Sender<Inbound>;

/// The ways in.
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
    /// When to tell of itself next.
    next_sys_publish: Time,
    started: Time,
    faults: BrokerFaults,
    /// Who is told when a failure begins or ends.
    fault_event_senders: Vec<mpsc::UnboundedSender<BrokerFaultEvent>>,
    /// Who sees every packet.
    observer: Option<Arc<dyn BrokerObserver>>,
    restarts: u64,
    /// When the deadlines were last looked at.
    deadlines_checked: Instant,
    /// What has come in is still dealt with, until then at the longest.
    shutdown_deadline: Option<Instant>,
}

impl BrokerTask {
    pub(super) fn new(limits: BrokerLimits) -> (Self, BrokerSenders) {
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
            deadlines_checked: Instant::now(),
            shutdown_deadline: None,
        };
        (task, BrokerSenders { jobs: job_sender, shards, clients: client_sender })
    }

    /// Until it is told to end, or its handle is gone.
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

    /// Some work. Says whether there may be more.
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
        // A client whose packets wait here is not silent.
        if idle || self.deadlines_checked.elapsed() > MAX_DEADLINE_DELAY {
            self.deadlines_checked = Instant::now();
            self.run_deadlines();
        }
        !idle && self.shutdown_deadline.is_none_or(|end| Instant::now() < end)
    }

    /// Tell everyone, and give visitors the time to hear it.
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
            // Its connection closes with the mailbox.
            Inbound::Connected(..) if self.faults.condition() == Condition::Down => {}
            Inbound::Connected(client, reply_sender) => {
                self.clients.insert(client, reply_sender);
            }
            Inbound::Packets(client, requests) => {
                for request in requests {
                    // What comes after its end was sent before it knew of that.
                    if self.clients.contains_key(&client) {
                        self.handle(Peer::Client(client), request);
                    }
                }
                // A farewell, or a connection that broke, is not answered.
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
                    shard_sender.mark_handled(packets.len());
                }
                let is_down = self.faults.condition() == Condition::Down;
                for (link, request) in packets {
                    if is_down {
                        self.reject_while_down(shard, link, &request);
                        continue;
                    }
                    let from = Peer::Device { shard, link };
                    // Nobody reads what comes on a connection that is closed.
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

    /// Let somebody see every packet from now on.
    pub(super) fn set_observer(&mut self, observer: Arc<dyn BrokerObserver>) {
        self.observer = Some(observer);
    }

    fn handle(&mut self, from: Peer, request: Request) {
        if let Some(observer) = &self.observer {
            observer.on_request(from, &request);
        }
        self.model.handle(from, request, self.clock.now().run, &mut self.replies);
        self.dispatch_replies();
    }

    /// Hand the replies to those they are for.
    fn dispatch_replies(&mut self) {
        for (peer, reply) in self.replies.drain(..) {
            if let Some(observer) = &self.observer {
                observer.on_reply(peer, &reply);
            }
            let client = match peer {
                Peer::Client(client) => client,
                Peer::Device { shard, link } => {
                    let Some(shard_sender) = self.shards.get_mut(&shard) else { continue };
                    if !shard_sender.push(link, reply) {
                        self.model.record_unsent(DropReason::SlowConsumer, 1);
                    }
                    continue;
                }
            };
            let Some(reply_sender) = self.clients.get(&client) else { continue };
            let is_last = matches!(reply, Reply::Close(_) | Reply::Refused(_));
            if !reply_sender.send(reply) {
                self.model.record_unsent(DropReason::SlowConsumer, 1);
            }
            if is_last {
                self.clients.remove(&client);
            }
        }
    }

    pub(super) fn report(&self) -> BrokerReport {
        BrokerReport {
            counters: self.model.counters().clone(),
            stats: self.model.stats(),
            external_clients: self.clients.len(),
            uptime: self.clock.now().run.since(self.started),
            restarts: self.restarts,
            condition: self.faults.condition(),
        }
    }

    /// Deal with what has come in, say so to everyone, and end.
    pub(super) fn shut_down(&mut self) {
        self.shutdown_deadline.get_or_insert(Instant::now() + DRAIN_TIMEOUT);
    }
}
