//! The devices of a run, and what those are made of that join later.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use wasmote_sim::behaviour::Spawn;
use wasmote_sim::device::{Blueprint, Now};
use wasmote_sim::device_id::{DeviceId, Identity};
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::time::Time;

use super::ExperimentError;
use super::recorder::Eyes;
use super::watched::WatchedSpawn;
use crate::config::Group;
use crate::plan::PlanError;

/// All devices of a run.
pub struct Company {
    /// Who they are, by position.
    pub devices: Vec<Arc<Identity>>,
    /// The names of the groups, in the plan's order.
    pub groups: Vec<String>,
    casts: BTreeMap<String, Cast>,
    eyes: Eyes,
}

/// What new devices of a group are made like.
struct Cast {
    blueprint: Blueprint,
    spawn: Arc<WatchedSpawn>,
    /// What made its devices before, which some of them may have kept, and what makes those that are ahead.
    others: Vec<Arc<WatchedSpawn>>,
    /// Devices that were given another version before their group, with its configuration.
    ahead: BTreeMap<usize, Map<String, Value>>,
    size: u32,
}

impl Company {
    /// Nobody yet.
    pub fn new(groups: impl Iterator<Item = String>, eyes: Eyes) -> Self {
        Self { devices: Vec::new(), groups: groups.collect(), casts: BTreeMap::new(), eyes }
    }

    /// The column of a group in tables.
    pub fn column(&self, group: &str) -> usize {
        self.groups.iter().position(|name| name == group).unwrap_or(0)
    }

    /// The positions of a group's devices.
    pub fn members(&self, group: &str) -> impl Iterator<Item = usize> {
        let devices = self.devices.iter().enumerate();
        devices.filter(move |(_, device)| *device.group == *group).map(|(at, _)| at)
    }

    /// The positions of devices whose names fit.
    pub fn named(&self, pattern: &Pattern) -> Vec<usize> {
        let devices = self.devices.iter().enumerate();
        devices.filter(|(_, device)| pattern.matches(device.id.as_str())).map(|(at, _)| at).collect()
    }

    /// Take a device in, and have it watched. The first of a group stands for those that join later.
    pub fn cast(&mut self, mut blueprint: Blueprint, at: Now) -> Result<Blueprint, ExperimentError> {
        let account = self.eyes.account();
        let cast = self.casts.entry(blueprint.identity.group.to_string()).or_insert_with(|| {
            let spawn = Arc::new(WatchedSpawn::new(Arc::clone(&blueprint.spawn), account));
            Cast { blueprint: blueprint.clone(), spawn, others: Vec::new(), ahead: BTreeMap::new(), size: 0 }
        });
        cast.size += 1;
        blueprint.spawn = Arc::clone(&cast.spawn) as _;
        let identity = Arc::clone(&blueprint.identity);
        let joined = self.eyes.add(&identity, self.column(&identity.group), &blueprint.spawn.version(), at);
        joined.map_err(ExperimentError::writing(&"logs"))?;
        self.devices.push(identity);
        Ok(blueprint)
    }

    /// So many more devices of a group, to be taken in.
    pub fn recruits(&self, group: &str, count: u32) -> Result<Vec<Blueprint>, ExperimentError> {
        let Some(Cast { blueprint, size, .. }) = self.casts.get(group) else { return Ok(Vec::new()) };
        let recruit = |index| {
            let id = DeviceId::new(&format!("{group}-{index}")).map_err(PlanError::Name)?;
            let identity = Identity { id, index, count: size + count, ..(*blueprint.identity).clone() };
            Ok(Blueprint { identity: Arc::new(identity), ..blueprint.clone() })
        };
        (*size..size + count).map(recruit).collect()
    }

    /// A group's devices are made of this from their next start on.
    pub fn recast(&mut self, group: &str, spawn: Arc<dyn Spawn>) {
        if let Some(cast) = self.casts.get_mut(group) {
            cast.ahead.clear();
            for maker in cast.others.iter().chain([&cast.spawn]) {
                maker.replace(Arc::clone(&spawn));
            }
        }
    }

    /// A group's devices have this version, at this time.
    pub fn note_version(&self, group: &str, at: Now) -> Result<(), ExperimentError> {
        let Some(cast) = self.casts.get(group) else { return Ok(()) };
        let version = cast.spawn.version();
        let mut noted = self.members(group).map(|device| self.eyes.version(device, &version, at));
        noted.try_for_each(|noted| noted).map_err(ExperimentError::writing(&"versions.csv"))
    }

    /// What makes the next version of a group's devices, and of those that join it later; and the devices that do not
    /// have it yet.
    pub fn successor(
        &mut self,
        group: &Group,
        spawn: Arc<dyn Spawn>,
    ) -> (Vec<usize>, Option<Arc<dyn Spawn>>) {
        let (version, account) = (spawn.version(), self.eyes.account());
        let members: Vec<usize> = self.members(&group.name).collect();
        let Some(cast) = self.casts.get_mut(&group.name) else { return (members, None) };
        let maker = Arc::new(WatchedSpawn::new(spawn, account));
        cast.others.push(std::mem::replace(&mut cast.spawn, Arc::clone(&maker)));
        let ahead = std::mem::take(&mut cast.ahead);
        // One that went ahead may be back with the old version.
        let has_it = |device: &usize| {
            ahead.get(device) == Some(&group.config)
                && self.eyes.version_of(*device).as_ref() == Some(&version)
        };
        (members.into_iter().filter(|device| !has_it(device)).collect(), Some(maker))
    }

    /// A user has given a group another version, which this makes.
    pub fn adopt(&mut self, group: &str, maker: Arc<WatchedSpawn>) {
        if let Some(cast) = self.casts.get_mut(group) {
            cast.ahead.clear();
            cast.others.push(std::mem::replace(&mut cast.spawn, maker));
        }
    }

    /// What makes the next version of these devices alone.
    pub fn vanguard(
        &mut self,
        group: &Group,
        devices: &[usize],
        spawn: Arc<dyn Spawn>,
    ) -> Option<Arc<dyn Spawn>> {
        let account = self.eyes.account();
        let cast = self.casts.get_mut(&group.name)?;
        let maker = Arc::new(WatchedSpawn::new(spawn, account));
        cast.others.push(Arc::clone(&maker));
        cast.ahead.extend(devices.iter().map(|device| (*device, group.config.clone())));
        Some(maker)
    }

    /// A partition begins for the devices that it is for.
    pub fn parted(&self, fault: &Fault, at: Time) {
        let devices = self.devices.iter().enumerate().filter(|(_, device)| fault.target.includes(device));
        let devices: Vec<usize> = devices.map(|(at, _)| at).collect();
        self.eyes.parted(&devices, &fault.id, at);
    }

    /// The partition of this name ends.
    pub fn mended(&self, fault: &FaultId, at: Time) {
        self.eyes.mended(fault, at);
    }

    /// A device was stopped in order: it wants nothing any more.
    pub fn stopped(&self, device: usize) {
        self.eyes.account().with(|account| account.stopped(device as u32));
    }
}
