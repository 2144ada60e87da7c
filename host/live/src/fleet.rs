//! The handle on a running fleet. It is cheap to clone; every call goes to the shard that owns the device.
//!
//! * `roster`: who the devices are. `deal`: how they are dealt out to shards.
//! * `order`: what can be asked of one. `swap`: other versions of behaviours.

mod deal;
mod order;
mod roster;
mod swap;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use wasmote_sim::device::{Blueprint, Now};
use wasmote_sim::device_id::Identity;
use wasmote_sim::faults::Fault;
use wasmote_sim::http::{HttpRequest, HttpResponse};
use wasmote_sim::message::Message;
use wasmote_sim::time::Time;

use crate::broker::BrokerLinks;
use crate::clock::Clock;
use crate::connection::Network;
use crate::outbound::Outbound;
use crate::punctuality::Punctuality;
use crate::shard::{Common, Job, Recent, Shard};
use crate::spec::FleetSpec;
use crate::status::{DeviceStatus, Totals};
use crate::watchers::{Interest, Watch, Watchers};
use crate::witness::Witness;
use deal::{part_of, spawn_shards};
pub use order::{AskError, Order};
use roster::Roster;
pub use swap::{Rolled, Rollout, RolloutError};

/// How long a device has to answer, and a busy shard to get round to it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The faults that a device is to have.
type Faults = Arc<[Arc<Fault>]>;

/// A running fleet.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    clock: Clock,
    links: Option<BrokerLinks>,
    roster: RwLock<Roster>,
    /// Device `i` lives in shard `i % n`, at `i / n`.
    shards: Vec<mpsc::UnboundedSender<Job>>,
    watchers: Watchers,
    awaited: Arc<AtomicUsize>,
    closing: AtomicBool,
    /// Ends when the last connection has.
    connections: Mutex<mpsc::Receiver<()>>,
    final_totals: Mutex<Option<Totals>>,
}

impl Fleet {
    /// Bring a fleet up. Returns at once; devices start in their order. Call it within a Tokio runtime.
    pub fn start(spec: FleetSpec) -> Self {
        Self::begin(spec, Watchers::new(), None)
    }

    /// Bring a fleet up with somebody who hears of it from the first start on.
    pub fn start_watched(spec: FleetSpec, interest: Interest) -> (Self, Watch) {
        let watchers = Watchers::new();
        let watch = watchers.watch(interest);
        (Self::begin(spec, watchers, None), watch)
    }

    /// Bring a fleet up with a witness who misses nothing.
    pub fn start_witnessed(spec: FleetSpec, witness: Arc<dyn Witness>) -> Self {
        Self::begin(spec, Watchers::new(), Some(witness))
    }

    fn begin(spec: FleetSpec, watchers: Watchers, witness: Option<Arc<dyn Witness>>) -> Self {
        let clock = Clock::start();
        let (alive, connections) = mpsc::channel(1);
        let awaited = Arc::new(AtomicUsize::new(spec.devices.len()));
        let common = Common {
            links: spec.links,
            network: Arc::new(Network::new(spec.broker, spec.connection, clock)),
            outbound: Outbound::default(),
            watchers: watchers.clone(),
            witness,
            awaited: Arc::clone(&awaited),
            alive: Some(alive),
        };
        Self(Arc::new(Inner {
            clock,
            links: common.links.clone(),
            roster: RwLock::new(Roster::new(&spec.devices)),
            shards: spawn_shards(spec.devices, spec.start_rate, &common),
            watchers,
            awaited,
            closing: AtomicBool::new(false),
            connections: Mutex::new(connections),
            final_totals: Mutex::new(None),
        }))
    }

    /// All devices that there are now, in their order.
    pub fn devices(&self) -> Arc<[Arc<Identity>]> {
        Arc::clone(&self.0.roster.read().unwrap_or_else(PoisonError::into_inner).devices)
    }

