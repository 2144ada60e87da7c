//! A run's world, its company of devices with their faults, and the hand that carries out the script.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use wasmote_engine::Component;
use wasmote_live::fleet::Order;
use wasmote_sim::client::options::ClientOptions;
use wasmote_sim::device::{Blueprint, Now, Upgrade};
use wasmote_sim::faults::{FaultId, Model};
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::options::Options;

use super::company::Company;
use super::plan::Point;
use super::recorder::Eyes;
use super::script::whom::Chosen;
use super::script::{Deed, Passing, Scope};
use super::sent::{Sent, Version};
use super::world::{Done, World};
use super::{ExperimentError, plan};
use crate::config::Group;
use crate::fault_set::FaultSet;
use crate::plan::{Components, Plan, spawner};
use crate::server::faults::book::{self, FaultBook};
use crate::source::Source;

/// The devices of a run, and all that happens to them from outside.
pub struct Stage<'a, W> {
    /// The world itself.
    pub world: W,
    /// Who the devices are.
    pub company: Company,
    /// The faults in force. Users may change them too while a run in real time lasts.
    pub faults: Arc<Mutex<FaultBook>>,
    components: &'a Components,
    /// Where groups have their behaviours from, as far as the script goes.
    behaviours: BTreeMap<String, Source>,
    /// What users send instead, where they can.
    sent: Option<Arc<Sent>>,
    /// What they have sent, for the behaviours that groups had then.
    instead: BTreeMap<String, (Source, Component)>,
    seed: Seed,
    /// Partitions that hold, by their numbers.
    partitions: BTreeMap<usize, FaultId>,
    /// The fleet's faults.
    at_the_start: FaultSet,
    /// Whether those it has now have some for the broker.
    broker_may_fail: bool,
}

impl<'a, W: World> Stage<'a, W> {
    /// Put up the devices of a point, and let a world begin with them. It is this time at the beginning.
    pub fn new(
        point: &Point,
        seed: Seed,
        components: &'a Components,
        eyes: Eyes,
        at: Now,
        begin: impl FnOnce(Vec<Blueprint>) -> Result<W, ExperimentError>,
    ) -> Result<Self, ExperimentError> {
        let settings = crate::config::Settings { seed, ..point.settings.clone() };
        let own =
            settings.groups.iter().filter_map(|group| Some((group.name.clone(), group.faults.clone()?)));
        let faults = FaultBook::of(settings.faults.clone(), own.collect());
        let mut company = Company::new(settings.groups.iter().map(|group| group.name.clone()), eyes);
        let devices = Plan::with(&settings, components)?.devices.into_iter();
        let devices = devices.map(|device| company.cast(device, at)).collect::<Result<_, _>>()?;
        let world = begin(devices)?;
        let behaviours = settings.groups.iter().map(|group| (group.name.clone(), group.behaviour.clone()));
        let behaviours = behaviours.collect();
        let faults = Arc::new(Mutex::new(faults));
        let at_the_start = settings.faults;
        let mut stage = Self {
            world,
            company,
            faults,
            components,
            seed,
            behaviours,
            sent: None,
            instead: BTreeMap::new(),
            partitions: BTreeMap::new(),
            at_the_start,
            broker_may_fail: false,
        };
        stage.set_broker_faults(&point.settings.faults)?;
        Ok(stage)
    }

    /// Users may send versions of behaviours.
    pub fn listen(&mut self, sent: Arc<Sent>) {
        self.sent = Some(sent);
    }

    /// Go on from what users have sent since the last time.
    fn catch_up(&mut self) {
        for (group, Version { component, maker }) in self.sent.iter().flat_map(|sent| sent.news()) {
            self.company.adopt(&group, maker);
            if let Some(behaviour) = self.behaviours.get(&group) {
                self.instead.insert(group, (behaviour.clone(), component));
            }
        }
    }

    /// The script has a group like this from now on.
    fn note(&mut self, group: &Group) {
        self.behaviours.insert(group.name.clone(), group.behaviour.clone());
        self.sent.iter().for_each(|sent| sent.configured(group));
    }

    /// What a group's behaviour is: what users sent instead, or what the plan says.
    fn component(&self, group: &Group) -> Option<&Component> {
        let sent = self.instead.get(&group.name).filter(|(behaviour, _)| *behaviour == group.behaviour);
        sent.map(|(_, component)| component).or_else(|| self.components.get(&group.behaviour))
    }

    /// How many devices this concerns, where it is for devices.
    pub fn concerned(&self, deed: &Deed) -> Option<usize> {
        let company = &self.company;
        Some(match deed {
            Deed::Crash(chosen) | Deed::Stop(chosen) | Deed::Start(chosen) => self.chosen(chosen).len(),
            Deed::Swap(_, _, Some(chosen)) => self.chosen(chosen).len(),
            Deed::Begin(_, passing) => match &passing.chosen {
                Some(chosen) => self.chosen(chosen).len(),
                None => company.devices.len(),
            },
            Deed::Faults(Scope::Fleet, _) => company.devices.len(),
            Deed::Faults(Scope::Group(name), _) => company.members(name).count(),
            Deed::Faults(Scope::Devices(pattern), _)
            | Deed::PublishAs(pattern, _)
            | Deed::Ask(pattern, _) => company.named(pattern).len(),
            Deed::Configure(group) | Deed::Swap(group, _, None) => company.members(&group.name).count(),
            Deed::End(_) | Deed::Broker(..) | Deed::Publish(_) | Deed::Add(..) => return None,
        })
    }

