//! Metrics of a device or of the fleet, as JSON and as text for Prometheus.

pub mod accept;
pub mod json;
pub mod openmetrics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use wasmote_live::status::Totals;
use wasmote_mqtt::broker::StoreBytes;
use wasmote_mqtt::budget::BudgetReport;
use wasmote_sim::limits::Limits;

use crate::config::Group;
use crate::versions::record::UpdateCounts;

/// Counts at one moment, with the facts that the devices do not know.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Counts of the device or of the fleet.
    pub totals: Totals,
    /// Whether the counts are those of the fleet. Counts of devices, connections, timers and the broker are shown for
    /// the fleet only.
    pub is_fleet: bool,
    /// Updates of behaviours, by behaviour; of the fleet only.
    pub updates: BTreeMap<String, UpdateCounts>,
    /// Requests to the HTTP API; absent for a named device.
    pub http: Option<HttpCounts>,
    /// Resource limits of the devices of each group, with the group's behaviour; of the fleet only.
    pub limits: Vec<GroupLimits>,
    /// Time since the fleet started.
    pub uptime: Duration,
    /// Bytes of the fault sets that users sent; of the fleet only.
    pub fault_bytes: BudgetReport,
    /// Bytes of the journeys of messages, and the number of forgotten ones; of the fleet only.
    pub journey_bytes: BudgetReport,
}

/// Counts of the HTTP API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct HttpCounts {
    /// Connections that are open.
    pub connections: u64,
    /// Requests whose header arrived whole.
    pub requests: u64,
    /// Refused connections and requests, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Resource limits of the devices of a group.
#[derive(Clone, Debug)]
pub struct GroupLimits {
    /// The group.
    pub group: String,
    /// Its behaviour.
    pub behaviour: String,
    /// The limits.
    pub limits: Arc<Limits>,
}

impl GroupLimits {
    /// The limits of a group.
    pub fn of(group: &Group) -> Self {
        Self {
            group: group.name.clone(),
            behaviour: group.behaviour.name(),
            limits: Arc::clone(&group.limits),
        }
    }
}

impl Snapshot {
    /// Stores with a limit in bytes, by name; those of the fleet only.
    pub fn stores(&self) -> BTreeMap<&'static str, BudgetReport> {
        let mut stores = BTreeMap::new();
        if !self.is_fleet {
            return stores;
        }
        stores.insert("http", self.totals.http_bytes);
        stores.insert("faults", self.fault_bytes);
        stores.insert("journeys", self.journey_bytes);
        if let Some(report) = &self.totals.broker {
            let StoreBytes { retained, stored, subscriptions, sessions } = report.stats.bytes;
            stores.insert("broker_retained", retained);
            stores.insert("broker_queued", stored);
            stores.insert("broker_subscriptions", subscriptions);
            stores.insert("broker_sessions", sessions);
            stores.insert("broker_clients", report.clients.bytes);
            stores.insert("broker_unread", report.clients.unread);
        }
        stores
    }

    /// Whether every message is accounted for.
    pub fn ledger_closes(&self) -> bool {
        self.totals.ledger.closes(self.totals.waiting.0, self.totals.waiting.1)
    }
}
