//! A task that owns many devices and their deadlines, and turns them.
//!
//! Devices never wait, so a shard is a plain loop: what is due, what came in, what was asked; and when
//! there is nothing of these it sleeps until the next deadline. Work is done in batches of bounded length,
//! with the runtime let in between, so that a busy fleet still answers and lets others run.
//!
//! * `agenda`: the deadlines of all its devices.
//! * `slot`: a device with its connection and what is known about both.
//! * `linked`: devices whose connections are their own clients'; `wired`: those over TCP; `attend`: to them.
//! * `carry_out`: what becomes of a device's actions.
//! * `answers`: what it tells of itself. `swaps`: other versions of behaviours.

mod agenda;
mod answers;
mod attend;
mod carry_out;
mod linked;
mod slot;
mod swaps;
mod wired;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::task::unconstrained;
use tokio::time::sleep_until;
use wasmote_sim::action::Action;
use wasmote_sim::device::{Blueprint, Input, Now};
use wasmote_sim::event::StopReason;
use wasmote_sim::http::HttpResponse;
use wasmote_sim::time::Time;
use wasmote_sim::virtual_time::observer::{DeviceIndex, Step};

use crate::broker::{BrokerLinks, Replies};
use crate::connection::{Inbox, Network, News};
use crate::outbound::Outbound;
use crate::punctuality::Punctuality;
use crate::watchers::Watchers;
use crate::witness::Witness;
use agenda::Agenda;
pub(crate) use answers::Recent;
use linked::{Carrier, Links};
use slot::Slot;
pub(crate) use swaps::Stand;
use wired::{Bells, Sockets};

/// Something to do with a shard, from the fleet's handle.
pub(crate) type Job = Box<dyn FnOnce(&mut Shard) + Send>;

/// Most inputs handled before the runtime is let in.
const BATCH: usize = 256;
/// Longest time spent on them; one slow guest call may exceed it.
const BATCH_TIME: Duration = Duration::from_millis(5);
/// News that may wait for a shard. Connections that have more wait, and their brokers with them.
const INBOX: usize = 4_096;

/// What all shards of a fleet share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) network: Arc<Network>,
    /// If the broker is in this process.
    pub(crate) links: Option<BrokerLinks>,
    pub(crate) outbound: Outbound,
    pub(crate) watchers: Watchers,
    pub(crate) witness: Option<Arc<dyn Witness>>,
    /// Devices that have neither been connected nor given up.
    pub(crate) awaited: Arc<AtomicUsize>,
    /// Held by every connection as long as it lasts.
    pub(crate) alive: Option<mpsc::Sender<()>>,
}

/// Which of a fleet's shards this is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) number: usize,
    pub(crate) shards: usize,
}

pub(crate) struct Shard {
    place: Place,
    slots: Vec<Slot>,
    agenda: Agenda,
    common: Common,
    links: Option<Links>,
    inbox: Inbox,
    actions: Vec<Action>,
    /// Who waits for an answer of a device, by ticket.
    asking: HashMap<u64, oneshot::Sender<HttpResponse>>,
    next_ticket: u64,
    recent: Recent,
    punctuality: Punctuality,
    connects: u64,
    /// All devices were told to stop.
    stopping: bool,
    done: bool,
}

