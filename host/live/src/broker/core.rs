//! The task that owns the model and alone turns it.
//!
//! It takes what has come in, up to a bounded time, hands the replies to those they are for, and sleeps until
//! something comes or the model wants to be woken. It never waits for a client. `failing`: the broker's own faults.

mod failing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::select;
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use wasmote_sim::broker::limits::BrokerLimits;
use wasmote_sim::broker::packet::{Reply, Request};
use wasmote_sim::broker::tally::DropReason;
use wasmote_sim::broker::{Broker, Replies};
use wasmote_sim::faults::broker::{BrokerFaults, Condition};
use wasmote_sim::time::Time;

use super::link::{Post, ShardParcel};
use super::post::Mailbox;
use super::report::BrokerReport;
use super::system;
use super::witness::BrokerWitness;
use super::{BrokerTurn, Peer};
use crate::clock::Clock;

/// Something to do with the broker, from its handle.
pub(super) type Job = Box<dyn FnOnce(&mut Core) + Send>;

/// Longest time spent on what has come in before the runtime is let in.
const TURN: Duration = Duration::from_millis(5);
/// Parcels of visitors that may wait for the broker. Visitors that have more wait, and are not read from.
const WAITING: usize = 256;

/// Longest time that deadlines wait for packets to be dealt with first.
const OVERDUE: Duration = Duration::from_secs(1);
/// Longest time that the end waits for what has come in, and then for visitors to go.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a visitor brings.
#[derive(Debug)]
pub(super) enum Parcel {
    /// A new connection, and where to leave what is for it.
    Arrived(u64, Mailbox),
    /// Packets of a connection, in order.
    Packets(u64, Vec<Request>),
    /// Messages at QoS 0 that the visitor takes no packets so large for.
    NotSent(u64),
}

/// Where visitors bring their parcels.
pub(super) type VisitorsWayIn = mpsc::Sender<Parcel>;

/// The ways in.
pub(super) struct WaysIn {
    pub(super) jobs: mpsc::UnboundedSender<Job>,
    pub(super) shards: mpsc::UnboundedSender<ShardParcel>,
    pub(super) visitors: VisitorsWayIn,
}

pub(super) struct Core {
    model: Broker<Peer>,
    clock: Clock,
    jobs: mpsc::UnboundedReceiver<Job>,
    parcels: mpsc::Receiver<Parcel>,
    shard_parcels: mpsc::UnboundedReceiver<ShardParcel>,
    posts: BTreeMap<u32, Post>,
    visitors: BTreeMap<u64, Mailbox>,
    replies: Replies<Peer>,
    /// When to tell of itself next.
    tell_at: Time,
    started: Time,
    faults: BrokerFaults,
    /// Who is told when a failure begins or ends.
    tellers: Vec<mpsc::UnboundedSender<BrokerTurn>>,
    /// Who sees every packet.
    witness: Option<Arc<dyn BrokerWitness>>,
    restarts: u64,
    /// When the deadlines were last looked at.
    looked: Instant,
    /// What has come in is still dealt with, until then at the longest.
    ends_by: Option<Instant>,
}

impl Core {
    pub(super) fn new(limits: BrokerLimits) -> (Self, WaysIn) {
        let (job_sender, jobs) = mpsc::unbounded_channel();
        let (parcel_sender, parcels) = mpsc::channel(WAITING);
        let (shards, shard_parcels) = mpsc::unbounded_channel();
        let core = Self {
            model: Broker::new(limits),
            clock: Clock::start(),
            jobs,
            parcels,
            shard_parcels,
            posts: BTreeMap::new(),
            visitors: BTreeMap::new(),
            replies: Vec::new(),
            tell_at: Time::ZERO,
            started: Time::ZERO,
            faults: BrokerFaults::default(),
            tellers: Vec::new(),
            witness: None,
            restarts: 0,
            looked: Instant::now(),
            ends_by: None,
        };
        (core, WaysIn { jobs: job_sender, shards, visitors: parcel_sender })
    }

    /// Until it is told to end, or its handle is gone.
    pub(super) async fn run(mut self) {
        loop {
            let more = self.work();
            self.posts.values_mut().for_each(Post::send);
            if more {
                tokio::task::yield_now().await;
                continue;
            }
            if self.ends_by.is_some() {
                break;
            }
            let reads = self.faults.condition() != Condition::Paused;
            let alarm = self.next_deadline().map(|due| self.clock.instant(due));
            select! {
                biased;
                job = self.jobs.recv() => match job {
                    Some(job) => job(&mut self),
                    None => self.shut_down(),
                },
                Some(parcel) = self.shard_parcels.recv(), if reads => self.take_from_shard(parcel),
                Some(parcel) = self.parcels.recv(), if reads => self.take(parcel),
                () = sleep_until(alarm.unwrap_or_else(tokio::time::Instant::now)), if alarm.is_some() => {}
            }
        }
        self.say_farewell().await;
    }

    /// Some work. Says whether there may be more.
    fn work(&mut self) -> bool {
        let began = Instant::now();
        while let Ok(job) = self.jobs.try_recv() {
            job(self);
        }
        self.turn_faults();
        if self.faults.condition() == Condition::Paused && self.ends_by.is_none() {
            return false;
        }
        let mut idle = false;
        while !idle && began.elapsed() < TURN {
            let from_shard = self.shard_parcels.try_recv().ok();
            let from_visitor = self.parcels.try_recv().ok();
            idle = from_shard.is_none() && from_visitor.is_none();
            from_shard.into_iter().for_each(|parcel| self.take_from_shard(parcel));
            from_visitor.into_iter().for_each(|parcel| self.take(parcel));
        }
        // A client whose packets wait here is not silent.
        if idle || self.looked.elapsed() > OVERDUE {
            self.looked = Instant::now();
            self.meet_deadlines();
        }
        !idle && self.ends_by.is_none_or(|end| Instant::now() < end)
    }

