//! `broker`: pauses or restarts the embedded broker.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_sim::faults::FaultId;
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::span::Span;

use super::TimelineAction;
use super::check::{Occasion, PlanState, Planned, check_duration};
use super::pods::{PodFleet, PodRequests};
use super::problem::{Problem, at};
use super::step::Step;
use super::target::{ApplyResult, Target};

/// Makes the broker fail: one of `pause` and `restart`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [
    {"required": ["pause"], "not": {"required": ["persistent"]}},
    {"required": ["restart"]},
]))]
pub struct Broker {
    /// Time for which the broker neither receives nor sends, while connections stay open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Span>,
    /// Time for which the broker is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Span>,
    /// With `restart`: whether sessions and retained messages survive; by default they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
}

impl TimelineAction for Broker {
    fn check(&self, occasion: Occasion, _plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        let (field, Span(lasting), failure) = match (self.pause, self.restart, self.persistent) {
            (Some(_), None, Some(_)) => {
                return Err(at("broker.persistent", "it goes with `restart`; a pause forgets nothing"));
            }
            (Some(pause), None, None) => ("pause", pause, Failure::Pause),
            (None, Some(restart), persistent) => {
                ("restart", restart, Failure::Restart { persistent: persistent.unwrap_or(false) })
            }
            _ => return Err(at("broker", "give one of `pause` and `restart`, with a time such as \"10s\"")),
        };
        check_duration(&format!("broker.{field}"), Span(lasting))?;
        let fault = format!("timeline-{}", occasion.index).into();
        Ok(vec![Planned::ready(occasion.at, FailBroker { fault, failure, lasting })])
    }
}

#[derive(Debug)]
struct FailBroker {
    /// Id of the failure in the ledger.
    fault: FaultId,
    failure: Failure,
    lasting: Duration,
}

impl Step for FailBroker {
    fn name(&self) -> &'static str {
        self.failure.kind()
    }

    fn describe(&self) -> Vec<String> {
        vec![format!("{} for {}", self.fault, humantime::format_duration(self.lasting))]
    }

    fn apply(&self, target: &mut dyn Target) -> ApplyResult {
        target.fail_broker(self.fault.clone(), self.failure, self.lasting)
    }

    fn requests(&self, _pods: &mut PodFleet) -> Result<PodRequests, String> {
        Err("`broker` needs the embedded broker, and the broker of a cluster is Mosquitto, which nobody can pause or restart with \
             its sessions; a `partition` or `disconnect` of devices has a similar effect on them"
            .to_owned())
    }
}
