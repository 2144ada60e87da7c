//! `ramp`: changes one field of a fault from one value to another in steps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::faults::span::Span;

use super::TimelineAction;
use super::check::{Occasion, PlanState, Planned, SCOPE_MISPLACED};
use super::faults::SetFaults;
use super::problem::{Problem, at};
use super::scope::{EntryScope, Scope};
use crate::document;
use crate::field_path;
use crate::quantity::{Quantity, Scale, to_whole};

/// Changes a field of a fault in steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// The fault's id and the field, such as `loss.probability`.
    #[schemars(extend("examples" = ["loss.probability"]))]
    pub field: String,
    /// The value at the beginning.
    pub from: Quantity,
    /// The value at the end.
    pub to: Quantity,
    /// Duration of the ramp.
    pub over: Span,
    /// Number of steps; 10 by default.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 10_000))]
    pub steps: u32,
    /// The group whose faults change; without one, the fleet's faults change.
    #[serde(skip)]
    pub scope: EntryScope,
}

fn ten() -> u32 {
    10
}

impl TimelineAction for Ramp {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        if !(1..=10_000).contains(&self.steps) {
            return Err(at("ramp.steps", format!("{} is not a number of steps; use 1 to 10000", self.steps)));
        }
        if occasion.at + self.over.0 >= plan.end {
            return Err(at("ramp.over", "it is not over before the end of the run"));
        }
        if self.scope.device.is_some() {
            return Err(at("", SCOPE_MISPLACED));
        }
        let step = |step: u32| {
            let part = f64::from(step) / f64::from(self.steps);
            let value = self.from.interpolate(self.to, part, Scale::Linear).value();
            let (group, field) = (self.scope.group.clone(), self.field.clone());
            let due = occasion.at + self.over.0.mul_f64(part);
            Planned::deferred(due, move |plan| set_field(plan, group, &field, value))
        };
        Ok((0..=self.steps).map(step).collect())
    }

    fn scope(&self) -> Option<&EntryScope> {
        Some(&self.scope)
    }

    fn scope_mut(&mut self) -> Option<&mut EntryScope> {
        Some(&mut self.scope)
    }
}

/// Sets the field in the document that is in force at the time of the step.
fn set_field(
    plan: &mut PlanState<'_>,
    group: Option<String>,
    field: &str,
    value: Value,
) -> Result<SetFaults, Problem> {
    let set = match &group {
        Some(name) => plan.faults.of_group(name).0,
        None => plan.faults.of_fleet(),
    };
    let mut changed = serde_json::to_value(&set.document).unwrap_or_default();
    let whole = to_whole(&value);
    field_path::set(&mut changed, field, value).map_err(|problem| at("ramp.field", problem))?;
    let document = read(&changed).or_else(|error| {
        // A field that takes whole numbers only gets the nearest one.
        let Some(whole) = whole else { return Err(error) };
        field_path::set(&mut changed, field, whole).map_err(|problem| at("ramp.field", problem))?;
        read(&changed).map_err(|_| error)
    })?;
    let set = plan.fault_set(document).map_err(|error| at("ramp", error.to_string()))?;
    let scope = group.map_or(Scope::Fleet, Scope::Group);
    plan.set_faults(&scope, Some(&set));
    Ok(SetFaults { scope, set: Some(set) })
}

fn read(faults: &Value) -> Result<FaultDocument, Problem> {
    document::parse_json(faults.to_string().as_bytes()).map_err(|error| at("ramp.field", error.to_string()))
}