    /// Do what the script says.
    pub fn carry_out(&mut self, deed: &Deed) -> Done {
        self.catch_up();
        match deed {
            Deed::Faults(scope, set) => {
                if *scope == Scope::Fleet {
                    let at_the_start = self.at_the_start.clone();
                    self.set_broker_faults(set.as_ref().unwrap_or(&at_the_start))?;
                }
                for scope in self.scopes(scope) {
                    self.change_faults(|book, devices| {
                        book.set(&scope, set.clone());
                        book.touched(&scope, devices)
                    })?;
                }
                Ok(())
            }
            Deed::Begin(number, passing) => {
                let Passing { fault, chosen, .. } = &**passing;
                if let Model::Partition(_) = &fault.model {
                    self.partitions.insert(*number, fault.id.clone());
                    self.company.parted(fault, self.world.now().run);
                }
                let chosen = chosen.as_ref().map(|chosen| self.chosen(chosen));
                self.change_faults(|book, devices| {
                    book.begin(*number, Arc::clone(fault), chosen.clone());
                    chosen.unwrap_or_else(|| (0..devices.len()).collect())
                })
            }
            Deed::End(number) => {
                if let Some(partition) = self.partitions.remove(number) {
                    self.company.mended(&partition, self.world.now().run);
                }
                self.change_faults(|book, devices| match book.end(*number) {
                    Some(chosen) => chosen.unwrap_or_else(|| (0..devices.len()).collect()),
                    None => Vec::new(),
                })
            }
            Deed::Crash(chosen) => self.world.order(&self.chosen(chosen), Order::Crash),
            Deed::Stop(chosen) => self.stop(&self.chosen(chosen)),
            Deed::Start(chosen) => self.world.order(&self.chosen(chosen), Order::Start),
            Deed::Broker(fault, failure, lasting) => {
                self.world.fail_broker(fault.clone(), *failure, *lasting)
            }
            Deed::Publish(message) => self.world.publish(message.clone()),
            Deed::PublishAs(devices, message) => {
                let named = self.company.named(devices);
                named.into_iter().try_for_each(|device| self.world.publish_as(device, message.clone()))
            }
            Deed::Ask(devices, request) => {
                let named = self.company.named(devices);
                named.into_iter().try_for_each(|device| self.world.ask(device, request.clone()))
            }
            Deed::Add(group, count) => self.add(group, *count),
            Deed::Configure(group) => self.configure(group),
            Deed::Swap(group, trial, some) => self.swap(group, *trial, some.as_ref()),
        }
    }

    fn set_broker_faults(&mut self, set: &FaultSet) -> Done {
        let before = std::mem::replace(&mut self.broker_may_fail, set.concerns_the_broker());
        match before || self.broker_may_fail {
            true => self.world.set_broker_faults(&set.faults, self.seed),
            false => Ok(()),
        }
    }

    fn chosen(&self, chosen: &Chosen) -> Vec<usize> {
        chosen.of(&self.company.devices, self.seed)
    }

    fn stop(&mut self, devices: &[usize]) -> Done {
        self.world.order(devices, Order::Stop)?;
        // Those that stop say so themselves; one that is dead already does not.
        devices.iter().for_each(|device| self.company.stopped(*device));
        Ok(())
    }

    fn configure(&mut self, group: &Group) -> Done {
        self.note(group);
        if let Some(spawn) = self.component(group).map(|component| spawner(group, component)) {
            self.company.recast(&group.name, spawn);
        }
        let now = self.world.look()?;
        let members = self.company.members(&group.name);
        let running: Vec<usize> = members.filter(|at| now.get(*at).is_some_and(|it| it.is_running)).collect();
        self.company.note_version(&group.name, self.world.now())?;
        self.stop(&running)?;
        self.world.order(&running, Order::Start)
    }

    fn swap(&mut self, group: &Group, trial: Duration, some: Option<&Chosen>) -> Done {
        let Some(component) = self.components.get(&group.behaviour) else { return Ok(()) };
        let spawn = spawner(group, component);
        let (devices, spawn) = match some {
            Some(some) => {
                let devices = self.chosen(some);
                let spawn = self.company.vanguard(group, &devices, spawn);
                (devices, spawn)
            }
            None => {
                self.instead.remove(&group.name);
                self.note(group);
                self.company.successor(group, spawn)
            }
        };
        spawn.map_or(Ok(()), |spawn| self.world.swap(&devices, &Upgrade { spawn, trial }))
    }

    fn scopes(&self, scope: &Scope) -> Vec<book::Scope> {
        match scope {
            Scope::Fleet => vec![book::Scope::Fleet],
            Scope::Group(name) => vec![book::Scope::Group(name.clone())],
            Scope::Devices(pattern) => {
                self.company.named(pattern).into_iter().map(book::Scope::Device).collect()
            }
        }
    }

    /// Change the book, and give the devices that this concerns what they have to have now, as one.
    fn change_faults(
        &mut self,
        change: impl FnOnce(&mut FaultBook, &[Arc<wasmote_sim::device_id::Identity>]) -> Vec<usize>,
    ) -> Done {
        let faults = Arc::clone(&self.faults);
        let mut book = faults.blocking_lock();
        let devices = change(&mut book, &self.company.devices);
        self.world.set_faults(book.assigned(devices, &self.company.devices))
    }

    /// Devices join a group. To them it is as large as it is now.
    fn add(&mut self, group: &str, count: u32) -> Done {
        for recruit in self.company.recruits(group, count)? {
            let position = self.company.devices.len();
            let recruit = self.company.cast(recruit, self.world.now())?;
            self.world.add(recruit)?;
            self.change_faults(|_, _| vec![position])?;
            self.world.order(&[position], Order::Start)?;
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
        latency: point.document.packet_latency.0,
        epoch: point.epoch,
        ..Options::default()
    }
}
