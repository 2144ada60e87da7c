//! Fault registry: the fault sets of the fleet, of groups and of devices, and the faults that are added for a time.
//!
//! A running fleet, the check of a timeline and a cluster use the same registry. A process gives each device its faults
//! ([`FaultRegistry::assignments`]); a cluster gives documents to pods ([`FaultRegistry::group_set`]) and to devices that
//! differ from their pod ([`FaultRegistry::device_set`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use wasmote_mqtt::budget::{BudgetReport, ByteBudget, Lease};
use wasmote_mqtt::device_id::Identity;
use wasmote_sim::faults::Fault;
use wasmote_sim::faults::document::{FaultDocument, FaultEntry};

use crate::config::Settings;
use crate::fault_set::FaultSet;

/// Scope of a fault set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultScope {
    /// All devices without a set of their own or of their group.
    Fleet,
    /// The devices of a group without a set of their own.
    Group(String),
    /// A device, by its position.
    Device(usize),
}

/// A fault that is active for a limited time, in addition to the others.
#[derive(Clone, Debug)]
pub struct TemporaryFault {
    /// The fault as an entry of a document.
    pub entry: FaultEntry,
    /// The fault in the form that devices use.
    pub fault: Arc<Fault>,
    /// Positions of the affected devices, in ascending order; `None` for all.
    pub devices: Option<Vec<usize>>,
}

impl TemporaryFault {
    fn is_for(&self, position: usize) -> bool {
        self.devices.as_ref().is_none_or(|devices| devices.binary_search(&position).is_ok())
    }
}

/// Fault sets of a fleet, of the groups and devices that have their own, and temporary faults.
#[derive(Clone, Debug)]
pub struct FaultRegistry {
    initial: FaultSet,
    fleet: FaultSet,
    groups: BTreeMap<String, FaultSet>,
    devices: BTreeMap<usize, FaultSet>,
    /// Temporary faults by number.
    temporary: BTreeMap<usize, TemporaryFault>,
    budget: ByteBudget,
    /// Bytes of the sets that users sent.
    leases: BTreeMap<FaultScope, Arc<Lease>>,
}

/// Bytes of the fault sets that users send, with the state of the faults in the devices.
const MAX_BYTES: u64 = 256 << 20;
/// Bytes of a fault in a document.
const ENTRY_BYTES: u64 = 512;
/// Bytes of a fault in a device.
const STATE_BYTES: u64 = 512;
/// Number of comparisons of a fault with a device that a change may need.
const MAX_COMPARISONS: u64 = 50_000_000;

/// A fault set that is too large for the devices of its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{faults} faults for {devices} devices exceed the limit of {} MiB for fault sets and their state; send fewer faults, \
     or aim them at fewer devices",
    MAX_BYTES >> 20
)]
pub struct TooManyFaults {
    /// Number of faults in the set.
    pub faults: usize,
    /// Number of devices in the scope.
    pub devices: usize,
}

/// The faults of one device.
pub type Faults = Arc<[Arc<Fault>]>;

/// Faults in force, and their origin.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Faults")]
pub struct FaultsView {
    /// `fleet`, `group` or `device`.
    #[schemars(extend("enum" = ["fleet", "group", "device"]))]
    scope: &'static str,
    /// Name of the group or device.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The scope that the faults are set for; it differs from `scope` if they are inherited.
    #[schemars(extend("enum" = ["fleet", "group", "device"]))]
    set_for: &'static str,
    /// A preset's name, a file's, or `http`.
    origin: String,
    /// The fault document; it can be sent back unchanged.
    document: FaultDocument,
    /// Devices and groups that the document names and that do not exist; only in the response to a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<String>>,
}

impl FaultsView {
    /// Adds warnings to the view.
    #[must_use]
    pub fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings: Some(warnings), ..self }
    }
}

impl FaultRegistry {
    /// Registry at the start of a run with these settings.
    pub fn new(settings: &Settings) -> Self {
        let own =
            settings.groups.iter().filter_map(|group| Some((group.name.clone(), group.faults.clone()?)));
        Self::from_sets(settings.faults.clone(), own.collect())
    }

    /// Registry with the fleet's set, and those of groups that have their own.
    pub fn from_sets(fleet: FaultSet, groups: BTreeMap<String, FaultSet>) -> Self {
        let (devices, temporary) = (BTreeMap::new(), BTreeMap::new());
        let (budget, leases) = (ByteBudget::new(MAX_BYTES), BTreeMap::new());
        Self { initial: fleet.clone(), fleet, groups, devices, temporary, budget, leases }
    }

