//! Handle of a running fleet. It is cheap to clone; each call goes to the shard that owns the device.
//!
//! * `registry`: identities of the devices. `placement`: distribution of devices over shards.
//! * `command`: power commands and errors. `rollout`: updates of behaviours. `shard_totals`: totals of busy shards.

mod command;
mod placement;
mod registry;
mod rollout;
mod shard_totals;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::Topic;
use wasmote_sim::device::{Blueprint, Now};
use wasmote_sim::faults::Fault;
use wasmote_sim::health::FleetHealth;
use wasmote_sim::http::{HttpRequest, HttpResponse};
use wasmote_sim::journey::SubscriptionSpan;

use crate::broker::BrokerHandle;
use crate::broker_state::{CleanUp, Leftovers};
use crate::clean_up;
use crate::clock::Clock;
use crate::config::{ConnectionOptions, FleetConfig};
use crate::events::{EventBus, EventFilter, EventReceiver};
use crate::host_client::HostConnection;
use crate::lag::LagStats;
use crate::network::Network;
use crate::observer::FleetObserver;
use crate::outbound::Outbound;
use crate::shard::{FleetShared, Job, RecentLatencies, Shard};
use crate::status::{DeviceDetail, DeviceStatus, Totals};
pub use command::{FleetError, PowerCommand};
use placement::{devices_in_shard, spawn_shards};
use registry::Registry;
pub use rollout::{Rollout, RolloutError, RolloutReport, RolloutStep};
use shard_totals::LatestTotals;

/// Longest time for a device to respond, including the delay of a busy shard.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait of [`Fleet::totals`] for a shard. Its last known totals are used after it.
const TOTALS_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait for a shard that a shutdown stops, in addition to the time for the connections to close.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// Number of devices that one job of a shard changes. The shard serves other devices between two jobs.
const DEVICES_PER_JOB: usize = 8;

/// Recommended number of devices for one call of [`Fleet::statuses`], so that it does not delay their shards.
pub const STATUS_BATCH: usize = 1_000;

/// Faults of a device.
type Faults = Arc<[Arc<Fault>]>;

/// Handle of a running fleet.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    clock: Clock,
    broker: Option<BrokerHandle>,
    registry: RwLock<Registry>,
    /// Job queues of the shards. Device `i` is in shard `i % n`, at index `i / n`.
    shards: Vec<mpsc::UnboundedSender<Job>>,
    /// Latest totals of each shard.
    shard_totals: Vec<LatestTotals>,
    event_bus: EventBus,
    outbound: Outbound,
    unsettled: Arc<AtomicUsize>,
    closing: AtomicBool,
    /// Connection over which retained messages are cleared at the end.
    clean_up: Option<HostConnection>,
    /// Channel that closes when the last connection has ended.
    connections: Mutex<mpsc::Receiver<()>>,
    final_totals: Mutex<Option<Totals>>,
}

/// Longest time to clear retained messages at the end of a fleet.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(3);

/// Connection over which the retained messages of a fleet are cleared, if the broker is an external one.
fn clean_up_connection(config: &FleetConfig) -> Option<HostConnection> {
    let first = config.devices.first()?;
    let is_needed = config.connection.clean_up.is_on() && config.embedded_broker.is_none();
    is_needed.then(|| HostConnection {
        broker: config.broker.clone(),
        // The messages that clear a topic are not recorded themselves.
        options: ConnectionOptions { clean_up: CleanUp::Off, ..config.connection.clone() },
        protocol: first.protocol,
        // Other processes may run further devices of the fleet, under other names.
        client_id: format!("{}-clean-up", first.identity.id),
    })
}

impl Fleet {
    /// Starts a fleet and returns at once; devices start in their order. Call it within a Tokio runtime.
    pub fn start(config: FleetConfig) -> Self {
        Self::start_with(config, EventBus::new(), None)
    }

