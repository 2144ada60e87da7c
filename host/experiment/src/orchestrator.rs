//! Orchestrator of a run: the driver, the devices and their faults, and the target of the timeline's steps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use wasmote_engine::Component;
use wasmote_fleet::actions::scope::Scope;
use wasmote_fleet::actions::selector::Devices;
use wasmote_fleet::actions::step::Step;
use wasmote_fleet::actions::target::{ApplyResult, NewCredentials, Target};
use wasmote_fleet::blueprints::{Blueprints, Components, behaviour_factory};
use wasmote_fleet::config::Group;
use wasmote_fleet::fault_registry::{FaultRegistry, TemporaryFault};
use wasmote_fleet::fault_set::FaultSet;
use wasmote_fleet::source::Source;
use wasmote_live::fleet::PowerCommand;
use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_sim::device::{Blueprint, Now, Upgrade};
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::{FaultId, Model};
use wasmote_sim::http::HttpRequest;
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::options::Options;

use super::ExperimentError;
use super::driver::{Driver, DriverResult};
use super::live_updates::{GroupVersion, LiveUpdates};
use super::point::Point;
use super::population::Population;
use super::recorder::RunObserver;

/// The devices of a run with the state that actions change: faults, behaviours and uploaded versions.
pub struct Orchestrator<'a, W> {
    /// Virtual or real time with the devices in it.
    pub driver: W,
    /// The devices.
    pub population: Population,
    /// The faults in force. Users may change them too while a run in real time lasts.
    pub faults: Arc<Mutex<FaultRegistry>>,
    components: &'a Components,
    /// Behaviours of groups, as the timeline has set them so far.
    behaviours: BTreeMap<String, Source>,
    /// Versions that users upload, in real time.
    updates: Option<Arc<LiveUpdates>>,
    /// Uploaded versions, with the behaviours that groups had at that time.
    uploaded: BTreeMap<String, (Source, Component)>,
    seed: Seed,
    /// Partitions in force, by number.
    partitions: BTreeMap<usize, FaultId>,
    /// The fleet's fault set at the beginning.
    initial_faults: FaultSet,
    /// Whether the fleet's present fault set has faults of the broker.
    broker_may_fail: bool,
    /// Answers to the HTTP requests of the present action, by status; `None` without an answer.
    statuses: BTreeMap<Option<u16>, u64>,
}

impl<'a, W: Driver> Orchestrator<'a, W> {
    /// Creates the devices of a point and starts a driver with them at this time.
    pub fn new(
        point: &Point,
        seed: Seed,
        components: &'a Components,
        observer: RunObserver,
        at: Now,
        start_driver: impl FnOnce(Vec<Blueprint>) -> Result<W, ExperimentError>,
    ) -> Result<Self, ExperimentError> {
        let settings = wasmote_fleet::config::Settings { seed, ..point.settings.clone() };
        let faults = FaultRegistry::new(&settings);
        let mut population = Population::new(&settings.groups, observer);
        let devices = Blueprints::from_components(&settings, components)?.devices.into_iter();
        let devices = devices.map(|device| population.admit(device, at)).collect::<Result<_, _>>()?;
        let driver = start_driver(devices)?;
        let behaviours = settings.groups.iter().map(|group| (group.name.clone(), group.behaviour.clone()));
        let behaviours = behaviours.collect();
        let faults = Arc::new(Mutex::new(faults));
        let initial_faults = settings.faults;
        let mut orchestrator = Self {
            driver,
            population,
            faults,
            components,
            seed,
            behaviours,
            updates: None,
            uploaded: BTreeMap::new(),
            partitions: BTreeMap::new(),
            initial_faults,
            broker_may_fail: false,
            statuses: BTreeMap::new(),
        };
        orchestrator.set_broker_faults(&point.settings.faults)?;
        Ok(orchestrator)
    }

    /// Accepts versions of behaviours that users upload.
    pub fn accept_updates(&mut self, updates: Arc<LiveUpdates>) {
        self.updates = Some(updates);
    }

