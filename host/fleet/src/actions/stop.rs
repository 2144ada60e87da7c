//! `stop`: stops devices cleanly; they stay off until they are started again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_live::fleet::PowerCommand;

use super::check::{Occasion, PlanState, Planned};
use super::problem::Problem;
use super::selector::Selector;
use super::{TimelineAction, power};

/// Stops devices cleanly; they stay off until they are started again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Stop(pub Selector);

impl TimelineAction for Stop {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        power::check(&self.0, PowerCommand::Stop, occasion, plan)
    }

    fn describe_edit(&self) -> Option<String> {
        Some(format!("{} stopped", power::device_names(&self.0)))
    }

    fn switched_off(&self) -> Option<&Selector> {
        Some(&self.0)
    }
}
