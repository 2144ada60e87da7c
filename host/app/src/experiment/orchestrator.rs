//! A run's world, its company of devices with their faults, and the hand that carries out the script.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use wasmote_engine::Component;
use wasmote_live::fleet::PowerCommand;
use wasmote_mqtt::client::options::ClientOptions;
use wasmote_sim::device::{Blueprint, Now, Upgrade};
use wasmote_sim::faults::{FaultId, Model};
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::options::Options;

use super::driver::{Driver, DriverResult};
use super::live_updates::{GroupVersion, LiveUpdates};
use super::plan::Point;
use super::population::Population;
use super::recorder::RunObserver;
use super::timeline::selector::Selection;
use super::timeline::{Action, Scope, TimedFault};
use super::{ExperimentError, plan};
use crate::blueprints::{Blueprints, Components, behaviour_factory};
use crate::config::Group;
use crate::fault_set::FaultSet;
use crate::server::faults::registry::{self, FaultRegistry};
use crate::source::Source;

/// The devices of a run, and all that happens to them from outside.
pub struct Orchestrator<'a, W> {
    /// The world itself.
    pub driver: W,
    /// Who the devices are.
    pub population: Population,
    /// The faults in force. Users may change them too while a run in real time lasts.
    pub faults: Arc<Mutex<FaultRegistry>>,
    components: &'a Components,
    /// Where groups have their behaviours from, as far as the script goes.
    behaviours: BTreeMap<String, Source>,
    /// What users send instead, where they can.
    updates: Option<Arc<LiveUpdates>>,
    /// What they have sent, for the behaviours that groups had then.
    uploaded: BTreeMap<String, (Source, Component)>,
    seed: Seed,
    /// Partitions that hold, by their numbers.
    partitions: BTreeMap<usize, FaultId>,
    /// The fleet's faults.
    initial_faults: FaultSet,
    /// Whether those it has now have some for the broker.
    broker_may_fail: bool,
}

