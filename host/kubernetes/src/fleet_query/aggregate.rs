//! Sums over the answers of all processes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use wasmote_sim::histogram::Histogram;

use super::fetch::QueryResult;
use super::pod_metrics::{Messages, PodMetrics};

/// A fleet as a whole.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FleetTotals {
    /// Processes that answered.
    pub answered: usize,
    /// Processes that were queried.
    pub asked: usize,
    /// Devices of those that answered.
    pub devices: u64,
    /// Devices by state.
    pub states: BTreeMap<String, u64>,
    /// Devices by the faults that act on them now.
    pub active_faults: BTreeMap<String, u64>,
    /// Versions of the program.
    pub versions: BTreeSet<String>,
    /// Counts of messages of those that answered.
    pub messages: Messages,
    /// Latency in seconds, from the merged histograms.
    pub latency_seconds: Latency,
    /// Metrics that could not be added up, with the reason.
    pub left_out: Vec<String>,
}

/// Latency of messages, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
}

impl Latency {
    /// Mean and quantiles of a histogram.
    pub fn of(latency: &Histogram) -> Self {
        Self {
            mean: latency.mean(),
            p50: latency.quantile(0.5),
            p95: latency.quantile(0.95),
            p99: latency.quantile(0.99),
        }
    }
}

impl FleetTotals {
    /// Adds up the answers.
    pub fn of(results: &[QueryResult]) -> Self {
        let mut total = Self { asked: results.len(), ..Self::default() };
        total.messages.ledger_closes = true;
        for result in results {
            if let Ok(answer) = &result.answer {
                total.add(&result.name, answer);
            }
        }
        total.latency_seconds = Latency::of(&total.messages.latency);
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

/// Add counts by name.
fn add_counts(sums: &mut BTreeMap<String, u64>, own: &BTreeMap<String, u64>) {
    for (name, count) in own {
        *sums.entry(name.clone()).or_default() += count;
    }
}