    /// The faults of a device, temporary ones included.
    fn of_device(&self, position: usize, group: &str) -> Faults {
        let own = self.devices.get(&position).unwrap_or_else(|| self.of_group(group).0);
        if self.temporary.is_empty() {
            return Arc::clone(&own.faults);
        }
        let temporary = self.temporary.values().filter(|it| it.is_for(position)).map(|it| &it.fault);
        own.faults.iter().chain(temporary).cloned().collect()
    }

    /// The faults of these devices.
    pub fn assignments(&self, positions: Vec<usize>, devices: &[Arc<Identity>]) -> Vec<(usize, Faults)> {
        let with_faults = |position: usize| (position, self.of_device(position, &devices[position].group));
        positions.into_iter().map(with_faults).collect()
    }

    /// The fault set of a group's pods: the group's or the fleet's, with the temporary faults that are for all devices.
    pub fn group_set(&self, group: &str) -> FaultSet {
        self.with_temporary(self.of_group(group).0, |it| it.devices.is_none())
    }

    /// The fault set of a device; `None` if it has that of its pod.
    pub fn device_set(&self, position: usize, devices: &[Arc<Identity>]) -> Option<FaultSet> {
        let has_own = |it: &TemporaryFault| it.devices.is_some() && it.is_for(position);
        if !self.devices.contains_key(&position) && !self.temporary.values().any(has_own) {
            return None;
        }
        let group = &*devices.get(position)?.group;
        let set = self.devices.get(&position).unwrap_or_else(|| self.of_group(group).0);
        Some(self.with_temporary(set, |it| it.is_for(position)))
    }

    fn with_temporary(&self, set: &FaultSet, is_included: impl Fn(&TemporaryFault) -> bool) -> FaultSet {
        let included: Vec<_> = self.temporary.values().filter(|it| is_included(it)).collect();
        let mut set = set.clone();
        if !included.is_empty() {
            set.document.faults.extend(included.iter().map(|it| it.entry.clone()));
            set.faults = set.faults.iter().chain(included.iter().map(|it| &it.fault)).cloned().collect();
        }
        set
    }

    /// Begins a temporary fault under this number.
    pub fn begin(&mut self, number: usize, fault: TemporaryFault) {
        self.temporary.insert(number, fault);
    }

    /// Ends the temporary fault with this number and returns it.
    pub fn end(&mut self, number: usize) -> Option<TemporaryFault> {
        self.temporary.remove(&number)
    }

    /// The fleet's set, which includes the faults of the broker.
    pub fn of_fleet(&self) -> &FaultSet {
        &self.fleet
    }

    /// Sets the faults that a user sent for a scope, unless they are too many for its devices. `None` restores inheritance,
    /// and for the fleet the initial set.
    pub fn set_within_limit(
        &mut self,
        scope: &FaultScope,
        faults: Option<FaultSet>,
        devices: &[Arc<Identity>],
    ) -> Result<(), TooManyFaults> {
        // The new set replaces the one of its scope.
        let before = self.leases.remove(scope);
        let Some(set) = &faults else {
            self.set(scope, faults);
            return Ok(());
        };
        let positions = match scope {
            FaultScope::Device(position) => vec![*position],
            FaultScope::Group(_) | FaultScope::Fleet => self.in_scope(scope, devices),
        };
        let held = before.as_ref().map_or(0, |lease| lease.bytes());
        let allowed = MAX_BYTES.saturating_sub(self.budget.used().saturating_sub(held));
        match bytes_of(set, &positions, devices).filter(|bytes| *bytes <= allowed) {
            Some(bytes) => {
                drop(before);
                let lease = self.budget.force(usize::try_from(bytes).unwrap_or(usize::MAX));
                self.leases.insert(scope.clone(), Arc::new(lease));
                self.set(scope, faults);
                Ok(())
            }
            None => {
                self.budget.refuse();
                if let Some(before) = before {
                    self.leases.insert(scope.clone(), before);
                }
                Err(TooManyFaults { faults: set.faults.len(), devices: positions.len() })
            }
        }
    }

    /// Positions of all devices in a scope, those with their own set included.
    fn in_scope(&self, scope: &FaultScope, devices: &[Arc<Identity>]) -> Vec<usize> {
        let is_in = |position: &usize| match scope {
            FaultScope::Group(name) => *devices[*position].group == **name,
            FaultScope::Fleet => true,
            FaultScope::Device(only) => position == only,
        };
        (0..devices.len()).filter(is_in).collect()
    }

    /// Bytes of the sets that users sent.
    pub fn report(&self) -> BudgetReport {
        self.budget.report()
    }

    /// Sets the faults of a scope. `None` restores inheritance, and for the fleet the initial set.
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