impl<'a, W: Driver> Orchestrator<'a, W> {
    /// Put up the devices of a point, and let a world begin with them. It is this time at the beginning.
    pub fn new(
        point: &Point,
        seed: Seed,
        components: &'a Components,
        observer: RunObserver,
        at: Now,
        start_driver: impl FnOnce(Vec<Blueprint>) -> Result<W, ExperimentError>,
    ) -> Result<Self, ExperimentError> {
        let settings = crate::config::Settings { seed, ..point.settings.clone() };
        let own =
            settings.groups.iter().filter_map(|group| Some((group.name.clone(), group.faults.clone()?)));
        let faults = FaultRegistry::from_sets(settings.faults.clone(), own.collect());
        let mut population =
            Population::new(settings.groups.iter().map(|group| group.name.clone()), observer);
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
        };
        orchestrator.set_broker_faults(&point.settings.faults)?;
        Ok(orchestrator)
    }

    /// Users may send versions of behaviours.
    pub fn accept_updates(&mut self, updates: Arc<LiveUpdates>) {
        self.updates = Some(updates);
    }

    /// Go on from what users have sent since the last time.
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

    /// The script has a group like this from now on.
    fn record_group(&mut self, group: &Group) {
        self.behaviours.insert(group.name.clone(), group.behaviour.clone());
        self.updates.iter().for_each(|updates| updates.set_config(group));
    }

    /// What a group's behaviour is: what users sent instead, or what the plan says.
    fn component(&self, group: &Group) -> Option<&Component> {
        let uploaded = self.uploaded.get(&group.name).filter(|(behaviour, _)| *behaviour == group.behaviour);
        uploaded.map(|(_, component)| component).or_else(|| self.components.get(&group.behaviour))
    }

    /// How many devices this concerns, where it is for devices.
    pub fn affected(&self, action: &Action) -> Option<usize> {
        let population = &self.population;
        Some(match action {
            Action::Crash(selection) | Action::Stop(selection) | Action::Start(selection) => {
                self.resolve(selection).len()
            }
            Action::Swap(_, _, Some(selection)) => self.resolve(selection).len(),
            Action::BeginFault(_, timed_fault) => match &timed_fault.selection {
                Some(selection) => self.resolve(selection).len(),
                None => population.devices.len(),
            },
            Action::Faults(Scope::Fleet, _) => population.devices.len(),
            Action::Faults(Scope::Group(name), _) => population.members(name).count(),
            Action::Faults(Scope::Devices(pattern), _)
            | Action::PublishAs(pattern, _)
            | Action::Request(pattern, _) => population.matching(pattern).len(),
            Action::Configure(group) | Action::Swap(group, _, None) => {
                population.members(&group.name).count()
            }
            Action::EndFault(_) | Action::Broker(..) | Action::Publish(_) | Action::Add(..) => return None,
        })
    }

    /// Do what the script says.
    pub fn apply(&mut self, action: &Action) -> DriverResult {
        self.apply_uploads();
        match action {
            Action::Faults(scope, set) => {
                if *scope == Scope::Fleet {
                    let initial_faults = self.initial_faults.clone();
                    self.set_broker_faults(set.as_ref().unwrap_or(&initial_faults))?;
                }
                for scope in self.resolve_scope(scope) {
                    self.change_faults(|registry, devices| {
                        registry.set(&scope, set.clone());
                        registry.affected(&scope, devices)
                    })?;
                }
                Ok(())
            }
            Action::BeginFault(number, timed_fault) => {
                let TimedFault { fault, selection, .. } = &**timed_fault;
                if let Model::Partition(_) = &fault.model {
                    self.partitions.insert(*number, fault.id.clone());
                    self.population.partition_started(fault, self.driver.now().run);
                }
                let selection = selection.as_ref().map(|selection| self.resolve(selection));
                self.change_faults(|registry, devices| {
                    registry.begin(*number, Arc::clone(fault), selection.clone());
                    selection.unwrap_or_else(|| (0..devices.len()).collect())
                })
            }
            Action::EndFault(number) => {
                if let Some(partition) = self.partitions.remove(number) {
                    self.population.partition_ended(&partition, self.driver.now().run);
                }
                self.change_faults(|registry, devices| match registry.end(*number) {
                    Some(selection) => selection.unwrap_or_else(|| (0..devices.len()).collect()),
                    None => Vec::new(),
                })
            }
            Action::Crash(selection) => self.driver.order(&self.resolve(selection), PowerCommand::Crash),
            Action::Stop(selection) => self.stop(&self.resolve(selection)),
            Action::Start(selection) => self.driver.order(&self.resolve(selection), PowerCommand::Start),
            Action::Broker(fault, failure, lasting) => {
                self.driver.fail_broker(fault.clone(), *failure, *lasting)
            }
            Action::Publish(message) => self.driver.publish(message.clone()),
            Action::PublishAs(devices, message) => {
                let matching = self.population.matching(devices);
                matching.into_iter().try_for_each(|device| self.driver.publish_as(device, message.clone()))
            }
            Action::Request(devices, request) => {
                let matching = self.population.matching(devices);
                matching.into_iter().try_for_each(|device| self.driver.request(device, request.clone()))
            }
            Action::Add(group, count) => self.add(group, *count),
            Action::Configure(group) => self.configure(group),
            Action::Swap(group, trial, selection) => self.swap(group, *trial, selection.as_ref()),
        }
    }

    fn set_broker_faults(&mut self, set: &FaultSet) -> DriverResult {
        let before = std::mem::replace(&mut self.broker_may_fail, set.has_broker_faults());
        match before || self.broker_may_fail {
            true => self.driver.set_broker_faults(&set.faults, self.seed),
            false => Ok(()),
        }
    }

    fn resolve(&self, selection: &Selection) -> Vec<usize> {
        selection.resolve(&self.population.devices, self.seed)
    }

    fn stop(&mut self, devices: &[usize]) -> DriverResult {
        self.driver.order(devices, PowerCommand::Stop)?;
        // Those that stop say so themselves; one that is dead already does not.
        devices.iter().for_each(|device| self.population.stopped(*device));
        Ok(())
    }

    fn configure(&mut self, group: &Group) -> DriverResult {
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
        self.driver.order(&running, PowerCommand::Start)
    }

    fn swap(&mut self, group: &Group, trial: Duration, selection: Option<&Selection>) -> DriverResult {
        let Some(component) = self.components.get(&group.behaviour) else { return Ok(()) };
        let factory = behaviour_factory(group, component);
        let (devices, factory) = match selection {
            Some(selection) => {
                let devices = self.resolve(selection);
                let factory = self.population.partial_rollout(group, &devices, factory);
                (devices, factory)
            }
            None => {
                self.uploaded.remove(&group.name);
                self.record_group(group);
                self.population.rollout(group, factory)
            }
        };
        factory.map_or(Ok(()), |factory| self.driver.swap(&devices, &Upgrade { factory, trial }))
    }

    fn resolve_scope(&self, scope: &Scope) -> Vec<registry::FaultScope> {
        match scope {
            Scope::Fleet => vec![registry::FaultScope::Fleet],
            Scope::Group(name) => vec![registry::FaultScope::Group(name.clone())],
            Scope::Devices(pattern) => {
                self.population.matching(pattern).into_iter().map(registry::FaultScope::Device).collect()
            }
        }
    }

    /// Change the book, and give the devices that this concerns what they have to have now, as one.
    fn change_faults(
        &mut self,
        change: impl FnOnce(&mut FaultRegistry, &[Arc<wasmote_mqtt::device_id::Identity>]) -> Vec<usize>,
    ) -> DriverResult {
        let faults = Arc::clone(&self.faults);
        let mut registry = faults.blocking_lock();
        let devices = change(&mut registry, &self.population.devices);
        self.driver.set_faults(registry.assignments(devices, &self.population.devices))
    }

    /// Devices join a group. To them it is as large as it is now.
    fn add(&mut self, group: &str, count: u32) -> DriverResult {
        for member in self.population.new_members(group, count)? {
            let position = self.population.devices.len();
            let member = self.population.admit(member, self.driver.now())?;
            self.driver.add(member)?;
            self.change_faults(|_, _| vec![position])?;
            self.driver.order(&[position], PowerCommand::Start)?;
        }
        Ok(())
    }
}

/// The constants of virtual time.
pub fn options(point: &plan::Point) -> Options {
    let seconds = |span: Duration| span.as_secs();
    let connection = &point.settings.connection;
    let client = ClientOptions {
        keep_alive: u16::try_from(seconds(connection.keepalive)).unwrap_or(u16::MAX),
        session_expiry: u32::try_from(seconds(connection.session_expiry)).unwrap_or(u32::MAX),
        ..ClientOptions::default()
    };
    Options {
        client: Arc::new(client),
        latency: point.plan.packet_latency.0,
        epoch: point.epoch,
        ..Options::default()
    }
}