impl Shard {
    /// Run devices, each with the time of its first start, until told to finish or nobody holds the other
    /// end.
    pub(crate) fn spawn(
        devices: Vec<(Blueprint, Time)>,
        place: Place,
        common: Common,
    ) -> mpsc::UnboundedSender<Job> {
        let (ask, jobs) = mpsc::unbounded_channel();
        let (inbox, news) = mpsc::channel(INBOX);
        // It sees to it itself that others have their turn, and reads many sockets before they have it.
        tokio::spawn(unconstrained(async move {
            let (link, replies) = common.links.as_ref().map(BrokerLinks::open).unzip();
            let carrier = match link {
                Some(link) => Some(Carrier::Link(link, Vec::new())),
                // That is spoken by the library.
                None if common.network.broker.tls => None,
                None => {
                    let network = Arc::clone(&common.network);
                    Some(Carrier::Sockets(Box::new(Sockets::new(network, inbox.clone(), place.shards))))
                }
            };
            let options = &common.network.options;
            let links = carrier.map(|carrier| Links::new(carrier, options, common.alive.clone()));
            let mut shard = Self::new(place, common, links, inbox);
            for (blueprint, start) in devices {
                shard.add(blueprint, Some(start), Time::ZERO);
            }
            shard.run(jobs, news, replies).await;
        }));
        ask
    }

    fn new(place: Place, common: Common, links: Option<Links>, inbox: Inbox) -> Self {
        Self {
            place,
            slots: Vec::new(),
            agenda: Agenda::default(),
            common,
            links,
            inbox,
            actions: Vec::new(),
            asking: HashMap::new(),
            next_ticket: 0,
            recent: Recent::default(),
            punctuality: Punctuality::default(),
            connects: 0,
            stopping: false,
            done: false,
        }
    }

    /// Add a device that there is since then, and that is switched on at its time, or by hand.
    pub(crate) fn add(&mut self, blueprint: Blueprint, start: Option<Time>, since: Time) {
        let index = self.slots.len();
        let linked = self.links.as_ref().map(|links| links.join(index, &blueprint));
        self.slots.push(Slot::new(blueprint, linked, start, since));
        self.arm(index);
    }

    async fn run(
        mut self,
        mut jobs: mpsc::UnboundedReceiver<Job>,
        mut news: mpsc::Receiver<(u32, News)>,
        mut replies: Option<Replies>,
    ) {
        let bells = self.links.as_mut().and_then(Links::sockets).map(|sockets| sockets.bells());
        while !self.done {
            let more = self.work(&mut jobs, &mut news, &mut replies);
            self.write();
            self.dial();
            if let Some(links) = &mut self.links {
                links.flush(self.stopping);
            }
            if more {
                tokio::task::yield_now().await;
                continue;
            }
            let next = self.agenda.next();
            let alarm = next.map(|at| self.common.network.clock.instant(at));
            select! {
                biased;
                job = jobs.recv() => match job {
                    Some(job) => job(&mut self),
                    // Nobody is left who could ask anything, or end it in order.
                    None => return,
                },
                Some((slot, news)) = news.recv() => self.hear(slot, news),
                batch = next_batch(&mut replies), if replies.is_some() => match batch {
                    Some(batch) => self.hear_broker(batch),
                    // It has ended.
                    None => replies = None,
                },
                () = next_rung(bells.as_deref()), if bells.is_some() => {}
                () = sleep_until(alarm.unwrap_or_else(tokio::time::Instant::now)), if alarm.is_some() => {}
            }
        }
    }

    /// A batch of work. Says whether there may be more.
    fn work(
        &mut self,
        jobs: &mut mpsc::UnboundedReceiver<Job>,
        news: &mut mpsc::Receiver<(u32, News)>,
        replies: &mut Option<Replies>,
    ) -> bool {
        let began = self.now().run;
        while let Ok(job) = jobs.try_recv() {
            job(self);
        }
        for _ in 0..BATCH {
            let now = self.now();
            let due = self.agenda.take_due(now.run);
            if let Some((slot, at)) = due {
                self.wake(slot, at, now);
            }
            let heard = news.try_recv().ok();
            let batch = replies.as_mut().and_then(Replies::try_take);
            let rung = self.links.as_mut().and_then(Links::sockets).and_then(Sockets::next_rung);
            let idle = due.is_none() && heard.is_none() && batch.is_none() && rung.is_none();
            if let Some(index) = rung {
                self.attend(index);
            }
            if let Some(batch) = batch {
                self.hear_broker(batch);
            }
            if let Some((slot, news)) = heard {
                self.hear(slot, news);
            }
            if idle || self.done {
                return false;
            }
            // At the end: however long the jobs took, devices have a turn.
            if now.run.since(began) > BATCH_TIME {
                break;
            }
        }
        true
    }

