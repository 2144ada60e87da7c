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

use super::problem::{Problem, at};
use super::scope::Scope;
use super::selector::{Selection, Selector};
use super::step::Step;
use crate::config::Group;
use crate::document::DocumentError;
use crate::fault_models::FaultModels;
use crate::fault_registry::{FaultRegistry, FaultScope};
use crate::fault_set::FaultSet;
use crate::source::{Source, SourceError};
use crate::suggest::did_you_mean;

/// Value of `faults` in a timeline that resets a fault set: a device inherits that of its group, a group that of the
/// fleet, and the fleet gets back the initial one.
pub const INHERIT: &str = "inherit";

pub(super) const SCOPE_MISPLACED: &str =
    "`group` and `device` beside `at` go with `faults` (and `group` with `ramp`)";

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
    /// The position in the plan, counted from 0. Ids of faults and names of random streams contain it.
    pub index: usize,
    /// Time of the entry.
    pub at: Time,
}

/// A step with its time, which is resolved after all earlier steps.
pub struct Planned {
    pub(super) at: Time,
    pub(super) resolve: Box<Resolve>,
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

/// Computes the links of a group whose configuration has changed, unless it has those of the whole plan.
pub type Relink<'a> = &'a dyn Fn(&mut Group) -> Result<(), String>;

/// The plan that actions are checked against, with faults and groups as they are at the time of the current
/// step.
pub struct PlanState<'a> {
    pub(super) folder: &'a Path,
    pub(super) models: &'a FaultModels,
    /// The end of the run.
    pub end: Time,
    /// The fault sets of the fleet and of groups.
    pub faults: FaultRegistry,
    /// The groups by name.
    pub groups: BTreeMap<String, Group>,
    /// Behaviours that actions use.
    pub(super) sources: Vec<Source>,
    pub(super) relink: Relink<'a>,
    /// Whether a password needs a user name, as on MQTT 3.1.1.
    pub(super) needs_username: bool,
}

impl PlanState<'_> {
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

    /// Creates a fault set from a document in the plan.
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

    /// A copy of a group with changed configuration values and, if given, another behaviour. Errors name the
    /// action.
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
            // The group's own hash is that of its earlier behaviour.
            changed.sha256 = source.pin().map(str::to_owned);
            changed.behaviour = source;
        }
        changed.layout().map_err(|error| at(&format!("{action}.config.{}", error.field), error.problem))?;
        (self.relink)(&mut changed).map_err(|problem| at(&format!("{action}.config"), problem))?;
        Ok(changed)
    }
}
