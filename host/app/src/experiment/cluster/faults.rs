//! The faults of pods and their devices, as a timeline changes them.
//!
//! A pod takes the faults of its group for those of its fleet, and whole sets only. So what is for the fleet or for a group
//! is put together here with what comes beside it for a while, and so is what a device has that its pod has not.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use wasmote_mqtt::device_id::Identity;
use wasmote_sim::faults::document::FaultEntry;

use crate::config::Settings;
use crate::experiment::timeline::Scope;
use crate::fault_set::FaultSet;
use crate::manifests::fleet::faults_request;

/// Positions of devices, in order.
type Positions = Vec<usize>;

/// Faults in force.
pub struct ClusterFaults<'a> {
    settings: &'a Settings,
    devices: &'a [Arc<Identity>],
    fleet: FaultSet,
    own: BTreeMap<&'a str, FaultSet>,
    by_device: BTreeMap<usize, FaultSet>,
    /// For a while, with the devices that they are for; `None` for all.
    temporary: BTreeMap<usize, (FaultEntry, Option<Positions>)>,
}

/// Why a group of pods cannot be told of a set, if it cannot.
pub fn check(set: &FaultSet, group: &str) -> Result<(), String> {
    faults_request(set, group).map(drop).map_err(|problem| problem.to_string())
}

impl<'a> ClusterFaults<'a> {
    /// At the start of a run, as the manifests have it.
    pub fn new(settings: &'a Settings, devices: &'a [Arc<Identity>]) -> Self {
        let own =
            settings.groups.iter().filter_map(|group| Some((group.name.as_str(), group.faults.clone()?)));
        let (fleet, own) = (settings.faults.clone(), own.collect());
        Self { settings, devices, fleet, own, by_device: BTreeMap::new(), temporary: BTreeMap::new() }
    }

    /// Set the faults of a scope, or let it inherit again.
    pub fn set(&mut self, scope: &Scope, set: Option<&FaultSet>) {
        match (scope, set) {
            (Scope::Fleet, set) => self.fleet = set.unwrap_or(&self.settings.faults).clone(),
            (Scope::Group(name), set) => {
                let group = self.settings.groups.iter().find(|group| group.name == *name);
                if let Some(group) = group {
                    put(&mut self.own, &*group.name, set);
                }
            }
            (Scope::Devices(pattern), set) => {
                for (position, device) in self.devices.iter().enumerate() {
                    if pattern.matches(device.id.as_str()) {
                        put(&mut self.by_device, position, set);
                    }
                }
            }
        }
    }

    /// A fault beside the others begins, under this number, for these devices or for all.
    pub fn begin(&mut self, number: usize, entry: FaultEntry, devices: Option<Positions>) {
        self.temporary.insert(number, (entry, devices));
    }

    /// The fault with this number ends.
    pub fn end(&mut self, number: usize) {
        self.temporary.remove(&number);
    }

    /// Of the pods of a group, as they are told.
    pub fn group_faults(&self, group: &str) -> Option<Value> {
        let set = self.own.get(group).unwrap_or(&self.fleet);
        faults_request(&self.with(set, |selected| selected.is_none()), group).ok()
    }

    /// Of a device that has others than its pod, as it is told.
    pub fn device_faults(&self, position: usize) -> Option<Value> {
        let group = &*self.devices.get(position)?.group;
        let is_selected = |selected: &Option<Positions>| {
            selected.as_ref().is_some_and(|it| it.binary_search(&position).is_ok())
        };
        let own = self.by_device.get(&position);
        if own.is_none() && !self.temporary.values().any(|(_, selected)| is_selected(selected)) {
            return None;
        }
        let set = own.or_else(|| self.own.get(group)).unwrap_or(&self.fleet);
        faults_request(&self.with(set, |selected| selected.is_none() || is_selected(selected)), group).ok()
    }

    /// A set with what comes beside it for a while.
    fn with(&self, set: &FaultSet, is_for: impl Fn(&Option<Positions>) -> bool) -> FaultSet {
        let mut set = set.clone();
        let temporary = self.temporary.values().filter(|(_, selected)| is_for(selected));
        set.document.faults.extend(temporary.map(|(entry, _)| entry.clone()));
        set
    }
}

fn put<K: Ord, V: Clone>(map: &mut BTreeMap<K, V>, key: K, value: Option<&V>) {
    match value {
        Some(value) => drop(map.insert(key, value.clone())),
        None => drop(map.remove(&key)),
    }
}

#[cfg(test)]
mod tests {
    use wasmote_sim::faults::component::NoLibrary;
    use wasmote_sim::faults::target::Pattern;

