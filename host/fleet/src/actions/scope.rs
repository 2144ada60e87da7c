//! Scope of a fault set: the fleet, a group, or devices by name.

use std::sync::Arc;

use wasmote_mqtt::device_id::Identity;
use wasmote_sim::faults::target::Pattern;

use super::problem::{Problem, at};
use crate::fault_registry::FaultScope;

/// `group` and `device` of a timeline entry, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryScope {
    /// Only this group.
    pub group: Option<String>,
    /// Only devices whose names match; `*` stands for any sequence of characters.
    pub device: Option<String>,
}

impl EntryScope {
    /// Whether an entry has neither field.
    pub fn is_fleet(&self) -> bool {
        self.group.is_none() && self.device.is_none()
    }

    /// The scope that the two fields describe.
    pub fn scope(&self) -> Result<Scope, Problem> {
        match (&self.group, &self.device) {
            (None, None) => Ok(Scope::Fleet),
            (Some(group), None) => Ok(Scope::Group(group.clone())),
            (None, Some(device)) => Ok(Scope::Devices(Pattern::new(device))),
            (Some(_), Some(_)) => Err(at("device", "it does not go with `group`; give one of them")),
        }
    }
}

/// Devices whose fault set an action changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All devices that have no fault set of their own.
    Fleet,
    /// The devices of a group that have no fault set of their own.
    Group(String),
    /// Devices whose names match; each gets its own fault set.
    Devices(Pattern),
}

impl Scope {
    /// The scopes of a [`FaultRegistry`](crate::fault_registry::FaultRegistry) that it covers among these devices.
    pub fn resolve(&self, devices: &[Arc<Identity>]) -> Vec<FaultScope> {
        match self {
            Self::Fleet => vec![FaultScope::Fleet],
            Self::Group(name) => vec![FaultScope::Group(name.clone())],
            Self::Devices(pattern) => {
                let matching = devices.iter().enumerate().filter(|(_, it)| pattern.matches(it.id.as_str()));
                matching.map(|(position, _)| FaultScope::Device(position)).collect()
            }
        }
    }

    /// Description for `timeline.csv`.
    pub fn describe(&self) -> String {
        match self {
            Self::Fleet => "all".to_owned(),
            Self::Group(name) => format!("group {name}"),
            Self::Devices(pattern) => format!("devices {}", pattern.as_str()),
        }
    }
}
