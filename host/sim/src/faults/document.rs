//! Fault documents in TOML or JSON.
//!
//! ```toml
//! [[fault]]
//! kind = "loss"
//! probability = 0.1
//! ```
//!
//! A document is read in two steps. `entry` reads each fault by its kind, so that a parser can report the place of a
//! field with an unknown name or of a wrong type. Then the kind checks its fields: a field that is missing, out of
//! range, or foreign to the kind is an error that names it. The first step accepts such a fault, because a sweep may
//! complete it before it is used. `schema` describes what both steps accept.

mod entry;
mod schema;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Fault;
use super::component::{Library, NoLibrary};
use super::delay::DelaySpec;
use super::loss::LossSpec;
use super::silence::SilenceSpec;
use super::span::Span;
pub use super::{FaultSpec, Kind, delay::DelayKind};
pub use entry::FaultEntry;

/// A list of faults, which are applied to a message in this order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schema::accept_plural)]
pub struct FaultDocument {
    /// The faults, in the order in which they are applied to a message.
    #[serde(default, rename = "fault", alias = "faults")]
    pub faults: Vec<FaultEntry>,
}

/// A fault that fails its checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidFault {
    /// Position in the document, from 0.
    pub index: usize,
    /// The invalid field.
    pub field: &'static str,
    /// The problem, and the remedy.
    pub problem: String,
}

impl std::error::Error for InvalidFault {}

impl fmt::Display for InvalidFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault[{}].{}: {}", self.index, self.field, self.problem)
    }
}

impl FaultDocument {
    /// Names of the presets, which are built into the program.
    pub const PRESETS: [&'static str; 2] = ["realistic", "none"];

    /// Finds a preset by its name.
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "realistic" => Some(Self::realistic()),
            "none" => Some(Self::default()),
            _ => None,
        }
    }

    /// The faults of the simulator that preceded this one: every message is delayed by 10 to 500 ms, one in
    /// ten is lost, and every 30 s a device falls silent for 30 s with a probability of 5 %.
    pub fn realistic() -> Self {
        let seconds = |n| Some(Span(Duration::from_secs(n)));
        let millis = |n| Some(Span(Duration::from_millis(n)));
        let delay = DelaySpec { min: millis(10), max: millis(500), ..DelaySpec::default() };
        let loss = LossSpec { probability: Some(0.1), ..LossSpec::default() };
        let silence = SilenceSpec {
            every: seconds(30),
            probability: Some(0.05),
            lasting: seconds(30),
            ..SilenceSpec::default()
        };
        let specs = [FaultSpec::Delay(delay), FaultSpec::Loss(loss), FaultSpec::Silence(silence)];
        Self { faults: specs.map(FaultEntry::from).to_vec() }
    }

    /// Checks every entry of a document that names no components.
    pub fn faults(&self) -> Result<Vec<Arc<Fault>>, InvalidFault> {
        self.faults_with(&NoLibrary)
    }

    /// Checks every entry, and finds the components that they name.
    pub fn faults_with(&self, library: &dyn Library) -> Result<Vec<Arc<Fault>>, InvalidFault> {
        let mut taken = BTreeSet::new();
        let mut faults = Vec::with_capacity(self.faults.len());
        for (index, entry) in self.faults.iter().enumerate() {
            let fault = entry.check(library);
            let fault =
                fault.map_err(|error| InvalidFault { index, field: error.field, problem: error.problem })?;
            if !taken.insert(fault.id.clone()) {
                let problem =
                    format!("`{}` is taken by an earlier fault; give this one its own `id`", fault.id);
                return Err(InvalidFault { index, field: "id", problem });
            }
            faults.push(Arc::new(fault));
        }
        Ok(faults)
    }
}

/// Creates a fault from the fields of a document entry.
#[cfg(test)]
pub(crate) fn fault(fields: serde_json::Value) -> FaultEntry {
    serde_json::from_value(fields).expect("it can be read")
}

#[cfg(test)]
mod tests;
