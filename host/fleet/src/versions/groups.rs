//! Changes of one group while the fleet runs: another configuration or behaviour, and more devices.
//!
//! A plan's timeline makes the same changes on the fleets of its runs ([`crate::actions`]). On a cluster its steps are
//! requests to the pods, which make them here.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use wasmote_engine::Component;
use wasmote_live::fleet::{PowerCommand, RolloutReport, STATUS_BATCH};
use wasmote_live::status::DeviceStatus;
use wasmote_sim::behaviour::BehaviourFactory;
use wasmote_sim::device::{PowerState, Upgrade};

use super::{NewVersion, RunningBehaviour, UpdateError, UpdateEvent, Versions};
use crate::blueprints::added_devices;
use crate::component_info::ComponentInfo;
use crate::config::{Group, Settings};
use crate::source::Source;
use crate::topology::CONFIG_KEY;

/// Most devices that one request adds.
pub const MAX_ADDED: u32 = 10_000;

/// What the changes of groups need: the settings of the run, and the components that it has loaded.
pub(super) struct Changeable {
    settings: Settings,
    components: Mutex<BTreeMap<String, Component>>,
    /// The version before the present one, for each behaviour that has had another one.
    earlier: Mutex<BTreeMap<String, Component>>,
}

impl Changeable {
    fn components(&self) -> MutexGuard<'_, BTreeMap<String, Component>> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The component of a behaviour.
    fn component(&self, name: &str) -> Result<Component, UpdateError> {
        self.components().get(name).cloned().ok_or_else(|| unknown(name))
    }

    /// Remembers the version that a behaviour has from now on.
    pub(super) fn remember(&self, component: &Component) {
        let before = self.components().insert(component.name().to_owned(), component.clone());
        if let Some(before) = before.filter(|before| before.version() != component.version()) {
            let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
            earlier.insert(before.name().to_owned(), before);
        }
    }