    /// Starts a fleet with an event receiver that is subscribed before the first device starts.
    pub fn start_with_events(config: FleetConfig, filter: EventFilter) -> (Self, EventReceiver) {
        let event_bus = EventBus::new();
        let events = event_bus.subscribe(filter);
        (Self::start_with(config, event_bus, None), events)
    }

    /// Starts a fleet with an observer, and with an event receiver that is subscribed before the first device starts.
    pub fn start_observed_with_events(
        config: FleetConfig,
        filter: EventFilter,
        observer: Arc<dyn FleetObserver>,
    ) -> (Self, EventReceiver) {
        let event_bus = EventBus::new();
        let events = event_bus.subscribe(filter);
        (Self::start_with(config, event_bus, Some(observer)), events)
    }

    /// Starts a fleet with an observer of all inputs and notices.
    pub fn start_observed(config: FleetConfig, observer: Arc<dyn FleetObserver>) -> Self {
        Self::start_with(config, EventBus::new(), Some(observer))
    }

    fn start_with(
        config: FleetConfig,
        event_bus: EventBus,
        observer: Option<Arc<dyn FleetObserver>>,
    ) -> Self {
        let clock = Clock::start();
        let clean_up = clean_up_connection(&config);
        let (alive, connections) = mpsc::channel(1);
        let unsettled = Arc::new(AtomicUsize::new(config.devices.len()));
        let shared = FleetShared {
            broker: config.embedded_broker,
            network: Arc::new(Network::new(config.broker, config.connection, clock, config.devices.len())),
            outbound: Outbound::default(),
            event_bus: event_bus.clone(),
            observer,
            unsettled: Arc::clone(&unsettled),
            has_warned_of_clocks: Arc::default(),
            alive: Some(alive),
        };
        let registry = RwLock::new(Registry::new(&config.devices));
        let shards = spawn_shards(config.devices, config.start_rate, &shared);
        Self(Arc::new(Inner {
            clock,
            broker: shared.broker.clone(),
            registry,
            shard_totals: shards.iter().map(|_| LatestTotals::default()).collect(),
            shards,
            outbound: shared.outbound.clone(),
            event_bus,
            unsettled,
            closing: AtomicBool::new(false),
            clean_up,
            connections: Mutex::new(connections),
            final_totals: Mutex::new(None),
        }))
    }

    /// All current devices, in order.
    pub fn devices(&self) -> Arc<[Arc<Identity>]> {
        Arc::clone(&self.0.registry.read().unwrap_or_else(PoisonError::into_inner).devices)
    }

    /// Position of a device in [`Self::devices`].
    pub fn position(&self, id: &str) -> Option<usize> {
        self.0.registry.read().unwrap_or_else(PoisonError::into_inner).position(id)
    }

    /// Appends devices, which stay off until they are started. Returns their positions.
    pub fn add(&self, devices: Vec<Blueprint>) -> Result<Range<usize>, FleetError> {
        self.check_open()?;
        // The lock is held until the jobs are sent, so that shards add devices in the order of the registry.
        let mut registry = self.0.registry.write().unwrap_or_else(PoisonError::into_inner);
        let first = registry.devices.len();
        registry.add(&devices)?;
        let shards = self.0.shards.len();
        let positions = first..first + devices.len();
        let now = self.now().run;
        for (at, device) in positions.clone().zip(devices) {
            self.0.unsettled.fetch_add(1, Ordering::Relaxed);
            self.send_job(at % shards, move |shard| shard.add(device, None, now))?;
        }
        Ok(positions)
    }

    /// Current time on the fleet's clock.
    pub fn now(&self) -> Now {
        self.0.clock.now()
    }

    /// Waits until this time.
    pub async fn sleep_until(&self, at: Time) {
        sleep_until(self.0.clock.instant(at)).await;
    }

