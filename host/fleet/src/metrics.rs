//! Metrics of a device or of the fleet, as JSON and as text for Prometheus.

pub mod accept;
pub mod json;
pub mod openmetrics;

use std::collections::BTreeMap;
use std::time::Duration;

use wasmote_live::status::Totals;

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
    /// Time since the fleet started.
    pub uptime: Duration,
}

impl Snapshot {
    /// Whether every message is accounted for.
    pub fn ledger_closes(&self) -> bool {
        self.totals.ledger.closes(self.totals.waiting.0, self.totals.waiting.1)
    }
}
