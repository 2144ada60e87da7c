//! Failures of a run, as a hunt compares them.

use std::fmt;

use serde::{Deserialize, Serialize};
use wasmote_results::Summary;

/// The way in which a run failed. Two runs with the same signature count as the same failure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "of", rename_all = "snake_case")]
pub enum Signature {
    /// The invariant with this name was broken.
    Invariant(String),
    /// A message is unaccounted for.
    Ledger,
    /// The run failed for this reason.
    Failed(String),
    /// This threshold was missed.
    Threshold(String),
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invariant(name) => write!(f, "invariant {name}"),
            Self::Ledger => f.write_str("the ledger does not close"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
            Self::Threshold(text) => write!(f, "threshold {text}"),
        }
    }
}

/// A failure of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The way in which it failed.
    pub signature: Signature,
    /// Time of the failure in seconds; the end of the run where nothing else is known.
    pub at_s: f64,
    /// The failure in words.
    pub message: String,
    /// Devices that are involved.
    pub devices: Vec<String>,
}

/// The failures of a run: broken invariants first, in the order of the plan.
pub fn failures(summary: &Summary) -> Vec<Failure> {
    let end =
        |signature, message| Failure { signature, at_s: summary.duration_s, message, devices: Vec::new() };
    let mut failures = Vec::new();
    for outcome in summary.invariants.iter().filter(|outcome| !outcome.ok) {
        let first = outcome.first.clone().unwrap_or_default();
        failures.push(Failure {
            signature: Signature::Invariant(outcome.name.clone()),
            at_s: first.at_s,
            message: first.message,
            devices: first.devices,
        });
    }
    if !failures.is_empty() {
        // The run was cut short, so its counts say nothing.
        return failures;
    }
    if !summary.ledger_closes {
        failures.push(end(Signature::Ledger, "a message is unaccounted for".to_owned()));
    }
    // Faults that silence the whole fleet are no failure of the fleet.
    if summary.traffic.generated > 0 {
        let failed = summary.failures.iter();
        failures.extend(failed.map(|reason| end(Signature::Failed(reason.clone()), reason.clone())));
    }
    for missed in summary.thresholds.iter().filter(|outcome| !outcome.ok) {
        let found = missed.value.map_or("nothing was measured".to_owned(), |value| format!("found {value}"));
        failures.push(end(Signature::Threshold(missed.text.clone()), found));
    }
    failures
}
