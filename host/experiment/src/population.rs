//! The devices of a run, and what those are made of that join later.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use wasmote_fleet::blueprints::BlueprintError;
use wasmote_fleet::config::Group;
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::time::Time;
use wasmote_sim::behaviour::BehaviourFactory;
use wasmote_sim::device::{Blueprint, Now};
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::faults::{Fault, FaultId};

use super::ExperimentError;
use super::instrumented::InstrumentedFactory;
use super::recorder::RunObserver;

/// All devices of a run.
pub struct Population {
    /// Who they are, by position.
    pub devices: Vec<Arc<Identity>>,
    /// The names of the groups, in the plan's order.
    pub groups: Vec<String>,
    templates: BTreeMap<String, GroupTemplate>,
    observer: RunObserver,
}

/// What new devices of a group are made like.
struct GroupTemplate {
    blueprint: Blueprint,
    factory: Arc<InstrumentedFactory>,
    /// What made its devices before, which some of them may have kept, and what makes those that are ahead.
    other_factories: Vec<Arc<InstrumentedFactory>>,
    /// Devices that were given another version before their group, with its configuration.
    updated_early: BTreeMap<usize, Map<String, Value>>,
    size: u32,
}

impl Population {
    /// Nobody yet.
    pub fn new(groups: impl Iterator<Item = String>, observer: RunObserver) -> Self {
        Self { devices: Vec::new(), groups: groups.collect(), templates: BTreeMap::new(), observer }
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
    pub fn matching(&self, pattern: &Pattern) -> Vec<usize> {
        let devices = self.devices.iter().enumerate();
        devices.filter(|(_, device)| pattern.matches(device.id.as_str())).map(|(at, _)| at).collect()
    }

    /// Take a device in, and have it watched. The first of a group stands for those that join later.
    pub fn admit(&mut self, mut blueprint: Blueprint, at: Now) -> Result<Blueprint, ExperimentError> {
        let tracker = self.observer.tracker();
        let template = self.templates.entry(blueprint.identity.group.to_string()).or_insert_with(|| {
            let factory = Arc::new(InstrumentedFactory::new(Arc::clone(&blueprint.factory), tracker));
            GroupTemplate {
                blueprint: blueprint.clone(),
                factory,
                other_factories: Vec::new(),
                updated_early: BTreeMap::new(),
                size: 0,
            }
        });
        template.size += 1;
        blueprint.factory = Arc::clone(&template.factory) as _;
        let identity = Arc::clone(&blueprint.identity);
        let joined =
            self.observer.add(&identity, self.column(&identity.group), &blueprint.factory.version(), at);
        joined.map_err(ExperimentError::writing(&"logs"))?;
        self.devices.push(identity);
        Ok(blueprint)
    }

    /// So many more devices of a group, to be taken in.
    pub fn new_members(&self, group: &str, count: u32) -> Result<Vec<Blueprint>, ExperimentError> {
        let Some(GroupTemplate { blueprint, size, .. }) = self.templates.get(group) else {
            return Ok(Vec::new());
        };
        let member = |index| {
            let id = DeviceId::new(&format!("{group}-{index}")).map_err(BlueprintError::Name)?;
            let identity = Identity { id, index, count: size + count, ..(*blueprint.identity).clone() };
            Ok(Blueprint { identity: Arc::new(identity), ..blueprint.clone() })
        };
        (*size..size + count).map(member).collect()
    }

    /// A group's devices are made of this from their next start on.
    pub fn replace_behaviour(&mut self, group: &str, factory: Arc<dyn BehaviourFactory>) {
        if let Some(template) = self.templates.get_mut(group) {
            template.updated_early.clear();
            for current in template.other_factories.iter().chain([&template.factory]) {
                current.replace(Arc::clone(&factory));
            }
        }
    }

    /// A group's devices have this version, at this time.
    pub fn record_version(&self, group: &str, at: Now) -> Result<(), ExperimentError> {
        let Some(template) = self.templates.get(group) else { return Ok(()) };
        let version = template.factory.version();
        let mut recorded =
            self.members(group).map(|device| self.observer.record_version(device, &version, at));
        recorded.try_for_each(|recorded| recorded).map_err(ExperimentError::writing(&"versions.csv"))
    }

    /// What makes the next version of a group's devices, and of those that join it later; and the devices that do not
    /// have it yet.
    pub fn rollout(
        &mut self,
        group: &Group,
        factory: Arc<dyn BehaviourFactory>,
    ) -> (Vec<usize>, Option<Arc<dyn BehaviourFactory>>) {
        let (version, tracker) = (factory.version(), self.observer.tracker());
        let members: Vec<usize> = self.members(&group.name).collect();
        let Some(template) = self.templates.get_mut(&group.name) else { return (members, None) };
        let factory = Arc::new(InstrumentedFactory::new(factory, tracker));
        template.other_factories.push(std::mem::replace(&mut template.factory, Arc::clone(&factory)));
        let updated_early = std::mem::take(&mut template.updated_early);
        // One that went ahead may be back with the old version.
        let is_updated = |device: &usize| {
            updated_early.get(device) == Some(&group.config)
                && self.observer.version_of(*device).as_ref() == Some(&version)
        };
        (members.into_iter().filter(|device| !is_updated(device)).collect(), Some(factory))
    }

    /// A user has given a group another version, which this makes.
    pub fn accept_update(&mut self, group: &str, factory: Arc<InstrumentedFactory>) {
        if let Some(template) = self.templates.get_mut(group) {
            template.updated_early.clear();
            template.other_factories.push(std::mem::replace(&mut template.factory, factory));
        }
    }

    /// What makes the next version of these devices alone.
    pub fn partial_rollout(
        &mut self,
        group: &Group,
        devices: &[usize],
        factory: Arc<dyn BehaviourFactory>,
    ) -> Option<Arc<dyn BehaviourFactory>> {
        let tracker = self.observer.tracker();
        let template = self.templates.get_mut(&group.name)?;
        let factory = Arc::new(InstrumentedFactory::new(factory, tracker));
        template.other_factories.push(Arc::clone(&factory));
        template.updated_early.extend(devices.iter().map(|device| (*device, group.config.clone())));
        Some(factory)
    }

    /// A partition begins for the devices that it is for.
    pub fn partition_started(&self, fault: &Fault, at: Time) {
        let devices = self.devices.iter().enumerate().filter(|(_, device)| fault.target.includes(device));
        let devices: Vec<usize> = devices.map(|(at, _)| at).collect();
        self.observer.partition_started(&devices, &fault.id, at);
    }

    /// The partition of this name ends.
    pub fn partition_ended(&self, fault: &FaultId, at: Time) {
        self.observer.partition_ended(fault, at);
    }

    /// A device was stopped in order: it wants nothing any more.
    pub fn stopped(&self, device: usize) {
        self.observer.tracker().with(|tracker| tracker.on_stopped(device as u32));
    }
}