    /// Applies the versions uploaded since the last call.
    fn apply_uploads(&mut self) {
        for (group, GroupVersion { component, factory }) in
            self.updates.iter().flat_map(|updates| updates.drain())
        {
            self.population.accept_update(&group, factory);
            if let Some(behaviour) = self.behaviours.get(&group) {
                self.uploaded.insert(group, (behaviour.clone(), component));
            }
        }
    }

    /// Records how the timeline configures a group from now on.
    fn record_group(&mut self, group: &Group) {
        self.behaviours.insert(group.name.clone(), group.behaviour.clone());
        self.updates.iter().for_each(|updates| updates.set_config(group));
    }

    /// The component of a group: the uploaded version, or else the plan's.
    fn component(&self, group: &Group) -> Option<&Component> {
        let uploaded = self.uploaded.get(&group.name).filter(|(behaviour, _)| *behaviour == group.behaviour);
        uploaded.map(|(_, component)| component).or_else(|| self.components.get(&group.behaviour))
    }

    /// Applies a step of the timeline.
    pub fn apply(&mut self, step: &dyn Step) -> DriverResult {
        self.apply_uploads();
        step.apply(self).map_err(|problem| match problem.downcast::<ExperimentError>() {
            Ok(own) => *own,
            Err(other) => ExperimentError::Fleet(other.to_string()),
        })
    }

    /// Returns and clears the statuses of the answers to HTTP requests, as text; `None` if there was no request.
    pub fn take_statuses(&mut self) -> Option<String> {
        let text = |(status, number): (Option<u16>, u64)| match status {
            Some(status) => format!("{status}: {number}"),
            None => format!("none: {number}"),
        };
        // Devices without an answer are last.
        let mut statuses: Vec<_> = std::mem::take(&mut self.statuses).into_iter().collect();
        statuses.sort_by_key(|(status, _)| (status.is_none(), *status));
        (!statuses.is_empty()).then(|| statuses.into_iter().map(text).collect::<Vec<_>>().join("; "))
    }

    fn set_broker_faults(&mut self, set: &FaultSet) -> DriverResult {
        let before = std::mem::replace(&mut self.broker_may_fail, set.has_broker_faults());
        match before || self.broker_may_fail {
            true => self.driver.set_broker_faults(&set.faults, self.seed),
            false => Ok(()),
        }
    }

    fn stop(&mut self, devices: &[usize]) -> DriverResult {
        self.driver.order(devices, PowerCommand::Stop)?;
        // A running device records its own stop; one that is already off does not.
        devices.iter().for_each(|device| self.population.stopped(*device));
        Ok(())
    }

    /// Changes the registry and, while it is locked, updates the faults of the affected devices, so that the two
    /// cannot differ.
    fn change_faults(
        &mut self,
        change: impl FnOnce(&mut FaultRegistry, &[Arc<Identity>]) -> Vec<usize>,
    ) -> DriverResult {
        let faults = Arc::clone(&self.faults);
        let mut registry = faults.blocking_lock();
        let devices = change(&mut registry, &self.population.devices);
        self.driver.set_faults(registry.assignments(devices, &self.population.devices))
    }
}

