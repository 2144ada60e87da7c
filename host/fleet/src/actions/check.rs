//! Check of a timeline: actions are compared with the plan and become steps in order of time.
//!
//! It has two passes. First [`TimelineAction::check`] looks at each entry as it is written, in the order of the file.
//! Then [`PlanState`] goes through the steps in order of time, because some depend on those before them: a ramp changes the
//! fault document that is in force by then, and `configure` the group as earlier actions left it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use wasmote_mqtt::time::Time;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::faults::span::Span;

use super::TimelineAction;
use super::entry::TimelineEntry;
use super::scope::Scope;
use super::selector::{Selection, Selector};
use super::step::Step;
use crate::config::{Group, Settings};
use crate::document::DocumentError;
use crate::fault_models::FaultModels;
use crate::fault_registry::{FaultRegistry, FaultScope};
use crate::fault_set::FaultSet;
use crate::source::{Source, SourceError};
use crate::suggest::did_you_mean;

/// Instead of faults in a timeline: a device goes back to its group's, a group to the fleet's, and the fleet to
/// those that the run began with.
pub const INHERIT: &str = "inherit";

pub(super) const SCOPE_MISPLACED: &str =
    "`group` and `device` beside `at` go with `faults` (and `group` with `ramp`)";

/// A field and what is wrong with it.
pub type Problem = (String, String);

/// Something wrong with a field; an empty name stands for the entry as a whole.
pub(super) fn at(field: &str, problem: impl Into<String>) -> Problem {
    (field.to_owned(), problem.into())
}

/// Refuses a duration of zero.
pub(super) fn check_duration(field: &str, lasting: Span) -> Result<(), Problem> {
    match lasting.0.is_zero() {
        true => Err(at(field, "it is zero; write a time such as \"10s\"")),
        false => Ok(()),
    }
}

/// Position of an entry in a timeline, and its time.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    /// The position in the plan, from 0. Ids of faults and streams of randomness are made from it.
    pub index: usize,
    /// When the entry is due.
    pub at: Time,
}

/// A step with its time, to be resolved once all steps before it are.
pub struct Planned {
    at: Time,
    resolve: Box<Resolve>,
}

type Resolve = dyn FnOnce(&mut PlanState<'_>) -> Result<Arc<dyn Step>, Problem>;

impl Planned {
    /// A step that depends on no other.
    pub fn ready(at: Time, step: impl Step + 'static) -> Self {
        Self { at, resolve: Box::new(move |_| Ok(Arc::new(step))) }
    }

    /// A step that depends on the plan as it is at its time.
    pub fn deferred<S: Step + 'static>(
        at: Time,
        resolve: impl FnOnce(&mut PlanState<'_>) -> Result<S, Problem> + 'static,
    ) -> Self {
        Self { at, resolve: Box::new(move |plan| Ok(Arc::new(resolve(plan)?))) }
    }
}

/// The steps of a timeline.
#[derive(Clone, Debug, Default)]
pub struct CheckedActions {
    /// With their times, in order.
    pub steps: Vec<(Time, Arc<dyn Step>)>,
    /// Behaviours that actions bring in.
    pub sources: Vec<Source>,
}

/// Computes the links of a group whose configuration has changed, unless it has those of the whole plan.
pub type Relink<'a> = &'a dyn Fn(&mut Group) -> Result<(), String>;

/// Checks the actions of all entries. The error names the field.
pub fn check(
    entries: &[TimelineEntry],
    settings: &Settings,
    folder: &Path,
    end: Time,
    relink: Relink<'_>,
) -> Result<CheckedActions, Problem> {
    let mut plan = PlanState {
        folder,
        models: &settings.models,
        end,
        faults: FaultRegistry::new(settings),
        groups: settings.groups.iter().map(|group| (group.name.clone(), group.clone())).collect(),
        sources: Vec::new(),
        relink,
    };
    plan.check_fault_devices(&settings.faults, "faults")?;
    for group in &settings.groups {
        let own = group.faults.as_ref().map_or(Ok(()), |own| plan.check_fault_devices(own, "faults"));
        own.map_err(|(field, problem)| (format!("group.{}.{field}", group.name), problem))?;
    }
    let mut planned = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let steps = plan.check_entry(index, entry).map_err(|problem| located(index, problem))?;
        planned.extend(steps.into_iter().map(|step| (index, step)));
    }
    // The sort is stable: entries of the same time stay in the order of the file.
    planned.sort_by_key(|(_, step)| step.at);
    let mut steps = Vec::new();
    for (index, Planned { at, resolve }) in planned {
        steps.push((at, resolve(&mut plan).map_err(|problem| located(index, problem))?));
    }
    Ok(CheckedActions { steps, sources: plan.sources })
}

