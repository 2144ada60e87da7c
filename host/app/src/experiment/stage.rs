//! A run's world: devices, their faults, and the hand that carries out the script.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use wasmote_sim::client::options::ClientOptions;
use wasmote_sim::device::{Blueprint, Input};
use wasmote_sim::device_id::{DeviceId, Identity};
use wasmote_sim::event::StopReason;
use wasmote_sim::faults::Fault;
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::VirtualTime;
use wasmote_sim::virtual_time::observer::DeviceIndex;
use wasmote_sim::virtual_time::options::Options;

use super::plan::Point;
use super::recorder::Eyes;
use super::script::whom::Chosen;
use super::script::{Deed, Scope};
use super::watched::{SharedAccount, WatchedSpawn};
use super::{ExperimentError, plan};
use crate::plan::{Components, Plan, PlanError, spawner};
use crate::server::faults::book::{self, FaultBook};

/// The devices of a run, and all that happens to them from outside.
pub struct Stage<'a> {
    /// The world itself.
    pub world: VirtualTime<Eyes>,
    /// Who the devices are, by position.
    pub devices: Vec<Arc<Identity>>,
    /// The names of the groups, in the plan's order.
    pub groups: Vec<String>,
    /// Who should be given what.
    pub account: SharedAccount,
    components: &'a Components,
    seed: Seed,
    eyes: Eyes,
    casts: BTreeMap<String, Cast>,
    faults: FaultBook,
    /// Faults beside those of the book, with the devices that they are for; `None` for all.
    beside: BTreeMap<usize, (Arc<Fault>, Option<Vec<usize>>)>,
}

/// What new devices of a group are made like.
struct Cast {
    column: usize,
    blueprint: Blueprint,
    spawn: Arc<WatchedSpawn>,
    size: u32,
}

impl<'a> Stage<'a> {
    /// Put up the devices of a point, and switch them on.
    pub fn new(
        point: &Point,
        seed: Seed,
        components: &'a Components,
        account: SharedAccount,
        eyes: Eyes,
    ) -> Result<Self, ExperimentError> {
        let settings = crate::config::Settings { seed, ..point.settings.clone() };
        let own =
            settings.groups.iter().filter_map(|group| Some((group.name.clone(), group.faults.clone()?)));
        let mut stage = Self {
            world: VirtualTime::new(options(point), eyes.clone()),
            devices: Vec::new(),
            groups: settings.groups.iter().map(|group| group.name.clone()).collect(),
            account,
            components,
            seed,
            eyes,
            casts: BTreeMap::new(),
            faults: FaultBook::of(settings.faults.clone(), own.collect()),
            beside: BTreeMap::new(),
        };
        for blueprint in Plan::with(&settings, components)?.devices {
            stage.cast(blueprint).map_err(ExperimentError::writing(&"logs"))?;
        }
        (0..stage.devices.len()).for_each(|device| stage.put(device, Input::Start));
        Ok(stage)
    }

    /// Add a device as a plan describes it. The first of a group stands for those that join later.
    fn cast(&mut self, mut blueprint: Blueprint) -> io::Result<()> {
        let group = blueprint.identity.group.to_string();
        let column = self.groups.iter().position(|name| *name == group).unwrap_or(0);
        let account = self.account.clone();
        let cast = self.casts.entry(group).or_insert_with(|| {
            let spawn = Arc::new(WatchedSpawn::new(Arc::clone(&blueprint.spawn), account));
            Cast { column, blueprint: blueprint.clone(), spawn, size: 0 }
        });
        cast.size += 1;
        blueprint.spawn = Arc::clone(&cast.spawn) as _;
        let (column, identity) = (cast.column, Arc::clone(&blueprint.identity));
        self.account.with(|account| account.add(identity.id.clone(), column));
        self.eyes.add(&identity, blueprint.spawn.name(), self.world.now())?;
        self.devices.push(identity);
        self.world.add(blueprint);
        Ok(())
    }

    fn put(&mut self, device: usize, input: Input) {
        self.world.put(DeviceIndex(device as u32), input);
    }

