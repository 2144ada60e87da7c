//! Which faults are in force where.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use wasmote_mqtt::device_id::Identity;
use wasmote_sim::faults::Fault;
use wasmote_sim::faults::document::FaultDocument;

use crate::fault_set::FaultSet;
use crate::server::RunInfo;

/// Whose faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultScope {
    /// Everybody's who has none of their own.
    Fleet,
    /// A group's.
    Group(String),
    /// A device's, by its position.
    Device(usize),
}

/// The faults of the fleet, and of those that have their own.
#[derive(Clone, Debug)]
pub struct FaultRegistry {
    initial: FaultSet,
    fleet: FaultSet,
    groups: BTreeMap<String, FaultSet>,
    devices: BTreeMap<usize, FaultSet>,
    /// Faults that hold for a time beside the others, with the devices that they are for; `None` for all.
    temporary: BTreeMap<usize, (Arc<Fault>, Option<Vec<usize>>)>,
}

/// The faults that a device is to have.
pub type Faults = Arc<[Arc<Fault>]>;

/// Faults in force, and where they come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaultsView {
    /// `fleet`, `group` or `device`.
    scope: &'static str,
    /// Which group or device.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The scope that they are set for; another than this one when they are inherited.
    set_for: &'static str,
    /// A preset's name, a file's, or `http`.
    origin: String,
    /// The document itself; it can be sent back as it is.
    document: FaultDocument,
    /// What the document aims at that is not there; only told when it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<String>>,
}

impl FaultsView {
    /// The same, with what the user should know.
    #[must_use]
    pub fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings: Some(warnings), ..self }
    }
}

impl FaultRegistry {
    /// At the start of a run.
    pub fn new(run_info: &RunInfo) -> Self {
        let own =
            run_info.groups.iter().filter_map(|(name, group)| Some((name.clone(), group.faults.clone()?)));
        Self::from_sets(run_info.faults.clone(), own.collect())
    }

    /// The fleet's faults, and those of groups that have their own.
    pub fn from_sets(fleet: FaultSet, groups: BTreeMap<String, FaultSet>) -> Self {
        let (devices, temporary) = (BTreeMap::new(), BTreeMap::new());
        Self { initial: fleet.clone(), fleet, groups, devices, temporary }
    }

    /// The faults that a device has.
    fn of_device(&self, position: usize, group: &str) -> Faults {
        let own = self.devices.get(&position).unwrap_or_else(|| self.of_group(group).0);
        if self.temporary.is_empty() {
            return Arc::clone(&own.faults);
        }
        let is_for = |chosen: &Option<Vec<usize>>| chosen.as_ref().is_none_or(|it| it.contains(&position));
        let temporary = self.temporary.values().filter(|(_, chosen)| is_for(chosen)).map(|(fault, _)| fault);
        own.faults.iter().chain(temporary).cloned().collect()
    }

    /// These devices, each with the faults that it has to have now.
    pub fn assignments(&self, positions: Vec<usize>, devices: &[Arc<Identity>]) -> Vec<(usize, Faults)> {
        let with_faults = |position: usize| (position, self.of_device(position, &devices[position].group));
        positions.into_iter().map(with_faults).collect()
    }

    /// A fault beside the others begins, under this number, for these devices or for all.
    pub fn begin(&mut self, number: usize, fault: Arc<Fault>, devices: Option<Vec<usize>>) {
        self.temporary.insert(number, (fault, devices));
    }

    /// The fault with this number ends. Returns the devices that it was for.
    pub fn end(&mut self, number: usize) -> Option<Option<Vec<usize>>> {
        self.temporary.remove(&number).map(|(_, devices)| devices)
    }

    /// The fleet's faults, which hold the broker's.
    pub fn of_fleet(&self) -> &FaultSet {
        &self.fleet
    }

    /// Set the faults of a scope, or let it inherit again; the fleet goes back to those at the start.
    pub fn set(&mut self, scope: &FaultScope, faults: Option<FaultSet>) {
        match (scope, faults) {
            (FaultScope::Fleet, Some(faults)) => self.fleet = faults,
            (FaultScope::Fleet, None) => self.fleet = self.initial.clone(),
            (FaultScope::Group(name), Some(faults)) => drop(self.groups.insert(name.clone(), faults)),
            (FaultScope::Group(name), None) => drop(self.groups.remove(name)),
            (FaultScope::Device(position), Some(faults)) => drop(self.devices.insert(*position, faults)),
            (FaultScope::Device(position), None) => drop(self.devices.remove(position)),
        }
    }

    fn of_group(&self, name: &str) -> (&FaultSet, &'static str) {
        self.groups.get(name).map_or((&self.fleet, "fleet"), |own| (own, "group"))
    }

