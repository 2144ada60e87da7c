//! Report of the embedded broker.

use std::time::Duration;

use wasmote_mqtt::broker::BrokerStats;
use wasmote_mqtt::broker::counters::BrokerCounters;
use wasmote_sim::faults::broker::Condition;

/// Counters and state of the broker at one moment.
#[derive(Clone, Debug, Default)]
pub struct BrokerReport {
    /// Counters of messages since the first start.
    pub counters: BrokerCounters,
    /// Numbers of sessions, subscriptions and stored messages.
    pub stats: BrokerStats,
    /// Connections from outside this process.
    pub external_clients: usize,
    /// Time since the last start.
    pub uptime: Duration,
    /// Restarts since the first start.
    pub restarts: u64,
    /// Whether the broker is up, paused or down.
    pub condition: Condition,
}