    /// Do what the script says.
    pub fn carry_out(&mut self, deed: &Deed) -> Result<(), ExperimentError> {
        match deed {
            Deed::Faults(scope, set) => {
                let scopes = self.scopes(scope);
                scopes.iter().for_each(|scope| self.faults.set(scope, Some(set.clone())));
                let touched =
                    scopes.iter().flat_map(|scope| self.faults.touched(scope, &self.devices).0).collect();
                self.set_faults(touched);
            }
            Deed::Begin(number, fault, chosen) => {
                let chosen = chosen.as_ref().map(|chosen| self.chosen(chosen));
                let touched = chosen.clone().unwrap_or_else(|| (0..self.devices.len()).collect());
                self.beside.insert(*number, (Arc::clone(fault), chosen));
                self.set_faults(touched);
            }
            Deed::End(number) => {
                if let Some((_, chosen)) = self.beside.remove(number) {
                    self.set_faults(chosen.unwrap_or_else(|| (0..self.devices.len()).collect()));
                }
            }
            Deed::Crash(chosen) => self.put_each(chosen, || Input::Crash),
            Deed::Stop(chosen) => self.stop(&self.chosen(chosen)),
            Deed::Start(chosen) => self.put_each(chosen, || Input::Start),
            Deed::Publish(message) => self.world.publish(message.clone()),
            Deed::Add(group, count) => self.add(group, *count)?,
            Deed::Configure(group) => {
                let component = self.components.get(&group.behaviour);
                if let (Some(component), Some(cast)) = (component, self.casts.get(&group.name)) {
                    cast.spawn.replace(spawner(group, component));
                }
                let members = self.devices.iter().enumerate();
                let members = members.filter(|(_, device)| *device.group == *group.name);
                let running =
                    |at: &usize| self.world.device(DeviceIndex(*at as u32)).is_some_and(|it| it.is_running());
                let members: Vec<usize> = members.map(|(at, _)| at).filter(running).collect();
                self.stop(&members);
                members.into_iter().for_each(|device| self.put(device, Input::Start));
            }
        }
        Ok(())
    }

    fn chosen(&self, chosen: &Chosen) -> Vec<usize> {
        chosen.of(&self.devices, self.seed)
    }

    fn put_each(&mut self, chosen: &Chosen, input: impl Fn() -> Input) {
        for device in self.chosen(chosen) {
            self.put(device, input());
        }
    }

    fn stop(&mut self, devices: &[usize]) {
        for device in devices {
            self.put(*device, Input::Stop(StopReason::Requested));
            self.account.with(|account| account.stopped(*device as u32));
        }
    }

    fn scopes(&self, scope: &Scope) -> Vec<book::Scope> {
        match scope {
            Scope::Fleet => vec![book::Scope::Fleet],
            Scope::Group(name) => vec![book::Scope::Group(name.clone())],
            Scope::Devices(pattern) => {
                let fits = |at: &usize| pattern.matches(self.devices[*at].id.as_str());
                (0..self.devices.len()).filter(fits).map(book::Scope::Device).collect()
            }
        }
    }

    /// Give devices the faults that they have to have now.
    fn set_faults(&mut self, devices: Vec<usize>) {
        for device in devices {
            let faults = self.faults_of(device);
            self.put(device, Input::SetFaults(faults));
        }
    }

    fn faults_of(&self, device: usize) -> Arc<[Arc<Fault>]> {
        let own = &self.faults.of_device(device, &self.devices[device].group).faults;
        let is_for = |chosen: &Option<Vec<usize>>| chosen.as_ref().is_none_or(|it| it.contains(&device));
        let beside = self.beside.values().filter(|(_, chosen)| is_for(chosen)).map(|(fault, _)| fault);
        if self.beside.is_empty() { Arc::clone(own) } else { own.iter().chain(beside).cloned().collect() }
    }

    /// Devices join a group. To them it is as large as it is now.
    fn add(&mut self, group: &str, count: u32) -> Result<(), ExperimentError> {
        let Some(cast) = self.casts.get(group) else { return Ok(()) };
        let (first, template) = (cast.size, cast.blueprint.clone());
        for index in first..first + count {
            let id = DeviceId::new(&format!("{group}-{index}")).map_err(PlanError::Name)?;
            let identity = Identity { id, index, count: first + count, ..(*template.identity).clone() };
            let position = self.devices.len();
            self.cast(Blueprint { identity: Arc::new(identity), ..template.clone() })
                .map_err(ExperimentError::writing(&"logs"))?;
            let faults = self.faults_of(position);
            self.put(position, Input::SetFaults(faults));
            self.put(position, Input::Start);
        }
        Ok(())
    }
}

fn options(point: &plan::Point) -> Options {
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