impl<W: Driver> Target for Orchestrator<'_, W> {
    fn devices(&self) -> Devices<'_> {
        Devices { identities: &self.population.devices, seed: self.seed }
    }

    fn set_faults(&mut self, scope: &Scope, set: Option<&FaultSet>) -> ApplyResult {
        if *scope == Scope::Fleet {
            let initial_faults = self.initial_faults.clone();
            self.set_broker_faults(set.unwrap_or(&initial_faults))?;
        }
        for scope in scope.resolve(&self.population.devices) {
            self.change_faults(|registry, devices| {
                registry.set(&scope, set.cloned());
                registry.affected(&scope, devices)
            })?;
        }
        Ok(())
    }

    fn begin_fault(&mut self, number: usize, temporary: TemporaryFault) -> ApplyResult {
        if let Model::Partition(_) = &temporary.fault.model {
            self.partitions.insert(number, temporary.fault.id.clone());
            self.population.partition_started(&temporary.fault, self.driver.now().run);
        }
        self.change_faults(|registry, devices| {
            let affected = affected(&temporary, devices);
            registry.begin(number, temporary);
            affected
        })?;
        Ok(())
    }

    fn end_fault(&mut self, number: usize) -> ApplyResult {
        if let Some(partition) = self.partitions.remove(&number) {
            self.population.partition_ended(&partition, self.driver.now().run);
        }
        self.change_faults(|registry, devices| {
            registry.end(number).map_or_else(Vec::new, |temporary| affected(&temporary, devices))
        })?;
        Ok(())
    }

    fn power(&mut self, devices: &[usize], command: PowerCommand) -> ApplyResult {
        match command {
            PowerCommand::Stop => self.stop(devices)?,
            PowerCommand::Start | PowerCommand::Crash => self.driver.order(devices, command)?,
        }
        Ok(())
    }

    fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) -> ApplyResult {
        Ok(self.driver.fail_broker(fault, failure, lasting)?)
    }

    fn publish(&mut self, message: Message) -> ApplyResult {
        Ok(self.driver.publish(message)?)
    }

    fn publish_as(&mut self, device: usize, message: Message) -> ApplyResult {
        Ok(self.driver.publish_as(device, message)?)
    }

    fn request(&mut self, device: usize, request: HttpRequest) -> ApplyResult {
        let status = self.driver.request(device, request)?;
        *self.statuses.entry(status).or_default() += 1;
        Ok(())
    }

    fn set_credentials(&mut self, device: usize, new: &NewCredentials<'_>) -> ApplyResult {
        let Some(identity) = self.population.devices.get(device).map(Arc::clone) else { return Ok(()) };
        Ok(self.driver.set_credentials(device, &|| new(&identity))?)
    }

    /// The behaviours of the new devices see the new size of the group.
    fn add(&mut self, group: &str, count: u32) -> ApplyResult {
        for member in self.population.new_members(group, count)? {
            let position = self.population.devices.len();
            let member = self.population.admit(member, self.driver.now())?;
            self.driver.add(member)?;
            self.change_faults(|_, _| vec![position])?;
            self.driver.order(&[position], PowerCommand::Start)?;
        }
        Ok(())
    }

    fn configure(&mut self, group: &Group) -> ApplyResult {
        self.record_group(group);
        if let Some(factory) = self.component(group).map(|component| behaviour_factory(group, component)) {
            self.population.replace_behaviour(&group.name, factory);
        }
        let snapshots = self.driver.snapshot()?;
        let members = self.population.members(&group.name);
        let running: Vec<usize> =
            members.filter(|at| snapshots.get(*at).is_some_and(|it| it.is_running)).collect();
        self.population.record_version(&group.name, self.driver.now())?;
        self.stop(&running)?;
        Ok(self.driver.order(&running, PowerCommand::Start)?)
    }

    fn swap(&mut self, group: &Group, trial: Duration, devices: Option<&[usize]>) -> ApplyResult {
        let Some(component) = self.components.get(&group.behaviour) else { return Ok(()) };
        let factory = behaviour_factory(group, component);
        let (devices, factory) = match devices {
            Some(devices) => (devices.to_vec(), self.population.partial_rollout(group, devices, factory)),
            None => {
                self.uploaded.remove(&group.name);
                self.record_group(group);
                self.population.rollout(group, factory)
            }
        };
        match factory {
            Some(factory) => Ok(self.driver.swap(&devices, &Upgrade { factory, trial })?),
            None => Ok(()),
        }
    }
}

/// Positions of the devices that a temporary fault targets.
fn affected(temporary: &TemporaryFault, devices: &[Arc<Identity>]) -> Vec<usize> {
    temporary.devices.clone().unwrap_or_else(|| (0..devices.len()).collect())
}

/// Options of virtual time for a point.
pub fn options(point: &Point) -> Options {
    let seconds = |span: Duration| span.as_secs();
    let connection = &point.settings.connection;
    let client = ClientOptions {
        keep_alive: u16::try_from(seconds(connection.keepalive)).unwrap_or(u16::MAX),
        session_expiry: u32::try_from(seconds(connection.session_expiry)).unwrap_or(u32::MAX),
        ..ClientOptions::default()
    };
    Options {
        client: Arc::new(client),
        broker: point.settings.broker_limits.clone(),
        latency: point.plan.packet_latency.0,
        epoch: point.epoch,
        ..Options::default()
    }
}
