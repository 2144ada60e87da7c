//! What became of a threshold.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::threshold::Threshold;

/// What became of a threshold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// As written.
    pub text: String,
    /// Whether it held, at the end and, where it ends runs, until then.
    pub ok: bool,
    /// What was found at the end.
    pub value: Value,
    /// What was found when it ended the run, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breached: Option<ThresholdMiss>,
}

/// A threshold was missed in the middle of a run, which it ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdMiss {
    /// When, in seconds.
    pub at_s: f64,
    /// Up to when messages were looked at: those of the last interval may have been under way.
    pub settled_s: f64,
    /// What was found.
    pub value: f64,
}

impl Verdict {
    /// At the end this was found. A run that a threshold ended has missed it, whatever came of it with the
    /// messages of the last interval.
    pub fn new(check: &Threshold, value: Option<f64>, breached: Option<ThresholdMiss>) -> Self {
        let ok = check.holds(value) && breached.is_none();
        Self { text: check.text.clone(), ok, value: json!(value), breached }
    }
}

impl fmt::Display for ThresholdMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} s: {:.4}, of the first {} s", self.at_s, self.value, self.settled_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_a_run_is_missed_whatever_its_end_says() {
        let check: Threshold = "delivery_ratio >= 0.7".parse().unwrap();
        let miss = ThresholdMiss { at_s: 10.0, settled_s: 5.0, value: 0.6875 };
        assert!(Verdict::new(&check, Some(0.7031), None).ok);
        let verdict = Verdict::new(&check, Some(0.7031), Some(miss));
        assert!(!verdict.ok && verdict.value == 0.7031);
        assert_eq!(miss.to_string(), "at 10 s: 0.6875, of the first 5 s");
    }
}
