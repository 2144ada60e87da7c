//! Compiles a timeline: the actions of all entries become steps in order of time.

use std::path::Path;
use std::sync::Arc;

use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;

use super::TimelineAction;
use super::check::{Occasion, PlanState, Planned, Relink, SCOPE_MISPLACED};
use super::entry::TimelineEntry;
use super::problem::{Problem, at};
use super::step::Step;
use crate::config::Settings;
use crate::fault_registry::FaultRegistry;
use crate::source::Source;

/// The steps of a timeline.
#[derive(Clone, Debug, Default)]
pub struct CheckedActions {
    /// Steps with their times, in order.
    pub steps: Vec<(Time, Arc<dyn Step>)>,
    /// Behaviours that actions load.
    pub sources: Vec<Source>,
}

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
        needs_username: settings.protocol == Protocol::V4,
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
}
