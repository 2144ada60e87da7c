//! Report of the embedded broker.

use std::time::Duration;

use wasmote_mqtt::broker::BrokerStats;
use wasmote_mqtt::broker::counters::BrokerCounters;
use wasmote_mqtt::budget::BudgetReport;
use wasmote_sim::faults::broker::Condition;

/// State of the connections from other programs.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientReport {
    /// Connections, those without CONNECT included.
    pub open: usize,
    /// Maximum number of connections.
    pub limit: usize,
    /// Connections that were refused or closed by a limit.
    pub refused: ClientRefusals,
    /// Bytes of incomplete packets, and of packets that wait for the broker.
    pub bytes: BudgetReport,
    /// Bytes of packets that clients have not read.
    pub unread: BudgetReport,
}

/// Numbers of connections from other programs that a limit refused or closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientRefusals {
    /// Refused, because there were too many.
    pub too_many: u64,
    /// Closed without CONNECT, after ten seconds or to make room for others.
    pub no_connect: u64,
    /// Closed because a packet took too long.
    pub too_slow: u64,
}

/// Counters and state of the broker at one moment.
#[derive(Clone, Debug, Default)]
pub struct BrokerReport {
    /// Counters of messages since the first start.
    pub counters: BrokerCounters,
    /// Numbers of sessions, subscriptions and stored messages.
    pub stats: BrokerStats,
    /// Connections from outside this process.
    pub external_clients: usize,
    /// Limits of these connections.
    pub clients: ClientReport,
    /// Time since the last start.
    pub uptime: Duration,
    /// Restarts since the first start.
    pub restarts: u64,
    /// Whether the broker is up, paused or down.
    pub condition: Condition,
}
