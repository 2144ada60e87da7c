//! Message counts of one group in one interval of time.

use wasmote_results::Traffic;

use super::latencies::Latencies;

/// Counts of the messages that a group published in an interval of time, and of their receptions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageStats {
    /// Messages published by behaviours.
    pub generated: u64,
    /// Messages that left for good.
    pub sent: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// Receptions that would happen without any loss: for each message, the devices subscribed when it was published.
    pub expected: u64,
    /// Receptions that happened; each device counts once for each message.
    pub delivered: u64,
    /// Messages that faults of these devices dropped, in both directions.
    pub dropped: u64,
    /// Latencies of the first copy that each device received.
    pub latencies: Latencies,
    /// The same latencies, from the times at which the messages were intended to be published.
    pub intended: Latencies,
}

impl MessageStats {
    /// Adds the counts of another group or interval.
    pub fn add(&mut self, other: &Self) {
        self.generated += other.generated;
        self.sent += other.sent;
        self.refused += other.refused;
        self.expected += other.expected;
        self.delivered += other.delivered;
        self.dropped += other.dropped;
        self.latencies.merge(&other.latencies);
        self.intended.merge(&other.intended);
    }

    /// Receptions that happened divided by those expected; `None` if nothing was expected.
    pub fn delivery_ratio(&self) -> Option<f64> {
        (self.expected > 0).then(|| self.delivered as f64 / self.expected as f64)
    }

    /// Counts in the format of results files.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            generated: self.generated,
            sent: self.sent,
            refused: self.refused,
            received: None,
            expected: self.expected,
            delivered: self.delivered,
            delivery_ratio: self.delivery_ratio(),
            latency_seconds: self.latencies.summary(),
            intended_latency_seconds: (self.intended != self.latencies).then(|| self.intended.summary()),
        }
    }
}
