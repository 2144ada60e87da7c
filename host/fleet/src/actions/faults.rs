//! `faults`: gives the fleet, a group or devices another fault set.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasmote_sim::faults::document::FaultEntry;

use super::TimelineAction;
use super::check::{INHERIT, Occasion, PlanState, Planned};
use super::pods::{PodFleet, PodRequests};
use super::problem::{Problem, at};
use super::scope::{EntryScope, Scope};
use super::selector::Devices;
use super::step::Step;
use super::target::{ApplyResult, Target};
use crate::config::file::FaultsEntry;
use crate::fault_set::{BROKER_FAULT_NEEDS_EMBEDDED, BROKER_FAULT_NEEDS_FLEET, FaultSet};

/// Replaces the faults of a scope. In an entry the scope consists of separate fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Faults {
    /// A preset, a file, the document itself, or [`INHERIT`].
    pub faults: FaultsEntry,
    /// The devices that get them.
    #[serde(skip)]
    pub scope: EntryScope,
}

/// The schema of the set alone, because the scope consists of separate fields of the entry.
impl JsonSchema for Faults {
    fn schema_name() -> Cow<'static, str> {
        FaultsEntry::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        FaultsEntry::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        FaultsEntry::json_schema(generator)
    }
}

impl Faults {
    /// The action that gives a scope this set, or resets it.
    pub fn new(scope: EntryScope, set: Option<&FaultSet>) -> Self {
        let faults = match set {
            None => FaultsEntry::Named(INHERIT.to_owned()),
            Some(set) => FaultsEntry::Inline(set.document.clone()),
        };
        Self { faults, scope }
    }
}

impl TimelineAction for Faults {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        let set = match &self.faults {
            FaultsEntry::Named(name) if name == INHERIT => None,
            FaultsEntry::Named(name) => Some(plan.load_faults(name)),
            FaultsEntry::Inline(document) => Some(plan.fault_set(document.clone())),
        };
        let set = set.transpose().map_err(|error| at("faults", error.to_string()))?;
        if let Some(set) = &set {
            let checked = set.check_groups(plan.groups.keys().map(String::as_str));
            checked.map_err(|error| at("faults", error.to_string()))?;
            plan.check_fault_devices(set, "faults")?;
            if !self.scope.is_fleet() {
                set.reject_broker_faults(BROKER_FAULT_NEEDS_FLEET)
                    .map_err(|error| at("faults", error.to_string()))?;
            }
        }
        let scope = self.scope.scope()?;
        Ok(vec![Planned::deferred(occasion.at, move |plan| {
            plan.set_faults(&scope, set.as_ref());
            Ok(SetFaults { scope, set })
        })])
    }

    fn scope(&self) -> Option<&EntryScope> {
        Some(&self.scope)
    }

    fn scope_mut(&mut self) -> Option<&mut EntryScope> {
        Some(&mut self.scope)
    }

    fn describe_edit(&self) -> Option<String> {
        let scope = match &self.scope {
            EntryScope { device: Some(device), .. } => device.clone(),
            EntryScope { group: Some(group), .. } => format!("group {group}"),
            EntryScope { .. } => "the fleet".to_owned(),
        };
        Some(match &self.faults {
            FaultsEntry::Named(name) if name == INHERIT => format!("{scope}: back to the faults before"),
            FaultsEntry::Named(name) => format!("{scope}: other faults, {name}"),
            FaultsEntry::Inline(document) => {
                let ids: Vec<&str> = document.faults.iter().map(fault_id).collect();
                let ids = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
                format!("{scope}: other faults, {ids}")
            }
        })
    }
}

/// Step that replaces the faults of a scope. `None` resets them to the inherited ones, and those of the fleet to the
/// initial ones.
#[derive(Debug)]
pub(super) struct SetFaults {
    pub(super) scope: Scope,
    pub(super) set: Option<FaultSet>,
}

impl Step for SetFaults {
    fn name(&self) -> &'static str {
        "faults"
    }

    fn describe(&self) -> Vec<String> {
        let faults = self.set.as_ref().map_or_else(|| "as at the beginning".to_owned(), describe_set);
        vec![self.scope.describe(), faults]
    }

    fn affected(&self, devices: Devices<'_>) -> Option<usize> {
        Some(match &self.scope {
            Scope::Fleet => devices.identities.len(),
            Scope::Group(name) => devices.members(name),
            Scope::Devices(pattern) => devices.matching(pattern).len(),
        })
    }

    fn apply(&self, target: &mut dyn Target) -> ApplyResult {
        target.set_faults(&self.scope, self.set.as_ref())
    }

    fn requests(&self, pods: &mut PodFleet) -> Result<PodRequests, String> {
        if let Some(set) = &self.set {
            set.reject_broker_faults(BROKER_FAULT_NEEDS_EMBEDDED).map_err(|problem| problem.to_string())?;
        }
        for scope in self.scope.resolve(pods.devices().identities) {
            pods.faults.set(&scope, self.set.clone());
        }
        Ok(PodRequests::Faults)
    }

    fn fault_set(&self) -> Option<&FaultSet> {
        self.set.as_ref()
    }
}

/// The id of a fault in the ledger.
fn fault_id(entry: &FaultEntry) -> &str {
    entry.id.as_deref().unwrap_or_else(|| entry.spec.kind().name())
}

/// Describes a set by its faults. The file that it was read from is not named: the plan in the results folder has the
/// faults written out.
fn describe_set(set: &FaultSet) -> String {
    let faults: Vec<String> = set.document.faults.iter().map(describe_entry).collect();
    if faults.is_empty() { "none".to_owned() } else { faults.join(", ") }
}

/// Describes a fault with its fields, without the file of its component, which has another path in the
/// results folder.
pub(super) fn describe_entry(entry: &FaultEntry) -> String {
    let entry = serde_json::to_value(entry).unwrap_or_default();
    let fields = entry.as_object().into_iter().flatten();
    let fields = fields.filter(|(name, value)| !value.is_null() && *name != "file");
    let (kind, others): (Vec<_>, Vec<_>) = fields.partition(|(name, _)| *name == "kind");
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let kind = kind.first().map(|(_, kind)| shown(kind)).unwrap_or_default();
    let others: Vec<String> =
        others.iter().map(|(name, value)| format!("{name} = {}", shown(value))).collect();
    if others.is_empty() { kind } else { format!("{kind} ({})", others.join(", ")) }
}