    /// Status of one device.
    pub async fn status(&self, id: &str) -> Result<DeviceStatus, FleetError> {
        let (shard, index) = self.locate_id(id)?;
        let mut found = self.call(shard, move |shard| shard.statuses(index..index + 1)).await?;
        found.pop().ok_or_else(|| FleetError::UnknownDevice(id.into()))
    }

    /// What one device has agreed with its broker.
    pub async fn detail(&self, id: &str) -> Result<DeviceDetail, FleetError> {
        let (shard, index) = self.locate_id(id)?;
        let found = self.call(shard, move |shard| shard.detail(index)).await?;
        found.ok_or_else(|| FleetError::UnknownDevice(id.into()))
    }

    /// Statuses of the devices at these positions in [`Self::devices`]; at most [`STATUS_BATCH`] are
    /// recommended for one call. Positions beyond the last device are ignored.
    pub async fn statuses(&self, range: Range<usize>) -> Result<Vec<DeviceStatus>, FleetError> {
        let shards = self.0.shards.len();
        let end = range.end.min(self.devices().len());
        let start = range.start.min(end);
        let requests = (0..shards).map(|number| {
            let part = devices_in_shard(start, number, shards)..devices_in_shard(end, number, shards);
            self.call(number, move |shard| shard.statuses(part))
        });
        let mut per_shard = Vec::with_capacity(shards);
        for answer in join_all(requests).await {
            per_shard.push(answer?.into_iter());
        }
        Ok((start..end).filter_map(|at| per_shard[at % shards].next()).collect())
    }

    /// The devices in this range of positions that were subscribed to a topic at this time of the run, each with the
    /// subscription that matches.
    pub async fn subscribed(
        &self,
        range: Range<usize>,
        topic: &Topic,
        at: Time,
    ) -> Result<Vec<(Arc<Identity>, SubscriptionSpan)>, FleetError> {
        let shards = self.0.shards.len();
        let end = range.end.min(self.devices().len());
        let start = range.start.min(end);
        let requests = (0..shards).map(|number| {
            let part = devices_in_shard(start, number, shards)..devices_in_shard(end, number, shards);
            let topic = topic.clone();
            self.call(number, move |shard| shard.subscribed(part, &topic, at))
        });
        let mut found = Vec::new();
        for answer in join_all(requests).await {
            found.extend(answer?);
        }
        Ok(found)
    }

    /// Totals of the fleet. For a shard that does not answer within two seconds they are its last known ones, and the
    /// shard is counted in [`Totals::stale_shards`].
    pub async fn totals(&self) -> Result<Totals, FleetError> {
        self.totals_within(TOTALS_TIMEOUT).await
    }

    async fn totals_within(&self, wait: Duration) -> Result<Totals, FleetError> {
        let mut totals = Totals::default();
        let mut recent_latencies = Vec::new();
        let shards = self.0.shards.iter().zip(&self.0.shard_totals);
        let requests = shards.map(|(shard, latest)| latest.request(shard, wait));
        for part in join_all(requests).await {
            let (part, is_current) = part?;
            totals.stale_shards += u64::from(!is_current);
            if let Some(part) = part {
                totals.add(&part.totals);
                recent_latencies.push(part.recent_latencies.clone());
            }
        }
        totals.http_bytes = self.0.outbound.report();
        totals.latency_samples = RecentLatencies::latest(recent_latencies.into_iter());
        if let Some(broker) = &self.0.broker {
            // A broker that does not answer in time is left out, as if there were none.
            totals.broker = timeout(wait, broker.report()).await.ok().flatten();
        }
        Ok(totals)
    }

    /// Handle of the embedded broker, if the devices use it.
    pub fn broker(&self) -> Option<&BrokerHandle> {
        self.0.broker.as_ref()
    }

    /// Lateness of device wake-ups so far.
    pub async fn lag(&self) -> Result<LagStats, FleetError> {
        let mut all = LagStats::default();
        for part in join_all(self.call_all(Shard::lag)).await {
            all.add(&part?);
        }
        Ok(all)
    }

