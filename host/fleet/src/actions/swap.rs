//! `swap`: gives a group, or some of its devices, another version of the behaviour while they run.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wasmote_sim::faults::span::Span;

use super::TimelineAction;
use super::check::{Occasion, PlanState, Planned};
use super::pods::{GroupChange, PodFleet, PodRequests};
use super::problem::{Problem, at};
use super::selector::{Devices, Selection, Selector};
use super::step::Step;
use super::target::{ApplyResult, Target};
use crate::config::Group;
use crate::config::values::Sha256Pin;
use crate::source::Source;

/// Gives a whole group, or some of its devices, another version of the behaviour. The devices keep their state and their
/// sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = {"required": ["share", "count"]}))]
pub struct Swap {
    /// The group.
    pub group: String,
    /// Only devices of the group whose names match one of these; the other devices, and those that join
    /// later, keep their version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    /// Only this share of the devices, chosen by the seed; from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub share: Option<f64>,
    /// Only this number of devices, chosen by the seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The other version, or another behaviour: a built-in one, a file, a folder, or a reference to a registry or a URL.
    pub behaviour: String,
    /// SHA-256 that the component must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Pin>,
    /// Values of the configuration that change; the others stay.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// Time during which a trap restores the old version; 10 s by default.
    #[serde(default = "ten_seconds")]
    pub trial: Span,
}

fn ten_seconds() -> Span {
    Span(Duration::from_secs(10))
}

impl Swap {
    /// The devices of a swap that is not for the whole group.
    fn selection(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Option<Selection>, Problem> {
        let Self { group, devices, share, count, .. } = self.clone();
        if devices.is_none() && share.is_none() && count.is_none() {
            return Ok(None);
        }
        plan.selection(occasion, "swap", &Selector { group: Some(group), devices, share, count }).map(Some)
    }
}

impl TimelineAction for Swap {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        plan.check_group(&self.group).map_err(|problem| at("swap.group", problem))?;
        let source = plan.find_behaviour(&self.behaviour);
        let source = source.map_err(|problem| at("swap.behaviour", problem.to_string()))?;
        let source = pinned(source, self.sha256.as_ref()).map_err(|problem| at("swap.sha256", problem))?;
        let selection = self.selection(occasion, plan)?;
        let Self { group, config, trial: Span(trial), .. } = self.clone();
        Ok(vec![Planned::deferred(occasion.at, move |plan| {
            let group = plan.modified_group("swap", &group, config, Some(source))?;
            if selection.is_none() {
                plan.groups.insert(group.name.clone(), group.clone());
            }
            Ok(SwapBehaviour { group, trial, selection })
        })])
    }
}

/// A source with the digest that the swap demands.
fn pinned(source: Source, pin: Option<&Sha256Pin>) -> Result<Source, String> {
    match (pin, source.pin()) {
        (None, _) => Ok(source),
        (Some(Sha256Pin(pin)), Some(own)) if own != pin => {
            Err(format!("the name of the behaviour demands {own}; give one of them"))
        }
        (Some(Sha256Pin(pin)), _) => Ok(source.pinned(pin.parse()?)),
    }
}

#[derive(Debug)]
struct SwapBehaviour {
    /// The group with the other behaviour.
    group: Group,
    trial: Duration,
    /// The devices that get it; `None` for the whole group.
    selection: Option<Selection>,
}

impl Step for SwapBehaviour {
    fn name(&self) -> &'static str {
        "swap"
    }

    fn describe(&self) -> Vec<String> {
        let selection = self.selection.as_ref().map(Selection::describe);
        let behaviour = format!("behaviour {}", self.group.behaviour.name());
        [format!("group {}", self.group.name), behaviour].into_iter().chain(selection).collect()
    }

    fn affected(&self, devices: Devices<'_>) -> Option<usize> {
        Some(match &self.selection {
            Some(selection) => selection.resolve(devices).len(),
            None => devices.members(&self.group.name),
        })
    }

    fn apply(&self, target: &mut dyn Target) -> ApplyResult {
        let devices = self.selection.as_ref().map(|selection| selection.resolve(target.devices()));
        target.swap(&self.group, self.trial, devices.as_deref())
    }

    fn requests(&self, pods: &mut PodFleet) -> Result<PodRequests, String> {
        Ok(PodRequests::Change(Box::new(GroupChange {
            group: self.group.clone(),
            with_component: true,
            restart: false,
            trial: self.trial,
            devices: self.selection.as_ref().map(|selection| selection.resolve(pods.devices())),
        })))
    }

    fn changed_group(&self) -> Option<&Group> {
        Some(&self.group)
    }
}
