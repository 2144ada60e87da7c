//! From the timeline of a plan to its script.
//!
//! `faults`: what goes wrong from when on, ramps and the broker's failures included. `message`: what is said to devices.
//! `names`: whether devices can have the names that it gives them.

mod faults;
mod message;
mod names;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use wasmote_mqtt::time::Time;

use super::selector::Selection;
use super::{Action, Phase, Scope, Timeline};
use crate::config::values::DeviceCount;
use crate::config::{Group, Settings};
use crate::experiment::plan_file::{Add, Configure, PlanFile, Selector, Swap, TimelineEntry};
use crate::fault_models::FaultModels;
use crate::fault_set::FaultSet;
use crate::source::Source;
use crate::suggest::did_you_mean;

/// Instead of faults in a timeline: a device goes back to its group's, a group to the fleet's, and the fleet to
/// those that the run began with.
pub const INHERIT: &str = "inherit";

/// A field and what is wrong with it.
type Problem = (String, String);

/// Check a timeline and put it in order. The error names the field.
pub fn compile(plan: &PlanFile, settings: &Settings, folder: &Path) -> Result<Timeline, Problem> {
    let own = settings.groups.iter().filter_map(|group| Some((group.name.clone(), group.faults.clone()?)));
    let mut compiler = Compiler {
        folder,
        models: &settings.models,
        end: Time::ZERO + plan.duration.0,
        initial_faults: &settings.faults,
        fleet: settings.faults.clone(),
        own: own.collect(),
        groups: settings.groups.iter().map(|group| (group.name.clone(), group.clone())).collect(),
        steps: Vec::new(),
        timeline: Timeline::default(),
    };
    compiler.check_fault_devices(&settings.faults, "faults")?;
    for group in &settings.groups {
        let own = group.faults.as_ref().map_or(Ok(()), |own| compiler.check_fault_devices(own, "faults"));
        own.map_err(|(field, problem)| (format!("group.{}.{field}", group.name), problem))?;
    }
    for (index, entry) in plan.timeline.iter().enumerate() {
        let located = |(field, problem): Problem| match field.is_empty() {
            true => (format!("timeline[{index}]"), problem),
            false => (format!("timeline[{index}].{field}"), problem),
        };
        compiler.entry(index, entry).map_err(located)?;
    }
    compiler.finish()
}

struct Compiler<'a> {
    folder: &'a Path,
    models: &'a FaultModels,
    end: Time,
    initial_faults: &'a FaultSet,
    /// Documents as they are at the time that is looked at.
    fleet: FaultSet,
    own: BTreeMap<String, FaultSet>,
    groups: BTreeMap<String, Group>,
    steps: Vec<(Time, usize, PendingAction)>,
    timeline: Timeline,
}

/// A deed, or something that becomes one when it is known what came before.
enum PendingAction {
    Ready(Action),
    Ramp { group: Option<String>, field: String, value: Value },
    Configure(Configure, Option<Source>),
    Swap(Swap, Source, Option<Selection>),
}

fn at(field: &str, problem: impl Into<String>) -> Problem {
    (field.to_owned(), problem.into())
}