    use super::*;
    use crate::config::args::RunArgs;
    use crate::config::resolve::resolve;
    use crate::document::Format;

    fn settings() -> Settings {
        let mut settings = resolve(RunArgs::default()).unwrap();
        let group = settings.groups[0].clone();
        settings.groups = ["west", "east"]
            .map(|name| crate::config::Group { name: name.into(), count: 2, ..group.clone() })
            .into();
        settings.faults = FaultSet::preset("none").unwrap();
        settings
    }

    fn set(id: &str) -> FaultSet {
        let text = format!("[[fault]]\nkind = \"loss\"\nid = \"{id}\"\nprobability = 1\n");
        FaultSet::parse("test", &text, Format::Toml, &NoLibrary).unwrap()
    }

    fn ids(effective: &Value) -> String {
        let ids =
            effective["fault"].as_array().into_iter().flatten().filter_map(|fault| fault["id"].as_str());
        effective.as_str().map_or_else(|| ids.collect::<Vec<_>>().join("+"), str::to_owned)
    }

    /// The faults of both groups, and of each device that has others.
    fn effective(faults: &ClusterFaults<'_>) -> [String; 3] {
        let group = |name| ids(&faults.group_faults(name).unwrap());
        let own = (0..4).filter_map(|at| Some(format!("{at} {}", ids(&faults.device_faults(at)?))));
        [group("west"), group("east"), own.collect::<Vec<_>>().join(", ")]
    }

    #[test]
    fn a_device_goes_by_itself_its_group_and_the_fleet_in_this_order() {
        let settings = settings();
        let devices = crate::blueprints::all_identities(&settings);
        let mut faults = ClusterFaults::new(&settings, &devices);
        assert_eq!(effective(&faults), ["none", "none", ""]);
        faults.set(&Scope::Group("west".into()), Some(&set("own")));
        assert_eq!(effective(&faults), ["own", "none", ""]);
        faults.set(&Scope::Fleet, Some(&set("all")));
        assert_eq!(effective(&faults), ["own", "all", ""]);
        faults.set(&Scope::Devices(Pattern::new("*-1")), Some(&set("some")));
        assert_eq!(effective(&faults), ["own", "all", "1 some, 3 some"]);
        faults.set(&Scope::Group("west".into()), None);
        assert_eq!(effective(&faults), ["all", "all", "1 some, 3 some"]);
        faults.set(&Scope::Devices(Pattern::new("west-1")), None);
        faults.set(&Scope::Fleet, None);
        assert_eq!(effective(&faults), ["none", "none", "3 some"]);
    }

    #[test]
    fn temporary_faults_are_added_and_removed_again() {
        let settings = settings();
        let devices = crate::blueprints::all_identities(&settings);
        let mut faults = ClusterFaults::new(&settings, &devices);
        let entry = |id: &str| set(id).document.faults.remove(0);
        faults.begin(1, entry("beside"), Some(vec![2]));
        assert_eq!(effective(&faults), ["none", "none", "2 beside"]);
        faults.set(&Scope::Fleet, Some(&set("all")));
        assert_eq!(effective(&faults), ["all", "all", "2 all+beside"]);
        faults.begin(2, entry("everywhere"), None);
        assert_eq!(effective(&faults), ["all+everywhere", "all+everywhere", "2 all+beside+everywhere"]);
        faults.end(1);
        assert_eq!(effective(&faults), ["all+everywhere", "all+everywhere", ""]);
        faults.end(2);
        assert_eq!(effective(&faults), ["all", "all", ""]);
    }

    /// Both sides of a partition have a part in it; what else is for another group they need not know.
    #[test]
    fn pods_of_other_groups_know_partitioned_devices_by_their_names() {
        let settings = settings();
        let devices = crate::blueprints::all_identities(&settings);
        let mut faults = ClusterFaults::new(&settings, &devices);
        let text = "[[fault]]\nkind = \"partition\"\ngroup = \"west\"\npeers = [\"east-*\"]\n\
            [[fault]]\nkind = \"loss\"\ngroup = \"west\"\nprobability = 1\n";
        let set = FaultSet::parse("test", text, Format::Toml, &NoLibrary).unwrap();
        faults.set(&Scope::Fleet, Some(&set));
        let (west, east) = (faults.group_faults("west").unwrap(), faults.group_faults("east").unwrap());
        assert_eq!(west["fault"].as_array().map(Vec::len), Some(2));
        assert_eq!(west["fault"][0]["group"], "west");
        assert_eq!(east["fault"].as_array().map(Vec::len), Some(1));
        assert_eq!((&east["fault"][0]["device"], east["fault"][0].get("group")), (&"west-*".into(), None));
    }
}
