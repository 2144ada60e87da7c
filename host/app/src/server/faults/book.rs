//! Which faults are in force where.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use wasmote_sim::device_id::Identity;
use wasmote_sim::faults::Fault;
use wasmote_sim::faults::document::FaultDocument;

use crate::fault_set::FaultSet;
use crate::server::Facts;

/// Whose faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's who has none of their own.
    Fleet,
    /// A group's.
    Group(String),
    /// A device's, by its position.
    Device(usize),
}

/// The faults of the fleet, and of those that have their own.
#[derive(Clone, Debug)]
pub struct FaultBook {
    at_the_start: FaultSet,
    fleet: FaultSet,
    groups: BTreeMap<String, FaultSet>,
    devices: BTreeMap<usize, FaultSet>,
    /// Faults that hold for a time beside the others, with the devices that they are for; `None` for all.
    beside: BTreeMap<usize, (Arc<Fault>, Option<Vec<usize>>)>,
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
    pub fn with(self, warnings: Vec<String>) -> Self {
        Self { warnings: Some(warnings), ..self }
    }
}

impl FaultBook {
    /// At the start of a run.
    pub fn new(facts: &Facts) -> Self {
        let own = facts.groups.iter().filter_map(|(name, group)| Some((name.clone(), group.faults.clone()?)));
        Self::of(facts.faults.clone(), own.collect())
    }

    /// The fleet's faults, and those of groups that have their own.
    pub fn of(fleet: FaultSet, groups: BTreeMap<String, FaultSet>) -> Self {
        let (devices, beside) = (BTreeMap::new(), BTreeMap::new());
        Self { at_the_start: fleet.clone(), fleet, groups, devices, beside }
    }

    /// The faults that a device has.
    fn of_device(&self, position: usize, group: &str) -> Faults {
        let own = self.devices.get(&position).unwrap_or_else(|| self.of_group(group).0);
        if self.beside.is_empty() {
            return Arc::clone(&own.faults);
        }
        let is_for = |chosen: &Option<Vec<usize>>| chosen.as_ref().is_none_or(|it| it.contains(&position));
        let beside = self.beside.values().filter(|(_, chosen)| is_for(chosen)).map(|(fault, _)| fault);
        own.faults.iter().chain(beside).cloned().collect()
    }

    /// These devices, each with the faults that it has to have now.
    pub fn assigned(&self, positions: Vec<usize>, devices: &[Arc<Identity>]) -> Vec<(usize, Faults)> {
        let with_faults = |position: usize| (position, self.of_device(position, &devices[position].group));
        positions.into_iter().map(with_faults).collect()
    }

    /// A fault beside the others begins, under this number, for these devices or for all.
    pub fn begin(&mut self, number: usize, fault: Arc<Fault>, devices: Option<Vec<usize>>) {
        self.beside.insert(number, (fault, devices));
    }

    /// The fault with this number ends. Returns the devices that it was for.
    pub fn end(&mut self, number: usize) -> Option<Option<Vec<usize>>> {
        self.beside.remove(&number).map(|(_, devices)| devices)
    }

    /// The fleet's faults, which hold the broker's.
    pub fn of_fleet(&self) -> &FaultSet {
        &self.fleet
    }

    /// Set the faults of a scope, or let it inherit again; the fleet goes back to those at the start.
    pub fn set(&mut self, scope: &Scope, faults: Option<FaultSet>) {
        match (scope, faults) {
            (Scope::Fleet, Some(faults)) => self.fleet = faults,
            (Scope::Fleet, None) => self.fleet = self.at_the_start.clone(),
            (Scope::Group(name), Some(faults)) => drop(self.groups.insert(name.clone(), faults)),
            (Scope::Group(name), None) => drop(self.groups.remove(name)),
            (Scope::Device(position), Some(faults)) => drop(self.devices.insert(*position, faults)),
            (Scope::Device(position), None) => drop(self.devices.remove(position)),
        }
    }

    fn of_group(&self, name: &str) -> (&FaultSet, &'static str) {
        self.groups.get(name).map_or((&self.fleet, "fleet"), |own| (own, "group"))
    }

