//! Case: a plan with its settings and its seed, of which a run can be made.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasmote_fleet::field_path;

/// A plan of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The plan without its settings.
    pub plan: Value,
    /// Fields that are set in it, by path.
    pub settings: Vec<(String, Value)>,
    /// Seed of the run.
    pub seed: u64,
}

impl Case {
    /// The plan with its settings and its seed. An unknown path stays unset; the pools have been checked before.
    pub fn assembled(&self) -> Value {
        let mut plan = self.plan.clone();
        for (field, value) in &self.settings {
            let _ = field_path::set(&mut plan, field, value.clone());
        }
        plan["seeds"] = vec![self.seed].into();
        plan
    }

    /// Number of its faults, actions and settings.
    pub fn size(&self) -> Size {
        let length = |list: Option<&Value>| list.and_then(Value::as_array).map_or(0, Vec::len);
        let groups = self.plan["group"].as_array().map_or(&[][..], Vec::as_slice);
        let own = groups.iter().map(|group| length(group.pointer("/faults/fault"))).sum::<usize>();
        Size {
            faults: length(self.plan.pointer("/faults/fault")) + own,
            actions: length(self.plan.get("timeline")),
            settings: self.settings.len(),
        }
    }
}

/// Number of parts of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Faults of the fleet and of groups.
    pub faults: usize,
    /// Entries of the timeline.
    pub actions: usize,
    /// Fields that are set.
    pub settings: usize,
}
