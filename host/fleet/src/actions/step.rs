//! Step of a timeline: an action, or a part of one, that has been checked and can be applied.

use std::fmt::Debug;

use super::pods::{PodFleet, PodRequests};
use super::selector::Devices;
use super::target::{ApplyResult, Target};
use crate::config::Group;
use crate::fault_set::FaultSet;

/// A checked step of an action. Values that depend on the plan alone are resolved; values that depend on the seed, such as
/// the devices of a share, are resolved when the step is applied.
pub trait Step: Debug + Send + Sync {
    /// Name for `timeline.csv` and logs.
    fn name(&self) -> &'static str;

    /// Details for `timeline.csv` and logs: the affected devices, and the values.
    fn describe(&self) -> Vec<String>;

    /// Number of devices that it affects; `None` for a step that does not affect devices.
    fn affected(&self, _devices: Devices<'_>) -> Option<usize> {
        None
    }

    /// Applies the step to a running fleet.
    fn apply(&self, target: &mut dyn Target) -> ApplyResult;

    /// HTTP requests that pods need for the step, or the reason why a cluster cannot do it. Changes of faults are made in
    /// the registry of `pods`.
    fn requests(&self, _pods: &mut PodFleet) -> Result<PodRequests, String> {
        Err(format!(
            "`{}` is only done in one process; docs/kubernetes.md lists the actions that pods can do",
            self.name()
        ))
    }

    /// The fault set that the step gives to devices.
    fn fault_set(&self) -> Option<&FaultSet> {
        None
    }

    /// The group as the step changes it, so that the dry run can check its configuration.
    fn changed_group(&self) -> Option<&Group> {
        None
    }

    /// Whether the host itself publishes a message, for which it needs a connection.
    fn needs_host_connection(&self) -> bool {
        false
    }

    /// Whether the step only cleans up after an earlier one. Results do not list it, because it has no visible effect.
    fn is_implicit(&self) -> bool {
        false
    }
}

/// Details of a step for `timeline.csv`, with the number of devices that it affects.
pub fn describe(step: &dyn Step, devices: Devices<'_>) -> String {
    let mut details = step.describe();
    details.extend(step.affected(devices).map(|count| match count {
        1 => "1 device".to_owned(),
        count => format!("{count} devices"),
    }));
    details.join("; ")
}
