//! Population: the devices of a run, and the templates for devices that join later.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use wasmote_fleet::blueprints::{BlueprintError, device_name};
use wasmote_fleet::config::Group;
use wasmote_fleet::config::identity::names::{DeviceName, GroupNames};
use wasmote_mqtt::device_id::{DeviceId, Identity, PeerNames};
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
    /// Identities by position.
    pub devices: Vec<Arc<Identity>>,
    /// Names of the groups, in the plan's order.
    pub groups: Vec<String>,
    /// Naming rules of groups with names of their own.
    names: BTreeMap<String, Arc<GroupNames>>,
    templates: BTreeMap<String, GroupTemplate>,
    observer: RunObserver,
}

/// Template for new devices of a group.
struct GroupTemplate {
    blueprint: Blueprint,
    factory: Arc<InstrumentedFactory>,
    /// Earlier factories, which some devices may still use, and factories of partial rollouts.
    other_factories: Vec<Arc<InstrumentedFactory>>,
    /// Devices that received the new version before their group, with its configuration.
    updated_early: BTreeMap<usize, Map<String, Value>>,
    size: u32,
}

impl Population {
    /// Population without devices.
    pub fn new(groups: &[Group], observer: RunObserver) -> Self {
        let named = |group: &Group| Some((group.name.clone(), Arc::clone(group.names.as_ref()?)));
        Self {
            devices: Vec::new(),
            groups: groups.iter().map(|group| group.name.clone()).collect(),
            names: groups.iter().filter_map(named).collect(),
            templates: BTreeMap::new(),
            observer,
        }
    }

    /// Column of a group in tables.
    pub fn column(&self, group: &str) -> usize {
        self.groups.iter().position(|name| name == group).unwrap_or(0)
    }

    /// Positions of a group's devices.
    pub fn members(&self, group: &str) -> impl Iterator<Item = usize> {
        let devices = self.devices.iter().enumerate();
        devices.filter(move |(_, device)| *device.group == *group).map(|(at, _)| at)
    }

    /// Positions of the devices whose names match.
    pub fn matching(&self, pattern: &Pattern) -> Vec<usize> {
        let devices = self.devices.iter().enumerate();
        devices.filter(|(_, device)| pattern.matches(device.id.as_str())).map(|(at, _)| at).collect()
    }

    /// Adds a device and instruments it. The first device of a group is the template for those that join later.
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

    /// Blueprints of `count` more devices of a group, to be passed to [`admit`](Self::admit).
    pub fn new_members(&self, group: &str, count: u32) -> Result<Vec<Blueprint>, ExperimentError> {
        let Some(GroupTemplate { blueprint, size, .. }) = self.templates.get(group) else {
            return Ok(Vec::new());
        };
        let name = |index| match self.names.get(group) {
            Some(names) => device_name(names, index),
            None => {
                let id = DeviceId::new(&format!("{group}-{index}")).map_err(BlueprintError::Name)?;
                Ok(DeviceName { id, client_id: None })
            }
        };
        // A device that joins knows all devices before it.
        let listed = match self.names.contains_key(group) {
            true => {
                let all: Result<Vec<_>, BlueprintError> =
                    (0..size + count).map(|index| Ok(name(index)?.id)).collect();
                Some(PeerNames::Listed(all?.into()))
            }
            false => None,
        };
        let member = |index| {
            let DeviceName { id, client_id } = name(index)?;
            let peers = listed.clone().or_else(|| blueprint.identity.peers.clone());
            let identity = Identity {
                id,
                client_id,
                index,
                count: size + count,
                peers,
                ..(*blueprint.identity).clone()
            };
            Ok(Blueprint { identity: Arc::new(identity), ..blueprint.clone() })
        };
        (*size..size + count).map(member).collect()
    }

    /// Replaces the behaviour of a group's devices from their next start on.
    pub fn replace_behaviour(&mut self, group: &str, factory: Arc<dyn BehaviourFactory>) {
        if let Some(template) = self.templates.get_mut(group) {
            template.updated_early.clear();
            for current in template.other_factories.iter().chain([&template.factory]) {
                current.replace(Arc::clone(&factory));
            }
        }
    }

    /// Records the present version of a group's devices.
    pub fn record_version(&self, group: &str, at: Now) -> Result<(), ExperimentError> {
        let Some(template) = self.templates.get(group) else { return Ok(()) };
        let version = template.factory.version();
        let mut recorded =
            self.members(group).map(|device| self.observer.record_version(device, &version, at));
        recorded.try_for_each(|recorded| recorded).map_err(ExperimentError::writing(&"versions.csv"))
    }

    /// Starts the rollout of a new version to a group, including devices that join later. Returns the devices that do
    /// not have the version yet, and the factory.
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
        // A device of a partial rollout may be back on the old version.
        let is_updated = |device: &usize| {
            updated_early.get(device) == Some(&group.config)
                && self.observer.version_of(*device).as_ref() == Some(&version)
        };
        (members.into_iter().filter(|device| !is_updated(device)).collect(), Some(factory))
    }

    /// Accepts a version that a user uploaded for a group.
    pub fn accept_update(&mut self, group: &str, factory: Arc<InstrumentedFactory>) {
        if let Some(template) = self.templates.get_mut(group) {
            template.updated_early.clear();
            template.other_factories.push(std::mem::replace(&mut template.factory, factory));
        }
    }

    /// Starts the rollout of a new version to these devices only. Returns the factory.
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

    /// Records the start of a partition for the devices that it targets.
    pub fn partition_started(&self, fault: &Fault, at: Time) {
        let devices = self.devices.iter().enumerate().filter(|(_, device)| fault.target.includes(device));
        let devices: Vec<usize> = devices.map(|(at, _)| at).collect();
        self.observer.partition_started(&devices, &fault.id, at);
    }

    /// Records the end of a partition.
    pub fn partition_ended(&self, fault: &FaultId, at: Time) {
        self.observer.partition_ended(fault, at);
    }

    /// Removes the subscriptions of a device that was stopped cleanly.
    pub fn stopped(&self, device: usize) {
        self.observer.tracker().with(|tracker| tracker.on_stopped(device as u32));
    }
}
