//! `disconnect`: breaks the connections of devices, without DISCONNECT, and keeps them away for a while.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmote_sim::faults::document::{FaultEntry, Kind};
use wasmote_sim::faults::span::Span;

use super::TimelineAction;
use super::check::{Occasion, PlanState, Planned};
use super::problem::{Problem, at};
use super::selector::Selector;
use super::timed_fault::BeginFault;

/// Connections break.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disconnect {
    /// See [`Selector`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// See [`Selector`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    /// See [`Selector`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// See [`Selector`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// How long the devices stay away.
    #[serde(rename = "for")]
    pub lasting: Span,
}

/// Time for which the fault is there. It recurs with this period and probability 1, so that each device begins it exactly
/// once; then it is removed, and the outage that it began ends by itself.
const ONCE: Duration = Duration::from_millis(10);

impl TimelineAction for Disconnect {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        let Self { group, devices, share, count, lasting } = self.clone();
        let selector = Selector { group, devices, share, count };
        let selection = plan.selection(occasion, "disconnect", &selector)?;
        let entry = FaultEntry {
            id: Some(format!("timeline-{}", occasion.index)),
            kind: Kind::Disconnect,
            every: Some(Span(ONCE)),
            probability: Some(1.0),
            lasting: Some(lasting),
            ..FaultEntry::default()
        };
        let begin = BeginFault::new(occasion, entry, Some(selection), Some(lasting.0))
            .map_err(|(field, problem)| at(&format!("disconnect.{field}"), problem))?;
        Ok(begin.until(occasion, Some(occasion.at + ONCE)))
    }
}