    /// Health of the devices by group, also after [`Self::stop`].
    pub async fn health(&self) -> Result<FleetHealth, FleetError> {
        let mut all = FleetHealth::default();
        for part in join_all(self.call_all(Shard::health)).await {
            all.add(part?);
        }
        Ok(all)
    }

    /// Publishes a message as a device, subject to the device's faults.
    pub async fn publish(&self, id: &str, message: Message) -> Result<u64, FleetError> {
        let (shard, index) = self.locate_open(id)?;
        let number = self.call(shard, move |shard| shard.publish_for(index, message)).await?;
        number.ok_or_else(|| FleetError::NotRunning(id.into()))
    }

    /// Switches a device on or off, or crashes it.
    pub async fn power(&self, id: &str, command: PowerCommand) -> Result<(), FleetError> {
        let (shard, index) = self.locate_open(id)?;
        self.call(shard, move |shard| shard.power(index, command)).await
    }

    /// Applies a power command to devices, by position. Positions beyond the last device are ignored.
    pub async fn power_all(&self, devices: &[usize], command: PowerCommand) -> Result<(), FleetError> {
        self.check_open()?;
        self.for_each(devices.iter().map(|at| (*at, ())), move |shard, index, ()| shard.power(index, command))
            .await
    }

    /// Sends an HTTP request to a device's behaviour.
    pub async fn http_request(&self, id: &str, request: HttpRequest) -> Result<HttpResponse, FleetError> {
        let (shard, index) = self.locate_open(id)?;
        let (sender, answer) = oneshot::channel();
        let sent = self.send_job(shard, move |shard| shard.http_request(index, request, sender));
        sent?;
        match timeout(RESPONSE_TIMEOUT, answer).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => Err(FleetError::Closed),
            Err(_) => Err(FleetError::TimedOut(id.into(), RESPONSE_TIMEOUT)),
        }
    }

    /// Replaces the faults of devices, by position. Positions beyond the last device are ignored.
    pub async fn set_faults(&self, devices: &[usize], faults: Faults) -> Result<(), FleetError> {
        self.assign_faults(devices.iter().map(|at| (*at, Arc::clone(&faults)))).await
    }

    /// Replaces the faults of each device separately, by position.
    pub async fn assign_faults(
        &self,
        faults: impl IntoIterator<Item = (usize, Faults)>,
    ) -> Result<(), FleetError> {
        self.check_open()?;
        self.for_each(faults, |shard, index, faults| shard.set_faults(index, faults)).await
    }

    /// Runs a job in the shards for each item and its device, in this order.
    async fn for_each<T: Send + 'static>(
        &self,
        items: impl IntoIterator<Item = (usize, T)>,
        job: impl Fn(&mut Shard, usize, T) + Clone + Send + 'static,
    ) -> Result<(), FleetError> {
        let (shards, devices) = (self.0.shards.len(), self.devices().len());
        let mut per_shard: Vec<Vec<_>> = (0..shards).map(|_| Vec::new()).collect();
        for (at, item) in items.into_iter().filter(|(at, _)| *at < devices) {
            per_shard[at % shards].push((at / shards, item));
        }
        let mut sent = Vec::new();
        for (number, part) in per_shard.into_iter().enumerate() {
            let mut part = part.into_iter().peekable();
            while part.peek().is_some() {
                let (job, chunk) = (job.clone(), part.by_ref().take(DEVICES_PER_JOB).collect::<Vec<_>>());
                sent.push(self.call(number, move |shard| {
                    chunk.into_iter().for_each(|(index, it)| job(shard, index, it));
                }));
            }
        }
        join_all(sent).await.into_iter().collect()
    }

    /// Receiver of events from now on.
    pub fn events(&self, filter: EventFilter) -> EventReceiver {
        self.0.event_bus.subscribe(filter)
    }

    /// Whether every device has connected at least once or has given up for good.
    pub fn is_ready(&self) -> bool {
        self.0.unsettled.load(Ordering::Relaxed) == 0
    }

    /// Stops all devices with DISCONNECT and flushes their last messages. Their statuses stay available.
    /// Gives up after `grace`.
    pub async fn stop(&self, grace: Duration) {
        let deadline = Instant::now() + grace;
        self.0.closing.store(true, Ordering::Relaxed);
        let stopped = join_all(self.call_all(Shard::stop_all));
        if timeout_at(deadline, stopped).await.is_ok() {
            let mut connections = self.0.connections.lock().await;
            let _ = timeout_at(deadline, connections.recv()).await;
            // The last events of connections may still be queued.
            let reached = async {
                let requests = join_all(self.call_all(Shard::barrier)).await;
                join_all(requests.into_iter().flatten()).await
            };
            let _ = timeout_at(deadline, reached).await;
        }
        self.clean_up().await;
    }

    /// Clears the retained messages that the devices left at an external broker.
    async fn clean_up(&self) {
        let Some(connection) = &self.0.clean_up else { return };
        let mut leftovers = Leftovers::default();
        let parts = timeout(STOP_TIMEOUT, join_all(self.call_all(Shard::take_leftovers))).await;
        parts.into_iter().flatten().flatten().for_each(|part| leftovers.add(part));
        clean_up::clear(connection.clone(), leftovers, CLEAN_UP_TIMEOUT).await;
    }

    /// Stops all devices with DISCONNECT, flushes their last messages, and returns the final totals. Gives up
    /// after `grace`. A further call returns the same totals.
    pub async fn shutdown(&self, grace: Duration) -> Totals {
        let mut final_totals = self.0.final_totals.lock().await;
        if let Some(totals) = final_totals.as_ref() {
            return totals.clone();
        }
        self.stop(grace).await;
        let totals = self.totals_within(STOP_TIMEOUT).await.unwrap_or_default();
        for finished in self.call_all(Shard::finish) {
            drop(finished);
        }
        *final_totals = Some(totals.clone());
        totals
    }

    fn locate_id(&self, id: &str) -> Result<(usize, usize), FleetError> {
        let at = self.position(id).ok_or_else(|| FleetError::UnknownDevice(id.into()))?;
        Ok(self.locate(at))
    }

    /// Shard of the device at a position, and its index in the shard.
    fn locate(&self, position: usize) -> (usize, usize) {
        let shards = self.0.shards.len();
        (position % shards, position / shards)
    }

    fn locate_open(&self, id: &str) -> Result<(usize, usize), FleetError> {
        let found = self.locate_id(id)?;
        self.check_open()?;
        Ok(found)
    }

    fn check_open(&self) -> Result<(), FleetError> {
        match self.0.closing.load(Ordering::Relaxed) {
            true => Err(FleetError::Closed),
            false => Ok(()),
        }
    }

    /// Sends a job to a shard.
    fn send_job(
        &self,
        shard: usize,
        job: impl FnOnce(&mut Shard) + Send + 'static,
    ) -> Result<(), FleetError> {
        self.0.shards[shard].send(Box::new(job)).map_err(|_| FleetError::Closed)
    }

    /// Runs a job in a shard and returns its result. The job is sent at once, even if the future is never
    /// polled.
    fn call<T, J>(&self, shard: usize, job: J) -> impl Future<Output = Result<T, FleetError>> + use<T, J>
    where
        T: Send + 'static,
        J: FnOnce(&mut Shard) -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let sent = self.send_job(shard, move |shard| {
            // The caller may have stopped waiting.
            let _ = answer.send(job(shard));
        });
        async move {
            sent?;
            answered.await.map_err(|_| FleetError::Closed)
        }
    }

    fn call_all<T: Send + 'static>(
        &self,
        job: fn(&mut Shard) -> T,
    ) -> Vec<impl Future<Output = Result<T, FleetError>> + use<T>> {
        (0..self.0.shards.len()).map(|number| self.call(number, job)).collect()
    }
}
