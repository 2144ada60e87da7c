//! Power of devices: the step that `crash`, `stop` and `start` share.

use wasmote_live::fleet::PowerCommand;

use super::check::{Occasion, PlanState, Planned};
use super::pods::{PodFleet, PodRequests};
use super::problem::Problem;
use super::selector::{Devices, Selection, Selector};
use super::step::Step;
use super::target::{ApplyResult, Target};

/// Checks the devices of a power action and makes its step.
pub(super) fn check(
    selector: &Selector,
    command: PowerCommand,
    occasion: Occasion,
    plan: &PlanState<'_>,
) -> Result<Vec<Planned>, Problem> {
    let selection = plan.selection(occasion, name(command), selector)?;
    Ok(vec![Planned::ready(occasion.at, SwitchPower { command, selection })])
}

/// Names of the devices, as a user gave them.
pub(super) fn device_names(selector: &Selector) -> String {
    selector.devices.as_ref().map_or_else(|| "devices".to_owned(), |names| names.join(", "))
}

fn name(command: PowerCommand) -> &'static str {
    match command {
        PowerCommand::Start => "start",
        PowerCommand::Stop => "stop",
        PowerCommand::Crash => "crash",
    }
}

#[derive(Debug)]
struct SwitchPower {
    command: PowerCommand,
    selection: Selection,
}

impl Step for SwitchPower {
    fn name(&self) -> &'static str {
        name(self.command)
    }

    fn describe(&self) -> Vec<String> {
        vec![self.selection.describe()]
    }

    fn affected(&self, devices: Devices<'_>) -> Option<usize> {
        Some(self.selection.resolve(devices).len())
    }

    fn apply(&self, target: &mut dyn Target) -> ApplyResult {
        let devices = self.selection.resolve(target.devices());
        target.power(&devices, self.command)
    }

    fn requests(&self, pods: &mut PodFleet) -> Result<PodRequests, String> {
        let devices = self.selection.resolve(pods.devices());
        Ok(PodFleet::request_each(devices, "POST", &format!("/{}", name(self.command)), None))
    }
}
