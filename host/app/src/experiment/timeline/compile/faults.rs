//! What goes wrong from when on.

use std::time::Duration;

use serde_json::Value;
use wasmote_mqtt::time::Time;
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::document::{FaultDocument, FaultEntry, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::faults::target::Pattern;

use super::{Compiler, INHERIT, PendingAction, Problem, at};
use crate::config::file::FaultsEntry;
use crate::document;
use crate::experiment::path;
use crate::experiment::plan_file::{Broker, Disconnect, Partition, Ramp, Selector, TimelineEntry};
use crate::experiment::range::{Scale, to_whole};
use crate::experiment::timeline::selector::Selection;
use crate::experiment::timeline::{Action, Scope, TimedFault};
use crate::fault_set::{BROKER_FAULT_NEEDS_FLEET, FaultSet};

impl Compiler<'_> {
    pub(super) fn faults(&self, entry: &TimelineEntry, faults: &FaultsEntry) -> Result<Action, Problem> {
        let library = self.models.in_folder(self.folder);
        let set = match faults {
            FaultsEntry::Named(name) if name == INHERIT => None,
            FaultsEntry::Named(name) => Some(FaultSet::load(name, self.folder, self.models)),
            FaultsEntry::Inline(document) => Some(FaultSet::new("timeline", document.clone(), &library)),
        };
        let set = set.transpose().map_err(|error| at("faults", error.to_string()))?;
        if let Some(set) = &set {
            let checked = set.check_groups(self.groups.keys().map(String::as_str));
            checked.map_err(|error| at("faults", error.to_string()))?;
            self.check_fault_devices(set, "faults")?;
            if entry.group.is_some() || entry.device.is_some() {
                set.reject_broker_faults(BROKER_FAULT_NEEDS_FLEET)
                    .map_err(|error| at("faults", error.to_string()))?;
            }
        }
        let scope = match (&entry.group, &entry.device) {
            (None, None) => Scope::Fleet,
            (Some(group), None) => Scope::Group(group.clone()),
            (None, Some(device)) => Scope::Devices(Pattern::new(device)),
            (Some(_), Some(_)) => return Err(at("device", "it does not go with `group`; give one of them")),
        };
        Ok(Action::Faults(scope, set))
    }

    pub(super) fn ramp(
        &self,
        time: Time,
        group: Option<&String>,
        ramp: &Ramp,
    ) -> Result<Vec<(Time, PendingAction)>, Problem> {
        if !(1..=10_000).contains(&ramp.steps) {
            return Err(at("ramp.steps", format!("{} is no number of steps; use 1 to 10000", ramp.steps)));
        }
        if time + ramp.over.0 >= self.end {
            return Err(at("ramp.over", "it is not over before the end of the run"));
        }
        let step = |step: u32| {
            let part = f64::from(step) / f64::from(ramp.steps);
            let value = ramp.from.interpolate(ramp.to, part, Scale::Linear).value();
            let step = PendingAction::Ramp { group: group.cloned(), field: ramp.field.clone(), value };
            (time + ramp.over.0.mul_f64(part), step)
        };
        Ok((0..=ramp.steps).map(step).collect())
    }

    pub(super) fn disconnect(
        &self,
        index: usize,
        time: Time,
        it: &Disconnect,
    ) -> Result<Vec<(Time, PendingAction)>, Problem> {
        let Disconnect { group, devices, share, count, lasting } = it.clone();
        let selection = self.selection(index, "disconnect", &Selector { group, devices, share, count })?;
        // A trial that always succeeds, held by each device once within this time. Then the fault is taken away,
        // and what it has begun runs out by itself.
        let once = Duration::from_millis(10);
        let entry = FaultEntry {
            id: Some(format!("timeline-{index}")),
            kind: Kind::Disconnect,
            every: Some(Span(once)),
            probability: Some(1.0),
            lasting: Some(lasting),
            ..FaultEntry::default()
        };
        let timed_fault = timed_fault(entry, Some(selection));
        let timed_fault =
            timed_fault.map_err(|(field, problem)| at(&format!("disconnect.{field}"), problem))?;
        let begin = PendingAction::Ready(Action::BeginFault(index, timed_fault));
        Ok(vec![(time, begin), (time + once, PendingAction::Ready(Action::EndFault(index)))])
    }

    pub(super) fn partition(
        &self,
        index: usize,
        time: Time,
        it: &Partition,
    ) -> Result<Vec<(Time, PendingAction)>, Problem> {
        self.check_group(&it.group).map_err(|problem| at("partition.group", problem))?;
        self.check_distinguishable(&it.group).map_err(|problem| at("partition.group", problem))?;
        check_duration("partition.for", it.lasting)?;
        let others = self.groups.keys().filter(|name| **name != it.group);
        let others = || others.map(|name| format!("{name}-*")).collect();
        let entry = FaultEntry {
            id: Some(format!("timeline-{index}")),
            kind: Kind::Partition,
            group: Some(it.group.clone()),
            direction: Some(it.direction),
            peers: Some(it.peers.clone().unwrap_or_else(others)).filter(|peers| !peers.is_empty()),
            ..FaultEntry::default()
        };
        let timed_fault = timed_fault(entry, None)
            .map_err(|(field, problem)| at(&format!("partition.{field}"), problem))?;
        let over = time + it.lasting.0;
        let mut steps = vec![(time, PendingAction::Ready(Action::BeginFault(index, timed_fault)))];
        if over < self.end {
            steps.push((over, PendingAction::Ready(Action::EndFault(index))));
        }
        Ok(steps)
    }

    /// Who sent a message is known by its name, and a group by how the names of its devices begin.
    fn check_distinguishable(&self, group: &str) -> Result<(), String> {
        let is_ambiguous = |other: &str| {
            other != group
                && (other.starts_with(&format!("{group}-")) || group.starts_with(&format!("{other}-")))
        };
        match self.groups.keys().find(|other| is_ambiguous(other)) {
            None => Ok(()),
            Some(other) => Err(format!(
                "devices of `{group}` and of `{other}` have names that begin alike, by which the two sides could not be told \
                 apart; call one of the groups otherwise"
            )),
        }
    }

    /// A ramp's step goes on from the document that holds by then.
    pub(super) fn resolve_ramp(
        &mut self,
        group: Option<String>,
        field: &str,
        value: Value,
    ) -> Result<Action, Problem> {
        let own = group.as_ref().and_then(|name| self.own.get_mut(name));
        let set = match own {
            Some(own) => own,
            None => &mut self.fleet,
        };
        let mut changed = serde_json::to_value(&set.document).unwrap_or_default();
        let whole = to_whole(&value);
        path::set(&mut changed, field, value).map_err(|problem| at("ramp.field", problem))?;
        let document = read(&changed).or_else(|error| {
            // A field that takes whole numbers alone goes up in stairs.
            let Some(whole) = whole else { return Err(error) };
            path::set(&mut changed, field, whole).map_err(|problem| at("ramp.field", problem))?;
            read(&changed).map_err(|_| error)
        })?;
        let library = self.models.in_folder(self.folder);
        let new =
            FaultSet::new("timeline", document, &library).map_err(|error| at("ramp", error.to_string()))?;
        let scope = match group {
            None => {
                self.fleet = new.clone();
                Scope::Fleet
            }
            Some(name) => {
                self.own.insert(name.clone(), new.clone());
                Scope::Group(name)
            }
        };
        Ok(Action::Faults(scope, Some(new)))
    }
}

