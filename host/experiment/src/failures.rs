//! Reasons why a run failed although it lasted to its end.
//!
//! A run whose devices never worked, or that measured nothing, must not look like one in which all was well.

use wasmote_results::{LedgerCounts, TimeMode, Traffic};
use wasmote_sim::health::FleetHealth;

use super::threshold::ThresholdEntry;

/// What is known about a run at its end.
#[derive(Clone, Copy)]
pub struct RunFacts<'a> {
    /// Health of the devices.
    pub health: &'a FleetHealth,
    /// Time mode of the run.
    pub time_mode: TimeMode,
    /// Counts of the whole run.
    pub counts: &'a LedgerCounts,
    /// Messages after the warm-up.
    pub measured: &'a Traffic,
    /// Thresholds of the plan.
    pub thresholds: &'a [ThresholdEntry],
    /// True if a signal ended the run.
    pub interrupted: bool,
}

/// The reasons; empty if the run did not fail.
pub fn failures(run: RunFacts<'_>) -> Vec<String> {
    let mut failures = run.health.failures();
    // In virtual time only the plan itself can keep devices from connecting.
    if run.time_mode == TimeMode::Real && run.health.total_failures().is_empty() {
        let never = run.health.never_connected().filter(|_| !run.interrupted);
        match never {
            Some(reason) => failures.push(format!("no device was ever connected: {reason}")),
            None => failures.extend(run.health.unconnected_groups()),
        }
    }
    if failures.is_empty() && !run.interrupted {
        failures.extend(silence(run.counts, run.measured, run.thresholds));
    }
    failures
}

/// The failure of a run without any message, unless a threshold of the plan says that this is intended. Devices that only
/// receive messages of the host measure something.
pub fn silence(counts: &LedgerCounts, measured: &Traffic, thresholds: &[ThresholdEntry]) -> Option<String> {
    let only_receives = counts.generated == 0 && counts.received > 0;
    let intended = thresholds.iter().any(|entry| entry.check.allows_silence());
    if measured.generated > 0 || only_receives || intended {
        return None;
    }
    let when = if counts.generated > 0 { " after the warm-up" } else { "" };
    Some(format!(
        "nothing was measured, because no device published a message{when}; if that is intended, add the threshold \
         \"generated >= 0\" to the plan"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures_of(generated: u64, received: u64, measured: u64, threshold: &str) -> Option<String> {
        let counts = LedgerCounts { generated, received, ..LedgerCounts::default() };
        let measured = Traffic { generated: measured, ..Traffic::default() };
        let check = threshold.parse().unwrap();
        silence(&counts, &measured, &[ThresholdEntry { check, abort: false }])
    }

    #[test]
    fn a_run_without_messages_fails_unless_that_is_intended() {
        assert!(failures_of(0, 0, 0, "sent <= 5").unwrap().starts_with("nothing was measured"));
        assert!(failures_of(3, 3, 0, "sent <= 5").unwrap().contains("after the warm-up"));
        assert_eq!(failures_of(3, 0, 1, "sent <= 5"), None);
        assert_eq!(failures_of(0, 4, 0, "sent <= 5"), None, "the host's messages were received");
        assert_eq!(failures_of(0, 0, 0, "generated >= 0"), None);
        assert!(failures_of(0, 0, 0, "generated > 0").is_some());
    }
}