    fn now(&self) -> Now {
        self.common.network.clock.now()
    }

    /// A deadline has come.
    fn wake(&mut self, index: usize, at: Time, now: Now) {
        if !self.slots[index].disarm(at) {
            return;
        }
        self.punctuality.woken(now.run.since(at));
        if self.slots[index].take_start(now.run) {
            return self.put_in(index, Input::Start);
        }
        if self.slots[index].linked.is_some() {
            return self.wake_linked(index, now);
        }
        self.put_in(index, Input::Wake);
    }

    /// Something came from a connection, or from the outside.
    fn hear(&mut self, slot: u32, news: News) {
        let index = slot as usize;
        let mut news = match news {
            News::CaughtUp(asker) => {
                // Whoever asked may have stopped waiting.
                let _ = asker.send(());
                return;
            }
            News::Dialled(attempt, outcome) => return self.dialled(index, attempt, outcome),
            News::Parted => return self.parted(index),
            news => news,
        };
        for input in self.slots[index].returned_by(&mut news) {
            self.put_in(index, input);
        }
        if let Some(input) = self.slots[index].heard(news) {
            if matches!(input, Input::Connected { .. }) {
                self.connects += 1;
            }
            self.put_in(index, input);
        }
    }

    /// Let something happen to a device, and to its link what comes of it.
    fn put_in(&mut self, index: usize, input: Input) {
        let now = self.now();
        self.give(index, input, now);
        match self.slots[index].linked {
            Some(_) => self.settle_link(index, now),
            None => self.arm(index),
        }
    }

    /// Let something happen to a device, and carry out what it asks for. Its deadlines may have moved then.
    fn give(&mut self, index: usize, input: Input, now: Now) {
        self.witness(now, &Step::Input(self.position(index), &input));
        let mut actions = std::mem::take(&mut self.actions);
        self.slots[index].device.handle(input, now, &mut actions);
        self.carry_out(index, now, &mut actions);
        self.actions = actions;
        if self.slots[index].newly_settled() {
            self.common.awaited.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A device's position in the fleet.
    fn position(&self, index: usize) -> DeviceIndex {
        let position = index * self.place.shards + self.place.number;
        DeviceIndex(u32::try_from(position).unwrap_or(u32::MAX))
    }

    fn witness(&self, now: Now, step: &Step<'_>) {
        if let Some(witness) = &self.common.witness {
            witness.see(now, step);
        }
    }

    fn arm(&mut self, index: usize) {
        if let Some(at) = self.slots[index].arm() {
            self.agenda.add(at, index);
        }
    }

    /// Tell when all news that have come by now are heard.
    pub(crate) fn catch_up(&mut self) -> oneshot::Receiver<()> {
        let (asker, caught_up) = oneshot::channel();
        let inbox = self.inbox.clone();
        tokio::spawn(async move { inbox.send((0, News::CaughtUp(asker))).await });
        caught_up
    }

    /// Stop every device in order, and let its connection end by itself.
    pub(crate) fn stop_all(&mut self) {
        for index in 0..self.slots.len() {
            self.slots[index].forget_start();
            self.put_in(index, Input::Stop(StopReason::Shutdown));
            self.slots[index].hang_up();
        }
        self.stopping = true;
        self.common.alive = None;
    }
}

async fn next_rung(bells: Option<&Bells>) {
    if let Some(bells) = bells {
        bells.wait().await;
    }
}

async fn next_batch(
    replies: &mut Option<Replies>,
) -> Option<Vec<(wasmote_sim::client::link::LinkId, wasmote_sim::broker::packet::Reply)>> {
    match replies {
        Some(replies) => replies.take().await,
        None => None,
    }
}
