//! `start`: starts devices that were stopped.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_live::fleet::PowerCommand;

use super::check::{Occasion, PlanState, Planned};
use super::problem::Problem;
use super::selector::Selector;
use super::{TimelineAction, power};

/// Starts devices that were stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Start(pub Selector);

impl TimelineAction for Start {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        power::check(&self.0, PowerCommand::Start, occasion, plan)
    }

    fn describe_edit(&self) -> Option<String> {
        Some(format!("{} started", power::device_names(&self.0)))
    }
}