fn located(index: usize, (field, problem): Problem) -> Problem {
    let dot = if field.is_empty() { "" } else { "." };
    (format!("timeline[{index}]{dot}{field}"), problem)
}

/// The plan that actions are checked against, with faults and groups as they are at the time of the step at hand.
pub struct PlanState<'a> {
    folder: &'a Path,
    models: &'a FaultModels,
    /// The end of the run.
    pub end: Time,
    /// The fault sets of the fleet and of groups.
    pub faults: FaultRegistry,
    /// The groups by name.
    pub groups: BTreeMap<String, Group>,
    sources: Vec<Source>,
    relink: Relink<'a>,
}

impl PlanState<'_> {
    fn check_entry(&self, index: usize, entry: &TimelineEntry) -> Result<Vec<Planned>, Problem> {
        let occasion = Occasion { index, at: Time::ZERO + entry.at.0 };
        if occasion.at >= self.end {
            return Err(at("at", "it is not before the end of the run"));
        }
        if let Some(group) = &entry.scope.group {
            self.check_group(group).map_err(|problem| at("group", problem))?;
        }
        if let Some(device) = &entry.scope.device {
            self.check_device_pattern(device).map_err(|problem| at("device", problem))?;
        }
        let mut steps = Vec::new();
        for action in &entry.actions {
            steps.extend(action.check(occasion, self)?);
        }
        match (entry.actions.len(), &entry.phase) {
            (0, None) => {
                return Err(at("", "nothing happens then; add an action such as `crash` or `faults`"));
            }
            (0 | 1, _) => {}
            _ => return Err(at("", "it has several actions; give each an entry of its own")),
        }
        let takes_scope = entry.actions.iter().any(|action| action.scope().is_some());
        match takes_scope || entry.scope.is_fleet() {
            true => Ok(steps),
            false => Err(at("", SCOPE_MISPLACED)),
        }
    }

    /// Checks that a group exists.
    pub fn check_group(&self, group: &str) -> Result<(), String> {
        if self.groups.contains_key(group) {
            return Ok(());
        }
        let names = || self.groups.keys().map(String::as_str);
        let (known, hint) = (names().collect::<Vec<_>>().join("`, `"), did_you_mean(group, names()));
        Err(format!("no group is called `{group}`; there are `{known}`{hint}"))
    }

    /// Checks the devices of an action. The seed's stream for the draw is named after the entry's position.
    pub fn selection(
        &self,
        occasion: Occasion,
        field: &str,
        selector: &Selector,
    ) -> Result<Selection, Problem> {
        for group in selector.group.iter() {
            self.check_group(group).map_err(|problem| at(&format!("{field}.group"), problem))?;
        }
        for device in selector.devices.iter().flatten() {
            self.check_device_pattern(device).map_err(|problem| at(&format!("{field}.devices"), problem))?;
        }
        let selection = Selection::new(selector, format!("timeline/{}", occasion.index));
        selection.map_err(|(part, problem)| at(&format!("{field}.{part}"), problem))
    }

    /// Finds a behaviour by its name or path.
    pub fn find_behaviour(&self, name: &str) -> Result<Source, SourceError> {
        Source::find(name, self.folder)
    }

    /// Loads a preset or a file of faults.
    pub fn load_faults(&self, name: &str) -> Result<FaultSet, DocumentError> {
        FaultSet::load(name, self.folder, self.models)
    }

    /// Makes a fault set of a document in the plan.
    pub fn fault_set(&self, document: FaultDocument) -> Result<FaultSet, DocumentError> {
        FaultSet::new("timeline", document, &self.models.in_folder(self.folder))
    }

    /// Sets the faults of a scope from now on, which later ramps start from. Those of single devices have no ramps.
    pub fn set_faults(&mut self, scope: &Scope, set: Option<&FaultSet>) {
        let scope = match scope {
            Scope::Fleet => FaultScope::Fleet,
            Scope::Group(name) => FaultScope::Group(name.clone()),
            Scope::Devices(_) => return,
        };
        self.faults.set(&scope, set.cloned());
    }

    /// A group with other values, and maybe another behaviour, for the action of this name.
    pub fn modified_group(
        &mut self,
        action: &str,
        group: &str,
        config: Map<String, Value>,
        source: Option<Source>,
    ) -> Result<Group, Problem> {
        let known = self.groups.get(group).ok_or_else(|| at(&format!("{action}.group"), "it is gone"));
        let mut changed = known?.clone();
        changed.config.extend(config);
        if let Some(source) = source {
            self.sources.push(source.clone());
            changed.behaviour = source;
        }
        (self.relink)(&mut changed).map_err(|problem| at(&format!("{action}.config"), problem))?;
        Ok(changed)
    }
}
