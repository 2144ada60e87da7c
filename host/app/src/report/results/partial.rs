//! A run that was killed: what is on disk of it.

use super::ALL;
use super::Run;
use super::series::Sample;
use super::summary::{Summary, Traffic};

impl Summary {
    /// What the intervals that were written come to. Faults, latencies and the ledger are written at the end alone.
    pub(super) fn from_partial(samples: &[Sample]) -> Option<Self> {
        let fleet = || samples.iter().filter(|sample| sample.group == ALL);
        let last = fleet().next_back()?;
        let sum = |count: fn(&Sample) -> f64| fleet().map(count).sum::<f64>();
        let (expected, delivered) = (sum(|sample| sample.expected), sum(|sample| sample.delivered));
        Some(Self {
            duration_s: last.time_s,
            devices: last.devices as u64,
            traffic: Traffic {
                generated: sum(|sample| sample.generated) as u64,
                expected: expected as u64,
                delivered: delivered as u64,
                delivery_ratio: (expected > 0.0).then(|| delivered / expected),
                ..Traffic::default()
            },
            interrupted: true,
            partial: true,
            ..Self::default()
        })
    }
}

impl Run {
    /// Whether it has no end on disk, and so no account of its messages.
    pub fn is_partial(&self) -> bool {
        self.summary.partial
    }
}