    /// The set of a group, and the scope that it is set for.
    pub fn of_group(&self, name: &str) -> (&FaultSet, &'static str) {
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

    /// Positions of the devices that use the fault set of a scope.
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

    /// Warnings about devices and groups that the set of a scope names and that do not exist. The devices at `positions`
    /// have this set.
    pub fn warnings(
        &self,
        scope: &FaultScope,
        positions: &[usize],
        devices: &[Arc<Identity>],
    ) -> Vec<String> {
        let set = self.effective(scope, devices).0;
        set.warnings(positions.iter().map(|position| &*devices[*position]), devices.iter().map(|it| &**it))
    }

    /// The sets of the fleet, and of all groups and devices that have their own.
    pub fn own_sets(&self, devices: &[Arc<Identity>]) -> Vec<FaultsView> {
        let groups = self.groups.keys().cloned().map(FaultScope::Group);
        let own = self.devices.keys().copied().filter(|position| *position < devices.len());
        let scopes = std::iter::once(FaultScope::Fleet).chain(groups).chain(own.map(FaultScope::Device));
        scopes.map(|scope| self.view(&scope, devices)).collect()
    }

    /// The set that is in force in a scope.
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

/// Bytes that a set takes in these devices; `None` if it takes too long to compute.
fn bytes_of(set: &FaultSet, positions: &[usize], devices: &[Arc<Identity>]) -> Option<u64> {
    let faults = set.faults.len() as u64;
    if faults.saturating_mul(positions.len() as u64) > MAX_COMPARISONS {
        return None;
    }
    let applies = |position: &usize| {
        let device = &devices[*position];
        set.faults.iter().filter(|fault| fault.target.includes(device)).count() as u64
    };
    let in_devices = positions.iter().map(applies).sum::<u64>();
    Some(faults * ENTRY_BYTES + in_devices * STATE_BYTES)
}

#[cfg(test)]
mod tests {
    use wasmote_mqtt::device_id::DeviceId;
    use wasmote_sim::faults::component::NoLibrary;

    use super::*;

    fn devices() -> Vec<Arc<Identity>> {
        let device = |(id, group): (&str, &str)| {
            Arc::new(Identity {
                id: DeviceId::new(id).unwrap(),
                client_id: None,
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
        // The fleet's set does not apply to the device and the group with their own.
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
    fn the_faults_of_all_devices_are_bounded_in_bytes() {
        let entry = registry().of_fleet().document.faults[1].clone();
        let set = |faults: usize| {
            let entries = (0..faults).map(|n| FaultEntry { id: Some(format!("f-{n}")), ..entry.clone() });
            FaultSet::new("http", FaultDocument { faults: entries.collect() }, &NoLibrary).unwrap()
        };
        let device = |index: u32, group: &str| {
            Arc::new(Identity {
                id: DeviceId::new(&format!("{group}-{index}")).unwrap(),
                client_id: None,
                group: group.into(),
                index,
                count: 300,
                topic_root: "root".into(),
                peers: None,
            })
        };
        let devices: Vec<_> = ["a", "b"]
            .into_iter()
            .flat_map(|group| (0..300).map(move |index| device(index, group)))
            .collect();
        let mut registry = registry();
        let (a, b) = (FaultScope::Group("a".into()), FaultScope::Group("b".into()));
        registry.set_within_limit(&a, Some(set(1_000)), &devices).unwrap();
        let refused = registry.set_within_limit(&b, Some(set(1_000)), &devices).unwrap_err();
        assert_eq!(refused, TooManyFaults { faults: 1_000, devices: 300 });
        assert_eq!(registry.of_group("b").1, "fleet", "the refused set is not in force");
        // A set replaces the one of its scope, and a deletion makes room.
        registry.set_within_limit(&a, Some(set(1_500)), &devices).unwrap();
        registry.set_within_limit(&a, None, &devices).unwrap();
        assert_eq!(registry.report().used, 0);
        registry.set_within_limit(&b, Some(set(1_000)), &devices).unwrap();
        assert_eq!(registry.report().refused, 1);
        // A set that would take minutes to compare is refused, too.
        assert!(registry.set_within_limit(&a, Some(set(200_000)), &devices).is_err());
    }

    #[test]
    fn temporary_faults_survive_other_changes() {
        let devices = devices();
        let mut registry = registry();
        let realistic = FaultSet::preset("realistic").unwrap();
        let (entry, fault) = (realistic.document.faults[0].clone(), Arc::clone(&realistic.faults[0]));
        registry.begin(7, TemporaryFault { entry, fault, devices: Some(vec![0, 2]) });
        registry.set(&FaultScope::Fleet, FaultSet::preset("none"));
        let counts = |registry: &FaultRegistry| -> Vec<usize> {
            registry.assignments(vec![0, 1, 2], &devices).iter().map(|(_, faults)| faults.len()).collect()
        };
        assert_eq!(counts(&registry), [1, 0, 1]);
        assert_eq!(registry.end(7).unwrap().devices, Some(vec![0, 2]));
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
