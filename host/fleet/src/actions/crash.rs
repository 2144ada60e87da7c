//! `crash`: cuts the power of devices: they lose their memory and start again after 5 s.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_live::fleet::PowerCommand;

use super::check::{Occasion, PlanState, Planned};
use super::problem::Problem;
use super::selector::Selector;
use super::{TimelineAction, power};

/// Cuts the power of devices: they lose their memory and start again after 5 s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Crash(pub Selector);

impl TimelineAction for Crash {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        power::check(&self.0, PowerCommand::Crash, occasion, plan)
    }

    fn describe_edit(&self) -> Option<String> {
        Some(format!("{} crashed", power::device_names(&self.0)))
    }

    fn switched_off(&self) -> Option<&Selector> {
        Some(&self.0)
    }
}
