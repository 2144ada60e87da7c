//! `add`: adds devices to a group.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::TimelineAction;
use super::check::{Occasion, PlanState, Planned};
use super::pods::{PodFleet, PodRequests};
use super::problem::{Problem, at};
use super::step::Step;
use super::target::{ApplyResult, Target};
use crate::config::identity::IdentityProblem;
use crate::config::values::DeviceCount;

/// Adds devices to a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The group.
    pub group: String,
    /// The number of devices.
    #[serde(serialize_with = "write_count")]
    pub count: DeviceCount,
}

fn write_count<S: Serializer>(count: &DeviceCount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(count.0)
}

impl TimelineAction for Add {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        plan.check_group(&self.group).map_err(|problem| at("add.group", problem))?;
        if let Some(group) = plan.groups.get(&self.group) {
            let count = group.count.saturating_add(self.count.0);
            let invalid = |error: IdentityProblem| at("add.count", error.to_string());
            if let Some(names) = &group.names {
                names.get(count.saturating_sub(1)).map_err(invalid)?;
            }
            if let Some(rules) = &group.credentials {
                rules.load_all(group.count..count).map_err(invalid)?;
            }
        }
        let step = AddDevices { group: self.group.clone(), count: self.count.0 };
        Ok(vec![Planned::ready(occasion.at, step)])
    }
}

#[derive(Debug)]
struct AddDevices {
    group: String,
    count: u32,
}

impl Step for AddDevices {
    fn name(&self) -> &'static str {
        "add"
    }

    fn describe(&self) -> Vec<String> {
        vec![format!("group {}", self.group), format!("{} more", self.count)]
    }

    fn apply(&self, target: &mut dyn Target) -> ApplyResult {
        target.add(&self.group, self.count)
    }

    fn requests(&self, pods: &mut PodFleet) -> Result<PodRequests, String> {
        pods.add(&self.group, self.count)?;
        Ok(PodRequests::Add { group: self.group.clone(), count: self.count })
    }
}
