//! What is counted of messages, for one group and one stretch of time.

use serde::Serialize;

use super::latencies::{Latencies, LatencySummary};

/// Counts of the messages that some devices published in some stretch of time, and of what became of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageStats {
    /// Published by behaviours.
    pub generated: u64,
    /// Handed to the MQTT connection.
    pub sent: u64,
    /// Of each message, the devices that had asked for it when it was published.
    pub expected: u64,
    /// Of these, those that were given it, each once.
    pub delivered: u64,
    /// Messages that faults took, either way, from these devices.
    pub dropped: u64,
    /// How long the first copy of each was under way.
    pub latencies: Latencies,
}

impl MessageStats {
    /// Add others.
    pub fn add(&mut self, other: &Self) {
        self.generated += other.generated;
        self.sent += other.sent;
        self.expected += other.expected;
        self.delivered += other.delivered;
        self.dropped += other.dropped;
        self.latencies.merge(&other.latencies);
    }

    /// The share that arrived of what was expected.
    pub fn delivery_ratio(&self) -> Option<f64> {
        (self.expected > 0).then(|| self.delivered as f64 / self.expected as f64)
    }

    /// As reports have them.
    pub fn report(&self) -> MessageStatsReport {
        MessageStatsReport {
            generated: self.generated,
            sent: self.sent,
            expected: self.expected,
            delivered: self.delivered,
            delivery_ratio: self.delivery_ratio(),
            latency_seconds: self.latencies.summary(),
        }
    }
}

/// Figures as reports have them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MessageStatsReport {
    generated: u64,
    sent: u64,
    expected: u64,
    delivered: u64,
    delivery_ratio: Option<f64>,
    latency_seconds: LatencySummary,
}