    fn in_force(&self, scope: &Scope, devices: &[Arc<Identity>]) -> (&FaultSet, &'static str) {
        match scope {
            Scope::Fleet => (&self.fleet, "fleet"),
            Scope::Group(name) => self.of_group(name),
            Scope::Device(position) => match self.devices.get(position) {
                Some(own) => (own, "device"),
                None => self.of_group(&devices[*position].group),
            },
        }
    }

    /// The devices that follow a scope.
    pub fn touched(&self, scope: &Scope, devices: &[Arc<Identity>]) -> Vec<usize> {
        let follows = |position: &usize| {
            let group = &*devices[*position].group;
            match scope {
                Scope::Device(only) => position == only,
                _ if self.devices.contains_key(position) => false,
                Scope::Group(name) => group == name,
                Scope::Fleet => !self.groups.contains_key(group),
            }
        };
        (0..devices.len()).filter(follows).collect()
    }

    /// What the faults of a scope, which are those of the devices at `positions`, aim at that is not there.
    pub fn warnings(&self, scope: &Scope, positions: &[usize], devices: &[Arc<Identity>]) -> Vec<String> {
        let set = self.in_force(scope, devices).0;
        set.warnings(positions.iter().map(|position| &*devices[*position]), devices.iter().map(|it| &**it))
    }

    /// What is in force in a scope.
    pub fn view(&self, scope: &Scope, devices: &[Arc<Identity>]) -> FaultsView {
        let (set, set_for) = self.in_force(scope, devices);
        let (scope, name) = match scope {
            Scope::Fleet => ("fleet", None),
            Scope::Group(name) => ("group", Some(name.clone())),
            Scope::Device(position) => ("device", Some(devices[*position].id.to_string())),
        };
        let (origin, document) = (set.origin.clone(), set.document.clone());
        FaultsView { scope, name, set_for, origin, document, warnings: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmote_sim::device_id::DeviceId;

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

    fn book() -> FaultBook {
        let realistic = FaultSet::preset("realistic").unwrap();
        FaultBook::of(realistic, BTreeMap::new())
    }

    #[test]
    fn what_is_narrower_keeps_its_own_until_it_is_told_to_inherit() {
        let (devices, none) = (devices(), FaultSet::preset("none"));
        let mut book = book();
        book.set(&Scope::Device(1), none.clone());
        assert_eq!(book.touched(&Scope::Device(1), &devices), [1]);
        book.set(&Scope::Group("b".into()), none.clone());
        // The fleet's document no longer concerns the device and the group with their own.
        book.set(&Scope::Fleet, none);
        assert_eq!(book.touched(&Scope::Fleet, &devices), [0]);
        assert_eq!(book.touched(&Scope::Group("a".into()), &devices), [0]);

        book.set(&Scope::Device(1), None);
        book.set(&Scope::Fleet, None);
        let assigned = book.assigned(book.touched(&Scope::Fleet, &devices), &devices);
        let counts = assigned.iter().map(|(position, faults)| (*position, faults.len()));
        assert_eq!(counts.collect::<Vec<_>>(), [(0, 3), (1, 3)]);
    }

    #[test]
    fn what_holds_for_a_time_stays_beside_whatever_else_changes() {
        let devices = devices();
        let mut book = book();
        let loss = Arc::clone(&FaultSet::preset("realistic").unwrap().faults[0]);
        book.begin(7, loss, Some(vec![0, 2]));
        book.set(&Scope::Fleet, FaultSet::preset("none"));
        let counts = |book: &FaultBook| -> Vec<usize> {
            book.assigned(vec![0, 1, 2], &devices).iter().map(|(_, faults)| faults.len()).collect()
        };
        assert_eq!(counts(&book), [1, 0, 1]);
        assert_eq!(book.end(7), Some(Some(vec![0, 2])));
        assert_eq!(counts(&book), [0, 0, 0]);
    }

    #[test]
    fn the_answer_says_where_faults_come_from() {
        let devices = devices();
        let mut book = book();
        assert_eq!(book.view(&Scope::Device(2), &devices).set_for, "fleet");
        book.set(&Scope::Group("b".into()), FaultSet::preset("none"));
        let view = serde_json::to_value(book.view(&Scope::Device(2), &devices)).unwrap();
        let wanted = serde_json::json!({
            "scope": "device", "name": "b-0", "set_for": "group", "origin": "none", "document": {"fault": []},
        });
        assert_eq!(view, wanted);
    }
}