impl Compiler<'_> {
    fn entry(&mut self, index: usize, entry: &TimelineEntry) -> Result<(), Problem> {
        let time = Time::ZERO + entry.at.0;
        if time >= self.end {
            return Err(at("at", "it is not before the end of the run"));
        }
        if let Some(name) = &entry.phase {
            let phase = Phase { name: name.to_string(), from: time, to: self.end };
            if self.timeline.phases.iter().any(|other| other.name == phase.name) {
                return Err(at("phase", format!("there is an earlier phase `{name}`")));
            }
            self.timeline.phases.push(phase);
        }
        for group in entry.group.iter() {
            self.check_group(group).map_err(|problem| at("group", problem))?;
        }
        let named = [
            ("device", entry.device.as_ref()),
            ("publish.device", entry.publish.as_ref().and_then(|publish| publish.device.as_ref())),
            ("request.device", entry.request.as_ref().map(|request| &request.device)),
        ];
        for (field, device) in named {
            device
                .map_or(Ok(()), |device| self.check_device_pattern(device))
                .map_err(|problem| at(field, problem))?;
        }
        let mut steps = self.steps_of(index, entry)?;
        match (steps.len(), &entry.phase) {
            (0, None) => {
                return Err(at("", "nothing happens then; add an action such as `crash` or `faults`"));
            }
            (0 | 1, _) => {}
            _ => return Err(at("", "it has several actions; give each an entry of its own")),
        }
        if (entry.group.is_some() && entry.faults.is_none() && entry.ramp.is_none())
            || (entry.device.is_some() && entry.faults.is_none())
        {
            return Err(at(
                "",
                "`group` and `device` beside `at` go with `faults` (and `group` with `ramp`)",
            ));
        }
        for (time, step) in steps.pop().unwrap_or_default() {
            self.steps.push((time, index, step));
        }
        Ok(())
    }

    /// The steps of each action of an entry.
    fn steps_of(
        &self,
        index: usize,
        entry: &TimelineEntry,
    ) -> Result<Vec<Vec<(Time, PendingAction)>>, Problem> {
        let time = Time::ZERO + entry.at.0;
        let now = |action| vec![(time, PendingAction::Ready(action))];
        let selection = |field: &str, selector: &Selector| self.selection(index, field, selector);
        let mut all = Vec::new();
        if let Some(faults) = &entry.faults {
            all.push(now(self.faults(entry, faults)?));
        }
        if let Some(ramp) = &entry.ramp {
            all.push(self.ramp(time, entry.group.as_ref(), ramp)?);
        }
        if let Some(selector) = &entry.crash {
            all.push(now(Action::Crash(selection("crash", selector)?)));
        }
        if let Some(selector) = &entry.stop {
            all.push(now(Action::Stop(selection("stop", selector)?)));
        }
        if let Some(selector) = &entry.start {
            all.push(now(Action::Start(selection("start", selector)?)));
        }
        if let Some(disconnect) = &entry.disconnect {
            all.push(self.disconnect(index, time, disconnect)?);
        }
        if let Some(partition) = &entry.partition {
            all.push(self.partition(index, time, partition)?);
        }
        if let Some(broker) = &entry.broker {
            all.push(now(faults::broker(index, broker)?));
        }
        if let Some(publish) = &entry.publish {
            all.push(now(message::publish(publish)?));
        }
        if let Some(request) = &entry.request {
            all.push(now(message::request(request)));
        }
        if let Some(Add { group, count: DeviceCount(count) }) = &entry.add {
            self.check_group(group).map_err(|problem| at("add.group", problem))?;
            all.push(now(Action::Add(group.clone(), *count)));
        }
        if let Some(configure) = &entry.configure {
            self.check_group(&configure.group).map_err(|problem| at("configure.group", problem))?;
            let find = |name: &String| Source::find(name, self.folder);
            let source = configure.behaviour.as_ref().map(find).transpose();
            let source = source.map_err(|problem| at("configure.behaviour", problem.to_string()))?;
            all.push(vec![(time, PendingAction::Configure(configure.clone(), source))]);
        }
        if let Some(swap) = &entry.swap {
            self.check_group(&swap.group).map_err(|problem| at("swap.group", problem))?;
            let source = Source::find(&swap.behaviour, self.folder);
            let source = source.map_err(|problem| at("swap.behaviour", problem.to_string()))?;
            let selection = self.swap_selection(index, swap)?;
            all.push(vec![(time, PendingAction::Swap(swap.clone(), source, selection))]);
        }
        Ok(all)
    }

    fn check_group(&self, group: &str) -> Result<(), String> {
        if self.groups.contains_key(group) {
            return Ok(());
        }
        let names = || self.groups.keys().map(String::as_str);
        let (known, hint) = (names().collect::<Vec<_>>().join("`, `"), did_you_mean(group, names()));
        Err(format!("no group is called `{group}`; there are `{known}`{hint}"))
    }

    fn selection(&self, index: usize, field: &str, selector: &Selector) -> Result<Selection, Problem> {
        for group in selector.group.iter() {
            self.check_group(group).map_err(|problem| at(&format!("{field}.group"), problem))?;
        }
        for device in selector.devices.iter().flatten() {
            self.check_device_pattern(device).map_err(|problem| at(&format!("{field}.devices"), problem))?;
        }
        let selection = Selection::new(selector, format!("timeline/{index}"));
        selection.map_err(|(part, problem)| at(&format!("{field}.{part}"), problem))
    }

    /// The devices of a swap that is not for the whole group.
    fn swap_selection(&self, index: usize, swap: &Swap) -> Result<Option<Selection>, Problem> {
        let Swap { group, devices, share, count, .. } = swap.clone();
        if devices.is_none() && share.is_none() && count.is_none() {
            return Ok(None);
        }
        self.selection(index, "swap", &Selector { group: Some(group), devices, share, count }).map(Some)
    }

    /// Put everything in order, and settle what depends on what came before.
    fn finish(mut self) -> Result<Timeline, Problem> {
        self.timeline.phases.sort_by_key(|phase| phase.from);
        let begins: Vec<Time> = self.timeline.phases.iter().skip(1).map(|phase| phase.from).collect();
        for (phase, next) in self.timeline.phases.iter_mut().zip(begins) {
            phase.to = next;
        }
        let mut steps = std::mem::take(&mut self.steps);
        steps.sort_by_key(|(time, _, _)| *time);
        for (time, index, step) in steps {
            let action = self
                .resolve(step)
                .map_err(|(field, problem)| at(&format!("timeline[{index}].{field}"), problem))?;
            self.timeline.actions.push((time, action));
        }
        Ok(self.timeline)
    }

    fn resolve(&mut self, step: PendingAction) -> Result<Action, Problem> {
        match step {
            PendingAction::Ready(Action::Faults(scope, set)) => {
                match (&scope, &set) {
                    (Scope::Fleet, set) => self.fleet = set.as_ref().unwrap_or(self.initial_faults).clone(),
                    (Scope::Group(name), Some(set)) => drop(self.own.insert(name.clone(), set.clone())),
                    (Scope::Group(name), None) => drop(self.own.remove(name)),
                    (Scope::Devices(_), _) => {}
                }
                Ok(Action::Faults(scope, set))
            }
            PendingAction::Ready(action) => Ok(action),
            PendingAction::Ramp { group, field, value } => self.resolve_ramp(group, &field, value),
            PendingAction::Configure(Configure { group, config, .. }, source) => {
                let changed = self.update_group(&group, config, source);
                Ok(Action::Configure(Box::new(changed.ok_or_else(|| at("configure.group", "it is gone"))?)))
            }
            PendingAction::Swap(Swap { group, config, trial, .. }, source, selection) => {
                let changed = match selection {
                    None => self.update_group(&group, config, Some(source)),
                    Some(_) => self.modified_group(&group, config, Some(source)),
                };
                let changed = changed.ok_or_else(|| at("swap.group", "it is gone"))?;
                Ok(Action::Swap(Box::new(changed), trial.0, selection))
            }
        }
    }

    /// A group as it is from now on.
    fn update_group(
        &mut self,
        group: &str,
        config: Map<String, Value>,
        source: Option<Source>,
    ) -> Option<Group> {
        let changed = self.modified_group(group, config, source)?;
        self.groups.insert(group.to_owned(), changed.clone());
        Some(changed)
    }

    /// A group with other values, and maybe another behaviour.
    fn modified_group(
        &mut self,
        group: &str,
        config: Map<String, Value>,
        source: Option<Source>,
    ) -> Option<Group> {
        let mut changed = self.groups.get(group)?.clone();
        changed.config.extend(config);
        if let Some(source) = source {
            self.timeline.sources.push(source.clone());
            changed.behaviour = source;
        }
        Some(changed)
    }
}