    /// Tell everyone, and give visitors the time to hear it.
    async fn say_farewell(mut self) {
        self.model.shut_down(&mut self.replies);
        let replies = std::mem::take(&mut self.replies);
        for (peer, reply) in replies {
            match peer {
                Peer::Device { shard, link } => {
                    self.posts.get_mut(&shard).map(|post| post.put(link, reply));
                }
                Peer::Visitor(visitor) => {
                    self.visitors.get(&visitor).map(|mailbox| mailbox.put(reply));
                }
            }
        }
        self.posts.values_mut().for_each(Post::send);
        self.visitors.clear();
        let left = async { while self.parcels.recv().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, left).await;
    }

    fn next_deadline(&self) -> Option<Time> {
        let is_up = self.faults.condition() == Condition::Up;
        let own = [self.model.next_deadline(), Some(self.tell_at)].map(|due| due.filter(|_| is_up));
        own.into_iter().chain([self.faults.next_deadline()]).flatten().min()
    }

    fn meet_deadlines(&mut self) {
        if self.faults.condition() != Condition::Up {
            return;
        }
        let now = self.clock.now().run;
        if self.model.next_deadline().is_some_and(|due| due <= now) {
            self.model.wake(now, &mut self.replies);
            self.hand_out();
        }
        if self.tell_at <= now {
            self.tell_at = now + system::INTERVAL;
            for message in system::messages(&self.report()) {
                self.model.publish(message, now, &mut self.replies);
            }
            self.hand_out();
        }
    }

    fn take(&mut self, parcel: Parcel) {
        match parcel {
            // Its connection closes with the mailbox.
            Parcel::Arrived(..) if self.faults.condition() == Condition::Down => {}
            Parcel::Arrived(visitor, mailbox) => {
                self.visitors.insert(visitor, mailbox);
            }
            Parcel::Packets(visitor, requests) => {
                for request in requests {
                    // What comes after its end was sent before it knew of that.
                    if self.visitors.contains_key(&visitor) {
                        self.handle(Peer::Visitor(visitor), request);
                    }
                }
                // A farewell, or a connection that broke, is not answered.
                if !self.model.is_connected(Peer::Visitor(visitor)) {
                    self.visitors.remove(&visitor);
                }
            }
            Parcel::NotSent(copies) => self.model.not_sent(DropReason::TooLarge, copies),
        }
    }

    fn take_from_shard(&mut self, parcel: ShardParcel) {
        match parcel {
            ShardParcel::Opened(shard, post) => {
                self.posts.insert(shard, post);
            }
            ShardParcel::Packets(shard, packets) => {
                if let Some(post) = self.posts.get(&shard) {
                    post.took(packets.len());
                }
                let is_down = self.faults.condition() == Condition::Down;
                for (link, request) in packets {
                    if is_down {
                        self.take_in_vain(shard, link, &request);
                        continue;
                    }
                    let from = Peer::Device { shard, link };
                    // Nobody reads what comes on a connection that is closed.
                    if matches!(request, Request::Connect(_)) || self.model.is_connected(from) {
                        self.handle(from, request);
                    }
                }
            }
            ShardParcel::Closed(shard) => {
                self.posts.remove(&shard);
                let of_shard = |peer: &Peer| matches!(peer, Peer::Device { shard: of, .. } if *of == shard);
                let left: Vec<_> = self.model.connections().filter(of_shard).collect();
                for peer in left {
                    self.handle(peer, Request::Lost);
                }
            }
        }
    }

    /// Let somebody see every packet from now on.
    pub(super) fn watch(&mut self, witness: Arc<dyn BrokerWitness>) {
        self.witness = Some(witness);
    }

    fn handle(&mut self, from: Peer, request: Request) {
        if let Some(witness) = &self.witness {
            witness.up(from, &request);
        }
        self.model.handle(from, request, self.clock.now().run, &mut self.replies);
        self.hand_out();
    }

    /// Hand the replies to those they are for.
    fn hand_out(&mut self) {
        for (peer, reply) in self.replies.drain(..) {
            if let Some(witness) = &self.witness {
                witness.down(peer, &reply);
            }
            let visitor = match peer {
                Peer::Visitor(visitor) => visitor,
                Peer::Device { shard, link } => {
                    let Some(post) = self.posts.get_mut(&shard) else { continue };
                    if !post.put(link, reply) {
                        self.model.not_sent(DropReason::SlowConsumer, 1);
                    }
                    continue;
                }
            };
            let Some(mailbox) = self.visitors.get(&visitor) else { continue };
            let is_last = matches!(reply, Reply::Close(_) | Reply::Refused(_));
            if !mailbox.put(reply) {
                self.model.not_sent(DropReason::SlowConsumer, 1);
            }
            if is_last {
                self.visitors.remove(&visitor);
            }
        }
    }

    pub(super) fn report(&self) -> BrokerReport {
        BrokerReport {
            tally: self.model.tally().clone(),
            census: self.model.census(),
            visitors: self.visitors.len(),
            uptime: self.clock.now().run.since(self.started),
            restarts: self.restarts,
            condition: self.faults.condition(),
        }
    }

    /// Deal with what has come in, say so to everyone, and end.
    pub(super) fn shut_down(&mut self) {
        self.ends_by.get_or_insert(Instant::now() + FAREWELL);
    }
}
