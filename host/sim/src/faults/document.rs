//! Faults as people write them, in TOML or JSON.
//!
//! ```toml
//! [[fault]]
//! kind = "loss"
//! probability = 0.1
//! ```
//!
//! A document is read in two steps. Its shape is flat (`entry`), so that whoever parses it can name the very
//! field that is of a wrong type. Then each entry is checked against its `kind`: a field that is missing, out
//! of range, or means nothing to that kind is an error that names it. `messages`, `byte_stream` and
//! `devices` do so for the planes, with what `checks` offers.

mod byte_stream;
mod checks;
mod devices;
mod entry;
mod kind;
mod messages;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Fault;
use super::component::{Library, NoLibrary};
use super::span::Span;
pub use entry::FaultEntry;
pub use kind::{DelayKind, Kind};

/// A list of faults. Messages meet them in this order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultDocument {
    /// The faults.
    #[serde(default, rename = "fault", alias = "faults")]
    pub faults: Vec<FaultEntry>,
}

/// An entry that makes no sense, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidFault {
    /// Position in the document, from 0.
    pub index: usize,
    /// The field at fault.
    pub field: &'static str,
    /// What is wrong with it and what to write instead.
    pub problem: String,
}

impl std::error::Error for InvalidFault {}

impl fmt::Display for InvalidFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault[{}].{}: {}", self.index, self.field, self.problem)
    }
}

impl FaultDocument {
    /// The names of the documents that need no file.
    pub const PRESETS: [&'static str; 2] = ["realistic", "none"];

    /// A document that needs no file, by its name.
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "realistic" => Some(Self::realistic()),
            "none" => Some(Self::default()),
            _ => None,
        }
    }

    /// The world of the simulator that this one grew out of: every message 10 to 500 ms late, one in ten
    /// lost, and every 30 s a chance of 5 % that a device falls silent for 30 s.
    pub fn realistic() -> Self {
        let seconds = |n| Some(Span(Duration::from_secs(n)));
        let millis = |n| Some(Span(Duration::from_millis(n)));
        let of = |kind| FaultEntry { kind, ..FaultEntry::default() };
        Self {
            faults: vec![
                FaultEntry { min: millis(10), max: millis(500), ..of(Kind::Delay) },
                FaultEntry { probability: Some(0.1), ..of(Kind::Loss) },
                FaultEntry {
                    every: seconds(30),
                    probability: Some(0.05),
                    lasting: seconds(30),
                    ..of(Kind::Silence)
                },
            ],
        }
    }

    /// Check every entry of a document that names no components.
    pub fn faults(&self) -> Result<Vec<Arc<Fault>>, InvalidFault> {
        self.faults_with(&NoLibrary)
    }

    /// Check every entry, and find the components that they name.
    pub fn faults_with(&self, library: &dyn Library) -> Result<Vec<Arc<Fault>>, InvalidFault> {
        let mut taken = BTreeSet::new();
        let mut faults = Vec::with_capacity(self.faults.len());
        for (index, entry) in self.faults.iter().enumerate() {
            let located = |(field, problem)| InvalidFault { index, field, problem };
            let fault = entry.fault(library).map_err(located)?;
            if !taken.insert(fault.id.clone()) {
                let problem =
                    format!("`{}` is taken by an earlier fault; give this one its own `id`", fault.id);
                return Err(located(("id", problem)));
            }
            faults.push(Arc::new(fault));
        }
        Ok(faults)
    }
}

#[cfg(test)]
mod tests;