fn read(faults: &Value) -> Result<FaultDocument, Problem> {
    document::parse_json(faults.to_string().as_bytes()).map_err(|error| at("ramp.field", error.to_string()))
}

fn timed_fault(entry: FaultEntry, selection: Option<Selection>) -> Result<Box<TimedFault>, Problem> {
    let faults = FaultDocument { faults: vec![entry.clone()] }.faults();
    let fault = faults.map(|mut faults| faults.pop());
    let fault = fault.map_err(|invalid| at(invalid.field, invalid.problem))?;
    let fault = fault.ok_or_else(|| at("", "it makes no fault"))?;
    Ok(Box::new(TimedFault { entry, fault, selection }))
}

/// What comes over the broker.
pub(super) fn broker(index: usize, broker: &Broker) -> Result<Action, Problem> {
    let (field, lasting, failure) = match (broker.pause, broker.restart, broker.persistent) {
        (Some(_), None, Some(_)) => {
            return Err(at("broker.persistent", "it goes with `restart`; a pause forgets nothing"));
        }
        (Some(pause), None, None) => ("pause", pause, Failure::Pause),
        (None, Some(restart), persistent) => {
            ("restart", restart, Failure::Restart { persistent: persistent.unwrap_or(false) })
        }
        _ => return Err(at("broker", "give one of `pause` and `restart`, with a time such as \"10s\"")),
    };
    check_duration(&format!("broker.{field}"), lasting)?;
    Ok(Action::Broker(format!("timeline-{index}").into(), failure, lasting.0))
}

fn check_duration(field: &str, lasting: Span) -> Result<(), Problem> {
    match lasting.0.is_zero() {
        true => Err(at(field, "it is zero; write a time such as \"10s\"")),
        false => Ok(()),
    }
}
