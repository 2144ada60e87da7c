//! Dry run: checks before a run that behaviours accept the configuration in the plan.
//!
//! Only a behaviour knows which configuration is valid. So the first device of each group is started alone, and the
//! plan is rejected if its behaviour refuses to start, or traps in several starts in a row.

use wasmote_fleet::blueprints::{Blueprints, Components};
use wasmote_fleet::config::{Group, Settings};
use wasmote_mqtt::time::Time;
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::{Trap, TrapKind};
use wasmote_sim::device::{Blueprint, Device, Input, Now};
use wasmote_sim::notice::DeviceNotice;

use super::ExperimentError;
use super::point::Point;
use super::topology::is_assigned;

/// Number of starts that must trap. A behaviour may trap in some starts only, for example by chance.
const STARTS: u32 = 3;

/// Checks every group of a point with its initial configuration and with those that the timeline sets.
pub(super) fn dry_run(point: &Point, components: &Components, shown: &str) -> Result<(), ExperimentError> {
    let configured = point.timeline.steps.iter().filter_map(|(_, step)| step.changed_group());
    for group in point.settings.groups.iter().chain(configured) {
        if let Some(trap) = start_failure(point, group, components)? {
            if trap.kind != TrapKind::Refused {
                let place = format!("{shown}: group.{}.behaviour", group.name);
                let problem = format!("it cannot start, in {STARTS} of {STARTS} attempts: {trap}");
                return Err(ExperimentError::invalid(place, problem));
            }
            let (reason, place) = (trap.message, format!("{shown}: group.{}.config", group.name));
            let hint = match is_assigned(&point.plan, group) && reason.contains("topology: unknown field") {
                true => {
                    "; `[topology]` sets this field: list in its `groups` only groups whose behaviour knows it"
                }
                false => "",
            };
            return Err(ExperimentError::invalid(place, format!("{reason}{hint}")));
        }
    }
    Ok(())
}

/// Error of the behaviour, if it rejects its configuration or traps in every start.
fn start_failure(
    point: &Point,
    group: &Group,
    components: &Components,
) -> Result<Option<Trap>, ExperimentError> {
    let first = Group { count: group.count.min(1), ..group.clone() };
    let settings = Settings { groups: vec![first], ..point.settings.clone() };
    let Some(blueprint) = Blueprints::from_components(&settings, components)?.devices.into_iter().next()
    else {
        return Ok(None);
    };
    // The behaviour sees the real size of its group.
    let mut identity = (*blueprint.identity).clone();
    identity.count = group.count;
    let mut device = Device::new(Blueprint { identity: identity.into(), ..blueprint }, Time::ZERO);
    let mut at = Time::ZERO;
    for attempt in 1..=STARTS {
        let mut actions = Vec::new();
        let now = Now { run: at, wall: point.epoch + at.elapsed() };
        device.handle(if attempt == 1 { Input::Start } else { Input::Wake }, now, &mut actions);
        let trap = actions.into_iter().find_map(|action| match action {
            Action::Notice(DeviceNotice::Trapped(trap, restart)) => Some((trap, restart)),
            _ => None,
        });
        let Some((trap, restart)) = trap else { break };
        match restart.filter(|_| attempt < STARTS) {
            Some(pause) => at = at + pause,
            None => return Ok(Some(trap)),
        }
    }
    Ok(None)
}