    /// The position of a device among them.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.0.roster.read().unwrap_or_else(PoisonError::into_inner).position(id)
    }

    /// Add devices at the end. They are off until they are started. Returns their positions.
    pub fn add(&self, devices: Vec<Blueprint>) -> Result<Range<usize>, AskError> {
        self.check_open()?;
        // Held until the shards are told, so that devices are with them in the order of the list.
        let mut roster = self.0.roster.write().unwrap_or_else(PoisonError::into_inner);
        let first = roster.devices.len();
        roster.add(&devices)?;
        let shards = self.0.shards.len();
        let positions = first..first + devices.len();
        let now = self.now().run;
        for (at, device) in positions.clone().zip(devices) {
            self.0.awaited.fetch_add(1, Ordering::Relaxed);
            self.tell(at % shards, move |shard| shard.add(device, None, now))?;
        }
        Ok(positions)
    }

    /// The present, on the fleet's clock.
    pub fn now(&self) -> Now {
        self.0.clock.now()
    }

    /// Wait until then.
    pub async fn reach(&self, at: Time) {
        sleep_until(self.0.clock.instant(at)).await;
    }

    /// One device.
    pub async fn status(&self, id: &str) -> Result<DeviceStatus, AskError> {
        let (shard, index) = self.find(id)?;
        let mut found = self.call(shard, move |shard| shard.statuses(index..index + 1)).await?;
        found.pop().ok_or_else(|| AskError::UnknownDevice(id.into()))
    }

    /// Some devices by position in [`Self::devices`]. Positions beyond the last are left out.
    pub async fn statuses(&self, range: Range<usize>) -> Result<Vec<DeviceStatus>, AskError> {
        let shards = self.0.shards.len();
        let end = range.end.min(self.devices().len());
        let start = range.start.min(end);
        let asked = (0..shards).map(|number| {
            let part = part_of(start, number, shards)..part_of(end, number, shards);
            self.call(number, move |shard| shard.statuses(part))
        });
        let mut answers = Vec::with_capacity(shards);
        for answer in join_all(asked).await {
            answers.push(answer?.into_iter());
        }
        Ok((start..end).filter_map(|at| answers[at % shards].next()).collect())
    }

    /// The sums over the fleet.
    pub async fn totals(&self) -> Result<Totals, AskError> {
        let mut totals = Totals::default();
        let mut recent = Vec::new();
        for part in join_all(self.each(Shard::totals)).await {
            let part = part?;
            totals.add(&part.totals);
            recent.push(part.recent);
        }
        totals.latency_samples = Recent::latest(recent.into_iter());
        if let Some(links) = &self.0.links {
            totals.broker = links.report().await;
        }
        Ok(totals)
    }

    /// The way to the embedded broker, if the devices use that.
    pub fn broker(&self) -> Option<&BrokerLinks> {
        self.0.links.as_ref()
    }

    /// How late devices were woken so far.
    pub async fn punctuality(&self) -> Result<Punctuality, AskError> {
        let mut all = Punctuality::default();
        for part in join_all(self.each(Shard::punctuality)).await {
            all.add(&part?);
        }
        Ok(all)
    }

    /// Publish on a device's behalf, through its faults.
    pub async fn publish(&self, id: &str, message: Message) -> Result<(), AskError> {
        let (shard, index) = self.find_open(id)?;
        match self.call(shard, move |shard| shard.publish_for(index, message)).await? {
            true => Ok(()),
            false => Err(AskError::NotRunning(id.into())),
        }
    }

    /// Switch a device.
    pub async fn order(&self, id: &str, order: Order) -> Result<(), AskError> {
        let (shard, index) = self.find_open(id)?;
        self.call(shard, move |shard| shard.order(index, order)).await
    }

    /// Switch several devices, by position. Positions beyond the last are passed over.
    pub async fn order_all(&self, devices: &[usize], order: Order) -> Result<(), AskError> {
        self.check_open()?;
        self.for_each(devices.iter().map(|at| (*at, ())), move |shard, index, ()| shard.order(index, order))
            .await
    }

    /// Ask a device's behaviour over HTTP.
    pub async fn ask(&self, id: &str, request: HttpRequest) -> Result<HttpResponse, AskError> {
        let (shard, index) = self.find_open(id)?;
        let (asker, answer) = oneshot::channel();
        let handed_over = self.tell(shard, move |shard| shard.ask(index, request, asker));
        handed_over?;
        match timeout(PATIENCE, answer).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => Err(AskError::Closed),
            Err(_) => Err(AskError::TimedOut(id.into(), PATIENCE)),
        }
    }

    /// Give these devices, by position, other faults. Positions beyond the last are passed over.
    pub async fn set_faults(&self, devices: &[usize], faults: Faults) -> Result<(), AskError> {
        self.assign_faults(devices.iter().map(|at| (*at, Arc::clone(&faults)))).await
    }

    /// Give each of these devices, by position, faults of its own.
    pub async fn assign_faults(
        &self,
        faults: impl IntoIterator<Item = (usize, Faults)>,
    ) -> Result<(), AskError> {
        self.check_open()?;
        self.for_each(faults, |shard, index, faults| shard.set_faults(index, faults)).await
    }

    /// Have the shards do something with what is for their devices, in this order.
    async fn for_each<T: Send + 'static>(
        &self,
        things: impl IntoIterator<Item = (usize, T)>,
        job: impl Fn(&mut Shard, usize, T) + Clone + Send + 'static,
    ) -> Result<(), AskError> {
        let (shards, devices) = (self.0.shards.len(), self.devices().len());
        let mut parts: Vec<Vec<_>> = (0..shards).map(|_| Vec::new()).collect();
        for (at, thing) in things.into_iter().filter(|(at, _)| *at < devices) {
            parts[at % shards].push((at / shards, thing));
        }
        let told = parts.into_iter().enumerate().map(|(number, part)| {
            let job = job.clone();
            self.call(number, move |shard| part.into_iter().for_each(|(index, it)| job(shard, index, it)))
        });
        join_all(told).await.into_iter().collect()
    }

    /// What happens from now on.
    pub fn watch(&self, interest: Interest) -> Watch {
        self.0.watchers.watch(interest)
    }

    /// Whether every device has been connected at least once, or has given up for good.
    pub fn all_were_connected(&self) -> bool {
        self.0.awaited.load(Ordering::Relaxed) == 0
    }

    /// Stop all devices in order, and let their last messages out. They can be looked at afterwards. Gives up
    /// after `grace`.
    pub async fn stop(&self, grace: Duration) {
        let deadline = Instant::now() + grace;
        self.0.closing.store(true, Ordering::Relaxed);
        let stopped = join_all(self.each(Shard::stop_all));
        if timeout_at(deadline, stopped).await.is_ok() {
            let mut connections = self.0.connections.lock().await;
            let _ = timeout_at(deadline, connections.recv()).await;
            // What their connections told last may still wait to be heard.
            let asked = join_all(self.each(Shard::catch_up)).await;
            let _ = timeout_at(deadline, join_all(asked.into_iter().flatten())).await;
        }
    }

    /// Stop all devices in order, let their last messages out, and sum up. Gives up after `grace`. The
    /// sums of a fleet that was shut down before are given again.
    pub async fn shutdown(&self, grace: Duration) -> Totals {
        let mut final_totals = self.0.final_totals.lock().await;
        if let Some(totals) = final_totals.as_ref() {
            return totals.clone();
        }
        self.stop(grace).await;
        let totals = self.totals().await.unwrap_or_default();
        for finished in self.each(Shard::finish) {
            drop(finished);
        }
        *final_totals = Some(totals.clone());
        totals
    }

    fn find(&self, id: &str) -> Result<(usize, usize), AskError> {
        let at = self.position(id).ok_or_else(|| AskError::UnknownDevice(id.into()))?;
        Ok(self.place(at))
    }

    /// The shard of the device at a position, and where it is there.
    fn place(&self, position: usize) -> (usize, usize) {
        let shards = self.0.shards.len();
        (position % shards, position / shards)
    }

    fn find_open(&self, id: &str) -> Result<(usize, usize), AskError> {
        let found = self.find(id)?;
        self.check_open()?;
        Ok(found)
    }

    fn check_open(&self) -> Result<(), AskError> {
        match self.0.closing.load(Ordering::Relaxed) {
            true => Err(AskError::Closed),
            false => Ok(()),
        }
    }

    /// Leave something to do with a shard.
    fn tell(&self, shard: usize, job: impl FnOnce(&mut Shard) + Send + 'static) -> Result<(), AskError> {
        self.0.shards[shard].send(Box::new(job)).map_err(|_| AskError::Closed)
    }

    /// Have something done by a shard, and wait for what comes of it. It is left to do at once, whether
    /// the answer is awaited or not.
    fn call<T, J>(&self, shard: usize, job: J) -> impl Future<Output = Result<T, AskError>> + use<T, J>
    where
        T: Send + 'static,
        J: FnOnce(&mut Shard) -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let told = self.tell(shard, move |shard| {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(job(shard));
        });
        async move {
            told?;
            answered.await.map_err(|_| AskError::Closed)
        }
    }

    fn each<T: Send + 'static>(
        &self,
        job: fn(&mut Shard) -> T,
    ) -> Vec<impl Future<Output = Result<T, AskError>> + use<T>> {
        (0..self.0.shards.len()).map(|number| self.call(number, job)).collect()
    }
}
