//! `partition`: a group and the rest of the fleet do not receive each other's messages for a while.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_sim::faults::Directions;
use wasmote_sim::faults::document::{FaultEntry, FaultSpec};
use wasmote_sim::faults::partition::PartitionSpec;
use wasmote_sim::faults::span::Span;

use super::TimelineAction;
use super::check::{Occasion, PlanState, Planned, check_duration};
use super::problem::{Problem, at};
use super::timed_fault::BeginFault;

/// Separates a group from the rest of the fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// The group.
    pub group: String,
    /// Duration of the partition.
    #[serde(rename = "for")]
    pub lasting: Span,
    /// Directions of the messages that are dropped; both by default.
    #[serde(default = "both")]
    pub direction: Directions,
    /// The other side as names with `*`: by default the other groups, or the broker if the fleet has only this group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<Vec<String>>,
}

fn both() -> Directions {
    Directions::Both
}

impl TimelineAction for Partition {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        plan.check_group(&self.group).map_err(|problem| at("partition.group", problem))?;
        check_default_names(plan).map_err(|problem| at("partition.group", problem))?;
        check_distinguishable(&self.group, plan).map_err(|problem| at("partition.group", problem))?;
        check_duration("partition.for", self.lasting)?;
        let others = plan.groups.keys().filter(|name| **name != self.group);
        let others = || others.map(|name| format!("{name}-*")).collect();
        let spec = PartitionSpec {
            direction: Some(self.direction),
            peers: Some(self.peers.clone().unwrap_or_else(others)).filter(|peers| !peers.is_empty()),
            ..PartitionSpec::default()
        };
        let (id, group) = (Some(format!("timeline-{}", occasion.index)), Some(self.group.clone()));
        let entry = FaultEntry { id, group, ..FaultSpec::Partition(spec).into() };
        let begin = BeginFault::new(occasion, entry, None, None)
            .map_err(|(field, problem)| at(&format!("partition.{field}"), problem))?;
        let end = occasion.at + self.lasting.0;
        Ok(begin.until(occasion, Some(end).filter(|end| *end < plan.end)))
    }
}

/// Checks that the devices of all groups are called after their groups: a message has only the name of its sender.
fn check_default_names(plan: &PlanState<'_>) -> Result<(), String> {
    match plan.groups.values().find(|group| group.names.is_some()) {
        None => Ok(()),
        Some(named) => Err(format!(
            "the devices of `{}` have names of their own, from which the sides of a partition cannot be told; write a fault \
             of kind `partition` with `device` and `peers` under `faults`",
            named.name
        )),
    }
}

/// Checks that no group's name is the prefix of another's: a message has only the name of its sender, and the prefix of that
/// name is the group.
fn check_distinguishable(group: &str, plan: &PlanState<'_>) -> Result<(), String> {
    let is_ambiguous = |other: &str| {
        other != group && (other.starts_with(&format!("{group}-")) || group.starts_with(&format!("{other}-")))
    };
    match plan.groups.keys().find(|other| is_ambiguous(other)) {
        None => Ok(()),
        Some(other) => Err(format!(
            "devices of `{group}` and of `{other}` have names that begin alike, by which the two sides could not be told \
             apart; call one of the groups otherwise"
        )),
    }
}