    /// The version of a behaviour before the present one.
    pub(super) fn earlier(&self, name: &str) -> Option<Component> {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// The error about a group or a behaviour that this fleet does not have.
fn unknown(name: &str) -> UpdateError {
    UpdateError::Unknown { name: name.to_owned(), hint: String::new() }
}

/// A change of a group's configuration or behaviour. Everything else stays.
#[derive(Clone, Debug, Default)]
pub struct GroupChange {
    /// Name and bytes of another component, plain or packed with gzip.
    pub component: Option<(String, Vec<u8>)>,
    /// Signature of the component.
    pub signature: Option<String>,
    /// SHA-256 that the component must have. It replaces the pin of the group, which is for its earlier component.
    pub sha256: Option<String>,
    /// The whole configuration.
    pub config: Option<Map<String, Value>>,
    /// Whether running devices start again, without their state. Otherwise they keep their state and their sessions.
    pub restart: bool,
    /// Time during which a trap restores the old version of a device that did not start again.
    pub trial: Duration,
    /// Names of the devices that change; the others, and those that join later, stay as they are. `None` for all.
    pub devices: Option<Vec<String>>,
}

/// Result of a change of a group.
#[derive(Clone, Debug)]
pub struct ChangedGroup {
    /// The behaviour of the changed devices.
    pub info: ComponentInfo,
    /// Number of devices that were to change.
    pub devices: u64,
    /// Number of them that run this behaviour with this configuration now.
    pub changed: u64,
}

/// Devices that joined a group. They are off.
#[derive(Clone, Debug)]
pub struct AddedDevices {
    /// Their positions in the fleet.
    pub positions: Range<usize>,
    /// Number of devices of the group, also those of other processes.
    pub count: u32,
}

impl Versions {
    /// Allows changes of groups. `components` are those of all behaviours, by name.
    #[must_use]
    pub fn with_changes(self, settings: Settings, components: BTreeMap<String, Component>) -> Self {
        Self {
            changeable: Some(Changeable {
                settings,
                components: Mutex::new(components),
                earlier: Mutex::default(),
            }),
            ..self
        }
    }

    fn changeable(&self) -> Result<&Changeable, UpdateError> {
        self.changeable.as_ref().ok_or(UpdateError::Planned)
    }

    fn group(&self, name: &str) -> Result<Group, UpdateError> {
        let group = self.groups().into_iter().find(|group| group.name == name);
        group.ok_or_else(|| unknown(name))
    }

    /// Changes the configuration or the behaviour of a group, or of some of its devices. If the component is not one that the
    /// group may run, nothing changes.
    pub async fn change_group(&self, name: &str, change: GroupChange) -> Result<ChangedGroup, UpdateError> {
        let changeable = self.changeable()?;
        let Ok(_guard) = self.update_lock.try_lock() else {
            return Err(UpdateError::Busy(name.to_owned()));
        };
        let before = self.group(name)?;
        let mut group = before.clone();
        group.config = change.config.unwrap_or(group.config);
        let component = match change.component {
            Some((behaviour, bytes)) => {
                let pin = change.sha256.or(group.sha256);
                group.sha256 = pin.clone();
                // Only the name of the source is used.
                group.behaviour = Source::File(format!("{behaviour}.wasm").into());
                let pins = pin.into_iter().collect();
                let version =
                    NewVersion { bytes, pins, signature: change.signature, ..NewVersion::default() };
                self.load(&behaviour, version).await?.0
            }
            None => changeable.component(&group.behaviour.name())?,
        };
        let names = |group: &Group| group.device_names(changeable.settings.device_id.as_ref());
        group.link(names).map_err(|invalid| UpdateError::Links {
            field: invalid.path(CONFIG_KEY),
            problem: invalid.problem,
        })?;
        group.check(&component)?;
        let factory = (self.factory)(&group, &component);
        let members = self.members(name, change.devices.as_deref());
        self.give(&members, &factory, change.restart, change.trial).await?;
        let info = ComponentInfo::new("http", component.inspect());
        let statuses = self.statuses_of(&members).await?;
        let changed = statuses.iter().filter(|status| *status.version.sha256 == *info.sha256).count() as u64;
        let running = statuses.iter().filter(|status| status.power == PowerState::On).count();
        if running > 0 && changed == 0 {
            return Err(UpdateError::NotTaken { devices: members.len() });
        }
        if change.devices.is_none() {
            self.replace_group(group);
            changeable.remember(&component);
        }
        let result = ChangedGroup { info, devices: members.len() as u64, changed };
        if result.devices > 0 || change.devices.is_none() {
            self.record_change(&before, &result);
        }
        Ok(result)
    }

    /// Positions of the devices of a group in this process, of these names.
    fn members(&self, group: &str, names: Option<&[String]>) -> Vec<usize> {
        let devices = self.fleet.devices();
        let named = |id: &str| names.is_none_or(|names| names.iter().any(|name| name == id));
        let members = devices.iter().enumerate();
        members
            .filter(|(_, device)| *device.group == *group && named(device.id.as_str()))
            .map(|(position, _)| position)
            .collect()
    }

    /// Gives devices a behaviour, while they run or by a restart. A device that is off starts with it.
    async fn give(
        &self,
        devices: &[usize],
        factory: &Arc<dyn BehaviourFactory>,
        restart: bool,
        trial: Duration,
    ) -> Result<(), UpdateError> {
        if !restart {
            return Ok(self.fleet.swap(devices, &Upgrade { factory: Arc::clone(factory), trial }).await?);
        }
        let statuses = self.statuses_of(devices).await?;
        let running = devices.iter().zip(statuses).filter(|(_, status)| status.power == PowerState::On);
        let running: Vec<usize> = running.map(|(position, _)| *position).collect();
        self.fleet.power_all(&running, PowerCommand::Stop).await?;
        let upgrade = Upgrade { factory: Arc::clone(factory), trial: Duration::ZERO };
        self.fleet.swap(devices, &upgrade).await?;
        Ok(self.fleet.power_all(&running, PowerCommand::Start).await?)
    }

    /// The states of these devices, which are in ascending order.
    async fn statuses_of(&self, devices: &[usize]) -> Result<Vec<DeviceStatus>, UpdateError> {
        let mut found = Vec::with_capacity(devices.len());
        for first in (0..self.fleet.devices().len()).step_by(STATUS_BATCH) {
            let statuses = self.fleet.statuses(first..first + STATUS_BATCH).await?;
            let wanted = (first..).zip(statuses).filter(|(at, _)| devices.binary_search(at).is_ok());
            found.extend(wanted.map(|(_, status)| status));
        }
        Ok(found)
    }

    fn replace_group(&self, changed: Group) {
        if let Some(group) = self.lock_groups().iter_mut().find(|group| group.name == changed.name) {
            *group = changed;
        }
    }

    /// Records the version that devices have now, and reports it.
    fn record_change(&self, before: &Group, ChangedGroup { info, devices, changed }: &ChangedGroup) {
        let old = self.find(&before.behaviour.name()).map_or_else(|_| info.clone(), |known| known.info);
        if old.sha256 == info.sha256 && old.name == info.name {
            tracing::info!(
                "group {}: {changed} of {devices} devices have another configuration",
                before.name
            );
            return;
        }
        {
            let mut behaviours = self.lock();
            match behaviours.get_mut(&info.name) {
                Some(known) if known.info.sha256 == info.sha256 => {}
                Some(known) => known.replace(info.clone()),
                None => drop(behaviours.insert(info.name.clone(), RunningBehaviour::new(info.clone()))),
            }
        }
        let report = RolloutReport { swapped: *changed, ..RolloutReport::default() };
        self.emit(UpdateEvent::updated(&info.name, "http", info, &old, &report));
    }

    /// Adds devices to a group. In a fleet of several processes each adds those of its shard, so that the same request to each
    /// adds all of them. Their numbers follow those of the devices that are there.
    pub fn add_devices(&self, name: &str, count: u32) -> Result<AddedDevices, UpdateError> {
        let changeable = self.changeable()?;
        let mut groups = self.lock_groups();
        let Some(at) = groups.iter().position(|group| group.name == name) else {
            return Err(unknown(name));
        };
        let first = groups[..at].iter().map(|group| group.count as usize).sum();
        let from = groups[at].count;
        let mut group = groups[at].clone();
        group.count = from.checked_add(count).ok_or(UpdateError::TooManyDevices { count })?;
        let component = changeable.component(&group.behaviour.name())?;
        let factory = (self.factory)(&group, &component);
        let devices = added_devices(&changeable.settings, &group, first, from, &factory)?;
        let positions = self.fleet.add(devices)?;
        let count = group.count;
        groups[at] = group;
        tracing::info!("group {name}: {} devices join, of now {count}", positions.len());
        Ok(AddedDevices { positions, count })
    }
}
