//! Dry run: checks before a run that behaviours accept the configuration in the plan.
//!
//! Only a behaviour knows which configuration is valid. So the first device of each group is started alone, and the
//! plan is rejected if its behaviour fails to start.

use wasmote_fleet::blueprints::{Blueprints, Components};
use wasmote_fleet::config::{Group, Settings};
use wasmote_mqtt::time::Time;
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::TrapKind;
use wasmote_sim::device::{Blueprint, Device, Input, Now};
use wasmote_sim::notice::DeviceNotice;

use super::ExperimentError;
use super::point::Point;
use super::topology::is_assigned;

/// Checks every group of a point with its initial configuration and with those that the timeline sets.
pub(super) fn dry_run(point: &Point, components: &Components, shown: &str) -> Result<(), ExperimentError> {
    let configured = point.timeline.steps.iter().filter_map(|(_, step)| step.changed_group());
    for group in point.settings.groups.iter().chain(configured) {
        if let Some(reason) = refusal(point, group, components)? {
            let place = format!("{shown}: group.{}.config", group.name);
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

/// Error of the behaviour, if it rejects its configuration.
fn refusal(point: &Point, group: &Group, components: &Components) -> Result<Option<String>, ExperimentError> {
    let first = Group { count: group.count.min(1), ..group.clone() };
    let settings = Settings { groups: vec![first], ..point.settings.clone() };
    let Some(blueprint) = Blueprints::from_components(&settings, components)?.devices.into_iter().next()
    else {
        return Ok(None);
    };
    // The behaviour sees the real size of its group.
    let mut identity = (*blueprint.identity).clone();
    identity.count = group.count;
    let blueprint = Blueprint { identity: identity.into(), ..blueprint };
    let mut actions = Vec::new();
    let now = Now { run: Time::ZERO, wall: point.epoch };
    Device::new(blueprint, Time::ZERO).handle(Input::Start, now, &mut actions);
    Ok(actions.into_iter().find_map(|action| match action {
        Action::Notice(DeviceNotice::Trapped(trap, _)) if trap.kind == TrapKind::Refused => {
            Some(trap.message)
        }
        _ => None,
    }))
}
