//! The faults of pods and their devices, as a timeline changes them, and what of that they have yet to be told.
//!
//! A pod knows its own group alone, and takes the faults of its group for those of its fleet. So what is set for the
//! fleet goes to the pods of every group that has none of its own, without what is for other groups. A fault that comes
//! beside the others for a while is added to these, and to those of devices that have their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use wasmote_sim::device_id::Identity;
use wasmote_sim::faults::document::FaultEntry;

use crate::config::Settings;
use crate::experiment::script::Scope;
use crate::fault_set::FaultSet;
use crate::manifests::fleet::faults_as_told;

/// Positions of devices.
type Positions = Vec<usize>;

/// Faults in force.
pub struct Faults<'a> {
    settings: &'a Settings,
    devices: &'a [Arc<Identity>],
    fleet: FaultSet,
    own: BTreeMap<&'a str, FaultSet>,
    of_devices: BTreeMap<usize, FaultSet>,
    /// For a while, with the devices that they are for; `None` for all.
    beside: BTreeMap<usize, (FaultEntry, Option<Positions>)>,
    told: Told<'a>,
}

/// What pods have been told, and devices beside the rest of their pods.
#[derive(Default)]
struct Told<'a> {
    groups: BTreeMap<&'a str, Value>,
    devices: BTreeMap<usize, Value>,
}

/// What they have yet to be told.
#[derive(Debug, Default, PartialEq)]
pub struct News<'a> {
    /// All pods of these groups.
    pub groups: Vec<(&'a str, Value)>,
    /// These devices; `None` for what the rest of their pods have.
    pub devices: Vec<(usize, Option<Value>)>,
}

/// Why a group of pods cannot be told of a set, if it cannot.
pub fn check(set: &FaultSet, group: &str) -> Result<(), String> {
    told(set, group).map(drop)
}

fn told(set: &FaultSet, group: &str) -> Result<Value, String> {
    faults_as_told(set, group).map_err(|problem| problem.to_string())
}

impl<'a> Faults<'a> {
    /// At the start of a run, as the manifests have it.
    pub fn new(settings: &'a Settings, devices: &'a [Arc<Identity>]) -> Self {
        let own =
            settings.groups.iter().filter_map(|group| Some((group.name.as_str(), group.faults.clone()?)));
        let (fleet, own) = (settings.faults.clone(), own.collect());
        let (of_devices, beside, told) = Default::default();
        let mut faults = Self { settings, devices, fleet, own, of_devices, beside, told };
        drop(faults.news());
        faults
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
                        put(&mut self.of_devices, position, set);
                    }
                }
            }
        }
    }

    /// A fault beside the others begins, under this number, for these devices or for all.
    pub fn begin(&mut self, number: usize, entry: FaultEntry, devices: Option<Positions>) {
        self.beside.insert(number, (entry, devices));
    }

    /// The fault with this number ends.
    pub fn end(&mut self, number: usize) {
        self.beside.remove(&number);
    }

    /// What has changed since the last time.
    pub fn news(&mut self) -> News<'a> {
        let mut news = News::default();
        for group in &self.settings.groups {
            let name = group.name.as_str();
            let Ok(now) = told(&self.of_group(name), name) else { continue };
            if self.told.groups.insert(name, now.clone()).as_ref() != Some(&now) {
                news.groups.push((name, now));
            }
        }
        for (position, device) in self.devices.iter().enumerate() {
            let now = self.of_device(position, device);
            if self.told.devices.get(&position) != now.as_ref() {
                put(&mut self.told.devices, position, now.as_ref());
                news.devices.push((position, now));
            }
        }
        news
    }

    /// Of the pods of a group.
    fn of_group(&self, group: &str) -> FaultSet {
        let set = self.own.get(group).unwrap_or(&self.fleet);
        self.with(set, group, |chosen| chosen.is_none())
    }

    /// Of a device that has others than its pod.
    fn of_device(&self, position: usize, device: &Identity) -> Option<Value> {
        let is_chosen = |chosen: &Option<Positions>| chosen.as_ref().is_some_and(|it| it.contains(&position));
        let own = self.of_devices.get(&position);
        if own.is_none() && !self.beside.values().any(|(_, chosen)| is_chosen(chosen)) {
            return None;
        }
        let set = own.or_else(|| self.own.get(&*device.group)).unwrap_or(&self.fleet);
        let set = self.with(set, &device.group, |chosen| chosen.is_none() || is_chosen(chosen));
        told(&set, &device.group).ok()
    }

    /// A set with what comes beside it for a while.
    fn with(&self, set: &FaultSet, group: &str, is_for: impl Fn(&Option<Positions>) -> bool) -> FaultSet {
        let mut set = set.clone();
        let beside = self.beside.values().filter(|(_, chosen)| is_for(chosen));
        set.document.faults.extend(beside.map(|(entry, _)| seen_from(entry, group)));
        set
    }
}

