//! Sums over the responses of all processes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use wasmote_results::DurationSummary;

use super::fetch::QueryResult;
use super::pod_metrics::{Messages, PodMetrics};

/// Totals of a fleet.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FleetTotals {
    /// Number of processes that responded.
    pub answered: usize,
    /// Number of queried processes.
    pub asked: usize,
    /// Number of devices in the processes that responded.
    pub devices: u64,
    /// Number of devices by state.
    pub states: BTreeMap<String, u64>,
    /// Number of devices that each fault acts on now.
    pub active_faults: BTreeMap<String, u64>,
    /// Versions of the program.
    pub versions: BTreeSet<String>,
    /// Message counts of the processes that responded.
    pub messages: Messages,
    /// Latency in seconds, from the merged histograms.
    pub latency_seconds: DurationSummary,
    /// Latency in seconds from the intended times of publication; absent if no message was late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intended_latency_seconds: Option<DurationSummary>,
    /// Metrics that could not be summed, with the reason.
    pub left_out: Vec<String>,
}

impl FleetTotals {
    /// Sums the responses.
    pub fn of(results: &[QueryResult]) -> Self {
        let mut total = Self { asked: results.len(), ..Self::default() };
        total.messages.ledger_closes = true;
        for result in results {
            if let Ok(answer) = &result.answer {
                total.add(&result.name, answer);
            }
        }
        total.latency_seconds = total.messages.latency_summary();
        total.intended_latency_seconds = total.messages.intended_latency_summary();
        total
    }

    fn add(&mut self, name: &str, answer: &PodMetrics) {
        self.answered += 1;
        self.devices += answer.devices;
        add_counts(&mut self.states, &answer.states);
        add_counts(&mut self.active_faults, &answer.active_faults);
        self.versions.insert(answer.version.clone());
        self.messages.add(&answer.messages);
        for (behaviour, metrics) in &answer.messages.behaviours {
            let sums = self.messages.behaviours.entry(behaviour.clone()).or_default();
            for (metric, value) in metrics {
                let Some(sum) = sums.get_mut(metric) else {
                    sums.insert(metric.clone(), value.clone());
                    continue;
                };
                if let Err(problem) = sum.merge(value) {
                    self.left_out.push(format!("{behaviour}'s {metric} of {name}: {problem}"));
                }
            }
        }
    }
}

/// Adds counts by name.
fn add_counts(sums: &mut BTreeMap<String, u64>, own: &BTreeMap<String, u64>) {
    for (name, count) in own {
        *sums.entry(name.clone()).or_default() += count;
    }
}
