//! All answers together.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::buckets::BoundsMismatch;
use super::fetch::QueryResult;
use super::pod_metrics::{BehaviourMetric, Messages, PodMetrics};

/// A fleet as a whole.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FleetTotals {
    /// Processes that answered.
    pub answered: usize,
    /// Processes that were asked.
    pub asked: usize,
    /// Devices of those that answered.
    pub devices: u64,
    /// Devices by state.
    pub states: BTreeMap<String, u64>,
    /// Devices that each fault holds now.
    pub active_faults: BTreeMap<String, u64>,
    /// The versions that run.
    pub versions: BTreeSet<String>,
    /// Messages of those that answered.
    pub messages: Messages,
    /// Latency in seconds: mean and quantiles, from the merged buckets.
    pub latency_seconds: Latency,
    /// What could not be added up, and why.
    pub left_out: Vec<String>,
}

/// How long messages were under way, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// On average.
    pub mean: Option<f64>,
    /// Half of them took no longer.
    pub p50: Option<f64>,
    /// 95 of a hundred took no longer.
    pub p95: Option<f64>,
    /// 99 of a hundred took no longer.
    pub p99: Option<f64>,
}

impl Latency {
    /// Of these messages.
    pub fn of(messages: &Messages) -> Self {
        let latency = &messages.latency;
        Self {
            mean: latency.mean(),
            p50: latency.quantile(0.5),
            p95: latency.quantile(0.95),
            p99: latency.quantile(0.99),
        }
    }
}

impl FleetTotals {
    /// Add up.
    pub fn of(results: &[QueryResult]) -> Self {
        let mut total = Self { asked: results.len(), ..Self::default() };
        total.messages.ledger_closes = true;
        for result in results {
            if let Ok(answer) = &result.answer {
                total.add(&result.name, answer);
            }
        }
        total.latency_seconds = Latency::of(&total.messages);
        total
    }

    fn add(&mut self, name: &str, answer: &PodMetrics) {
        self.answered += 1;
        self.devices += answer.devices;
        add_counts(&mut self.states, &answer.states);
        add_counts(&mut self.active_faults, &answer.active_faults);
        self.versions.insert(answer.version.clone());
        let (sum, own) = (&mut self.messages, &answer.messages);
        if let Err(problem) = add_messages(sum, own) {
            self.left_out.push(format!("latency of {name}: {problem}"));
        }
        for (behaviour, measures) in &own.behaviours {
            let sums = sum.behaviours.entry(behaviour.clone()).or_default();
            for (measure, value) in measures {
                if let Err(problem) = add_measure(sums, measure, value) {
                    self.left_out.push(format!("{behaviour}'s {measure} of {name}: {problem}"));
                }
            }
        }
    }
}

/// Add up what happened to messages, but for what behaviours measure of themselves. Latencies that were counted by other
/// bounds are left out, and said.
pub fn add_messages(sum: &mut Messages, own: &Messages) -> Result<(), BoundsMismatch> {
    for (sum, own) in [
        (&mut sum.generated, own.generated),
        (&mut sum.sent, own.sent),
        (&mut sum.arrived, own.arrived),
        (&mut sum.received, own.received),
        (&mut sum.lost_offline, own.lost_offline),
        (&mut sum.traps, own.traps),
    ] {
        *sum += own;
    }
    add_counts(&mut sum.dropped, &own.dropped);
    for (fault, counts) in &own.faults {
        add_counts(sum.faults.entry(fault.clone()).or_default(), counts);
    }
    sum.ledger_closes &= own.ledger_closes;
    sum.latency.merge(&own.latency)
}

/// Add counts by name.
fn add_counts(sums: &mut BTreeMap<String, u64>, own: &BTreeMap<String, u64>) {
    for (name, count) in own {
        *sums.entry(name.clone()).or_default() += count;
    }
}

fn add_measure(
    sums: &mut BTreeMap<String, BehaviourMetric>,
    name: &str,
    own: &BehaviourMetric,
) -> Result<(), String> {
    let Some(sum) = sums.get_mut(name) else {
        sums.insert(name.to_owned(), own.clone());
        return Ok(());
    };
    match (sum, own) {
        (
            BehaviourMetric::Counter { sum, devices },
            BehaviourMetric::Counter { sum: more, devices: others },
        )
        | (BehaviourMetric::Gauge { sum, devices }, BehaviourMetric::Gauge { sum: more, devices: others }) => {
            *sum += more;
            *devices += others;
        }
        (
            BehaviourMetric::Histogram { buckets, devices },
            BehaviourMetric::Histogram { buckets: more, devices: others },
        ) => {
            buckets.merge(more).map_err(|problem| problem.to_string())?;
            *devices += others;
        }
        _ => return Err("it is of another kind than in the others".into()),
    }
    Ok(())
}