    fn effective(&self, scope: &FaultScope, devices: &[Arc<Identity>]) -> (&FaultSet, &'static str) {
        match scope {
            FaultScope::Fleet => (&self.fleet, "fleet"),
            FaultScope::Group(name) => self.of_group(name),
            FaultScope::Device(position) => match self.devices.get(position) {
                Some(own) => (own, "device"),
                None => self.of_group(&devices[*position].group),
            },
        }
    }

    /// The devices that follow a scope.
    pub fn affected(&self, scope: &FaultScope, devices: &[Arc<Identity>]) -> Vec<usize> {
        let follows = |position: &usize| {
            let group = &*devices[*position].group;
            match scope {
                FaultScope::Device(only) => position == only,
                _ if self.devices.contains_key(position) => false,
                FaultScope::Group(name) => group == name,
                FaultScope::Fleet => !self.groups.contains_key(group),
            }
        };
        (0..devices.len()).filter(follows).collect()
    }

    /// What the faults of a scope, which are those of the devices at `positions`, aim at that is not there.
    pub fn warnings(
        &self,
        scope: &FaultScope,
        positions: &[usize],
        devices: &[Arc<Identity>],
    ) -> Vec<String> {
        let set = self.effective(scope, devices).0;
        set.warnings(positions.iter().map(|position| &*devices[*position]), devices.iter().map(|it| &**it))
    }

    /// What is in force in a scope.
    pub fn view(&self, scope: &FaultScope, devices: &[Arc<Identity>]) -> FaultsView {
        let (set, set_for) = self.effective(scope, devices);
        let (scope, name) = match scope {
            FaultScope::Fleet => ("fleet", None),
            FaultScope::Group(name) => ("group", Some(name.clone())),
            FaultScope::Device(position) => ("device", Some(devices[*position].id.to_string())),
        };
        let (origin, document) = (set.origin.clone(), set.document.clone());
        FaultsView { scope, name, set_for, origin, document, warnings: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmote_mqtt::device_id::DeviceId;

    fn devices() -> Vec<Arc<Identity>> {
        let device = |(id, group): (&str, &str)| {
            Arc::new(Identity {
                id: DeviceId::new(id).unwrap(),
                group: group.into(),
                index: 0,
                count: 2,
                topic_root: "root".into(),
                peers: None,
            })
        };
        [("a-0", "a"), ("a-1", "a"), ("b-0", "b")].into_iter().map(device).collect()
    }

    fn registry() -> FaultRegistry {
        let realistic = FaultSet::preset("realistic").unwrap();
        FaultRegistry::from_sets(realistic, BTreeMap::new())
    }

    #[test]
    fn a_narrower_scope_keeps_its_faults_until_it_is_reset() {
        let (devices, none) = (devices(), FaultSet::preset("none"));
        let mut registry = registry();
        registry.set(&FaultScope::Device(1), none.clone());
        assert_eq!(registry.affected(&FaultScope::Device(1), &devices), [1]);
        registry.set(&FaultScope::Group("b".into()), none.clone());
        // The fleet's document no longer concerns the device and the group with their own.
        registry.set(&FaultScope::Fleet, none);
        assert_eq!(registry.affected(&FaultScope::Fleet, &devices), [0]);
        assert_eq!(registry.affected(&FaultScope::Group("a".into()), &devices), [0]);

        registry.set(&FaultScope::Device(1), None);
        registry.set(&FaultScope::Fleet, None);
        let assigned = registry.assignments(registry.affected(&FaultScope::Fleet, &devices), &devices);
        let counts = assigned.iter().map(|(position, faults)| (*position, faults.len()));
        assert_eq!(counts.collect::<Vec<_>>(), [(0, 3), (1, 3)]);
    }

    #[test]
    fn temporary_faults_survive_other_changes() {
        let devices = devices();
        let mut registry = registry();
        let loss = Arc::clone(&FaultSet::preset("realistic").unwrap().faults[0]);
        registry.begin(7, loss, Some(vec![0, 2]));
        registry.set(&FaultScope::Fleet, FaultSet::preset("none"));
        let counts = |registry: &FaultRegistry| -> Vec<usize> {
            registry.assignments(vec![0, 1, 2], &devices).iter().map(|(_, faults)| faults.len()).collect()
        };
        assert_eq!(counts(&registry), [1, 0, 1]);
        assert_eq!(registry.end(7), Some(Some(vec![0, 2])));
        assert_eq!(counts(&registry), [0, 0, 0]);
    }

    #[test]
    fn the_view_names_the_scope_that_the_faults_are_set_for() {
        let devices = devices();
        let mut registry = registry();
        assert_eq!(registry.view(&FaultScope::Device(2), &devices).set_for, "fleet");
        registry.set(&FaultScope::Group("b".into()), FaultSet::preset("none"));
        let view = serde_json::to_value(registry.view(&FaultScope::Device(2), &devices)).unwrap();
        let wanted = serde_json::json!({
            "scope": "device", "name": "b-0", "set_for": "group", "origin": "none", "document": {"fault": []},
        });
        assert_eq!(view, wanted);
    }
}
