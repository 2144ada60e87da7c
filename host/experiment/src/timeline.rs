//! Timeline of a plan: checked steps ordered by time, and the phases of the run.
//!
//! The steps come from [`actions`](wasmote_fleet::actions). Data that depends only on the plan is computed here, such
//! as the steps of a ramp. Data that depends on the seed, such as the devices that a share selects, is computed in
//! the run.

use std::path::Path;
use std::sync::Arc;

use wasmote_fleet::actions::compile::{CheckedActions, check};
use wasmote_fleet::actions::problem::Problem;
use wasmote_fleet::actions::step::Step;
use wasmote_fleet::config::{Group, Settings};
use wasmote_fleet::source::Source;
use wasmote_mqtt::time::Time;

use super::plan_file::PlanFile;
use super::topology::{is_assigned, link_own};

/// Steps and phases of a run.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Steps with their times, earliest first.
    pub steps: Vec<(Time, Arc<dyn Step>)>,
    /// Phases of the run, in order.
    pub phases: Vec<Phase>,
    /// Behaviours that steps use.
    pub sources: Vec<Source>,
}

/// Named part of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// The name.
    pub name: String,
    /// Start time.
    pub from: Time,
    /// End time.
    pub to: Time,
}

impl Timeline {
    /// Checks the timeline of a plan and sorts it by time. The error names the field.
    pub fn new(plan: &PlanFile, settings: &Settings, folder: &Path) -> Result<Self, Problem> {
        let end = Time::ZERO + plan.duration.0;
        let phases = phases(plan, end)?;
        let relink = |group: &mut Group| match is_assigned(plan, group) {
            true => Ok(()),
            false => link_own(plan, group).map_err(|(_, problem)| problem),
        };
        let CheckedActions { steps, sources } = check(&plan.timeline, settings, folder, end, &relink)?;
        Ok(Self { steps, phases, sources })
    }
}

fn phases(plan: &PlanFile, end: Time) -> Result<Vec<Phase>, Problem> {
    let mut phases: Vec<Phase> = Vec::new();
    for (index, entry) in plan.timeline.iter().enumerate() {
        let Some(name) = &entry.phase else { continue };
        if phases.iter().any(|other| other.name == name.as_str()) {
            return Err((format!("timeline[{index}].phase"), format!("there is an earlier phase `{name}`")));
        }
        phases.push(Phase { name: name.to_string(), from: Time::ZERO + entry.at.0, to: end });
    }
    phases.sort_by_key(|phase| phase.from);
    let begins: Vec<Time> = phases.iter().skip(1).map(|phase| phase.from).collect();
    for (phase, next) in phases.iter_mut().zip(begins) {
        phase.to = next;
    }
    Ok(phases)
}