fn put<K: Ord, V: Clone>(map: &mut BTreeMap<K, V>, key: K, value: Option<&V>) {
    match value {
        Some(value) => drop(map.insert(key, value.clone())),
        None => drop(map.remove(&key)),
    }
}

/// Pods know no group but their own, and the devices of others by their names.
fn seen_from(entry: &FaultEntry, group: &str) -> FaultEntry {
    let mut entry = entry.clone();
    if let Some(other) = entry.group.take_if(|name| name != group) {
        entry.device.get_or_insert(format!("{other}-*"));
    }
    entry
}

#[cfg(test)]
mod tests {
    use serde_json::json;
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

    /// Who is told of which faults, by their names.
    fn told(faults: &mut Faults<'_>) -> Vec<String> {
        let ids = |value: &Value| match value["fault"].as_array() {
            Some(list) => list.iter().map(|fault| fault["id"].as_str().unwrap().to_owned()).collect(),
            None => vec![value.as_str().unwrap_or("nothing").to_owned()],
        };
        let News { groups, devices } = faults.news();
        let groups = groups.iter().map(|(group, now)| format!("{group}: {}", ids(now).join("+")));
        let devices = devices.iter().map(|(at, now)| match now {
            Some(now) => format!("{at}: {}", ids(now).join("+")),
            None => format!("{at}: as its pod"),
        });
        groups.chain(devices).collect()
    }

    #[test]
    fn only_those_are_told_whose_faults_change() {
        let settings = settings();
        let devices = crate::plan::everybody(&settings);
        let mut faults = Faults::new(&settings, &devices);
        assert!(told(&mut faults).is_empty(), "pods begin with what the manifests say");
        faults.set(&Scope::Group("west".into()), Some(&set("own")));
        assert_eq!(told(&mut faults), ["west: own"]);
        faults.set(&Scope::Fleet, Some(&set("all")));
        assert_eq!(told(&mut faults), ["east: all"]);
        faults.set(&Scope::Devices(Pattern::new("*-1")), Some(&set("some")));
        assert_eq!(told(&mut faults), ["1: some", "3: some"]);
        faults.set(&Scope::Group("west".into()), None);
        assert_eq!(told(&mut faults), ["west: all"]);
        faults.set(&Scope::Devices(Pattern::new("west-1")), None);
        faults.set(&Scope::Fleet, None);
        assert_eq!(told(&mut faults), ["west: none", "east: none", "1: as its pod"]);
    }

    #[test]
    fn what_comes_beside_is_added_to_what_there_is_and_taken_away_again() {
        let settings = settings();
        let devices = crate::plan::everybody(&settings);
        let mut faults = Faults::new(&settings, &devices);
        let entry = |id: &str| set(id).document.faults.remove(0);
        faults.begin(1, entry("beside"), Some(vec![2]));
        assert_eq!(told(&mut faults), ["2: beside"]);
        faults.set(&Scope::Fleet, Some(&set("all")));
        assert_eq!(told(&mut faults), ["west: all", "east: all", "2: all+beside"]);
        faults.begin(2, entry("everywhere"), None);
        assert_eq!(
            told(&mut faults),
            ["west: all+everywhere", "east: all+everywhere", "2: all+beside+everywhere"]
        );
        faults.end(1);
        assert_eq!(told(&mut faults), ["2: as its pod"]);
        faults.end(2);
        assert_eq!(told(&mut faults), ["west: all", "east: all"]);
    }

    #[test]
    fn pods_of_other_groups_know_devices_by_their_names() {
        let settings = settings();
        let devices = crate::plan::everybody(&settings);
        let mut faults = Faults::new(&settings, &devices);
        let entry = FaultEntry { group: Some("west".into()), ..set("apart").document.faults.remove(0) };
        faults.begin(1, entry, None);
        let news = faults.news().groups;
        assert_eq!((&news[0].1["fault"][0]["group"], news[0].0), (&json!("west"), "west"));
        assert_eq!((&news[1].1["fault"][0]["device"], news[1].0), (&json!("west-*"), "east"));
        assert_eq!(news[1].1["fault"][0].get("group"), None);
    }
}
