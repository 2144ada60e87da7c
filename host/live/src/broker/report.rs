//! What the broker tells of itself.

use std::time::Duration;

use wasmote_mqtt::broker::BrokerStats;
use wasmote_mqtt::broker::counters::BrokerCounters;
use wasmote_sim::faults::broker::Condition;

/// The broker at one moment.
#[derive(Clone, Debug, Default)]
pub struct BrokerReport {
    /// What became of its messages, since it was first started.
    pub counters: BrokerCounters,
    /// What it holds.
    pub stats: BrokerStats,
    /// Of its connections, those from outside this process.
    pub external_clients: usize,
    /// Since it was last started.
    pub uptime: Duration,
    /// How often it was started again.
    pub restarts: u64,
    /// Whether it is there, and does not stand still.
    pub condition: Condition,
}
