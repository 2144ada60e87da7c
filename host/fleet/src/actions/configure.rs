//! `configure`: restarts a group with another configuration or behaviour.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::TimelineAction;
use super::check::{Occasion, PlanState, Planned};
use super::pods::{GroupChange, PodFleet, PodRequests};
use super::problem::{Problem, at};
use super::selector::Devices;
use super::step::Step;
use super::target::{ApplyResult, Target};
use crate::config::Group;

/// Changes the configuration or behaviour of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Configure {
    /// The group.
    pub group: String,
    /// Values of the configuration that change; the others stay.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// Another behaviour: a built-in one, a file, a folder, or a reference to a registry or a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<String>,
}

impl TimelineAction for Configure {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        plan.check_group(&self.group).map_err(|problem| at("configure.group", problem))?;
        let source = self.behaviour.as_ref().map(|name| plan.find_behaviour(name)).transpose();
        let source = source.map_err(|problem| at("configure.behaviour", problem.to_string()))?;
        let (group, config, with_component) = (self.group.clone(), self.config.clone(), source.is_some());
        Ok(vec![Planned::deferred(occasion.at, move |plan| {
            let group = plan.modified_group("configure", &group, config, source)?;
            plan.groups.insert(group.name.clone(), group.clone());
            Ok(ConfigureGroup { group, with_component })
        })])
    }
}

#[derive(Debug)]
struct ConfigureGroup {
    /// The changed group.
    group: Group,
    /// True if its behaviour changes.
    with_component: bool,
}

impl Step for ConfigureGroup {
    fn name(&self) -> &'static str {
        "configure"
    }

    fn describe(&self) -> Vec<String> {
        vec![format!("group {}", self.group.name)]
    }

    fn affected(&self, devices: Devices<'_>) -> Option<usize> {
        Some(devices.members(&self.group.name))
    }

    fn apply(&self, target: &mut dyn Target) -> ApplyResult {
        target.configure(&self.group)
    }

    fn requests(&self, _pods: &mut PodFleet) -> Result<PodRequests, String> {
        let (group, with_component) = (self.group.clone(), self.with_component);
        Ok(PodRequests::Change(Box::new(GroupChange {
            group,
            with_component,
            restart: true,
            trial: Duration::ZERO,
            devices: None,
        })))
    }

    fn changed_group(&self) -> Option<&Group> {
        Some(&self.group)
    }
}
