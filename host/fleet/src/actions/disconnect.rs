//! `disconnect`: breaks the connections of devices, without DISCONNECT, and keeps them disconnected for a while.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_sim::faults::disconnect::DisconnectSpec;
use wasmote_sim::faults::document::{FaultEntry, FaultSpec};
use wasmote_sim::faults::span::Span;

use super::TimelineAction;
use super::check::{Occasion, PlanState, Planned};
use super::problem::{Problem, at};
use super::selector::Selector;
use super::timed_fault::{BeginFault, temporary};
use crate::fault_registry::TemporaryFault;

/// Breaks connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("not" = {"required": ["share", "count"]}, "required" = ["for"]))]
pub struct Disconnect {
    /// Only devices of this group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Only devices whose names match one of these; `*` stands for any sequence of characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    /// Share of the matching devices that is chosen by the seed; from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub share: Option<f64>,
    /// Number of the matching devices that are chosen by the seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Time for which the devices stay disconnected.
    #[serde(rename = "for")]
    pub lasting: Span,
}

/// Time for which the fault is in force. It recurs with this period and probability 1, so that each device begins it exactly
/// once; then it is removed, and the outage that it began ends by itself.
const ONCE: Duration = Duration::from_millis(10);

impl Disconnect {
    fn entry(&self, id: String) -> FaultEntry {
        let spec = DisconnectSpec {
            every: Some(Span(ONCE)),
            probability: Some(1.0),
            lasting: Some(self.lasting),
            ..DisconnectSpec::default()
        };
        FaultEntry { id: Some(id), ..FaultSpec::Disconnect(spec).into() }
    }

    /// The fault for devices at these positions in a live fleet. It is to be removed once they have begun it.
    pub fn brief_fault(&self, id: String, devices: Vec<usize>) -> Result<TemporaryFault, Problem> {
        temporary(self.entry(id), Some(devices))
    }
}

impl TimelineAction for Disconnect {
    fn describe_edit(&self) -> Option<String> {
        let devices = self.devices.as_ref()?.join(", ");
        Some(format!("{devices} for {}", humantime::format_duration(self.lasting.0)))
    }

    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        let Self { group, devices, share, count, lasting } = self.clone();
        let selector = Selector { group, devices, share, count };
        let selection = plan.selection(occasion, "disconnect", &selector)?;
        let entry = self.entry(format!("timeline-{}", occasion.index));
        let begin = BeginFault::new(occasion, entry, Some(selection), Some(lasting.0))
            .map_err(|(field, problem)| at(&format!("disconnect.{field}"), problem))?;
        Ok(begin.until(occasion, Some(occasion.at + ONCE)))
    }
}
