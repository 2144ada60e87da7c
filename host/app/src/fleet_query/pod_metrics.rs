//! What a process says of itself: `/status` and `/metrics`, as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::buckets::Buckets;

/// One process's account of its devices.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PodMetrics {
    /// Devices.
    pub devices: u64,
    /// Devices by state.
    pub states: BTreeMap<String, u64>,
    /// Devices that each fault holds now.
    pub active_faults: BTreeMap<String, u64>,
    /// What its devices do.
    pub behaviours: Vec<String>,
    /// The program's version.
    pub version: String,
    /// The start of its randomness.
    pub seed: u64,
    /// Messages.
    pub messages: Messages,
    /// Seconds since it began.
    pub uptime_s: f64,
}

/// The account of messages. Fields are those of `/metrics`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Messages {
    /// Published by behaviours.
    pub generated: u64,
    /// Handed to MQTT.
    pub sent: u64,
    /// Delivered by the broker.
    pub arrived: u64,
    /// Given to behaviours.
    pub received: u64,
    /// Taken by faults.
    pub dropped: BTreeMap<String, u64>,
    /// What each fault did, by the names of its counts.
    #[serde(default)]
    pub faults: BTreeMap<String, BTreeMap<String, u64>>,
    /// Lost with a connection.
    pub lost_offline: u64,
    /// How long received ones were under way, in seconds.
    pub latency: Buckets,
    /// Behaviours that ended by themselves.
    pub traps: u64,
    /// Whether every message is accounted for.
    pub ledger_closes: bool,
    /// What behaviours measure of themselves, by behaviour and name.
    #[serde(default)]
    pub behaviours: BTreeMap<String, BTreeMap<String, BehaviourMetric>>,
}

/// What behaviours measure, summed over devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BehaviourMetric {
    /// A sum that never falls.
    Counter {
        /// Over the devices.
        sum: f64,
        /// That have it.
        devices: u64,
    },
    /// A value of now.
    Gauge {
        /// Over the devices.
        sum: f64,
        /// That have it.
        devices: u64,
    },
    /// A distribution.
    Histogram {
        /// Of all devices.
        #[serde(flatten)]
        buckets: Buckets,
        /// That have it.
        devices: u64,
    },
}

/// `/status` of a fleet, or of an only device.
#[derive(Deserialize)]
#[serde(untagged)]
enum Status {
    Fleet {
        devices: u64,
        states: BTreeMap<String, u64>,
        groups: Vec<GroupStatus>,
        active_faults: BTreeMap<String, u64>,
        version: String,
        seed: u64,
        uptime_s: f64,
    },
    Device {
        behaviour: String,
        state: String,
        active_faults: Vec<ActiveFault>,
        version: String,
        seed: u64,
    },
}

#[derive(Deserialize)]
struct GroupStatus {
    behaviour: String,
}

#[derive(Deserialize)]
struct ActiveFault {
    id: String,
}

impl PodMetrics {
    /// Put together what a process said.
    pub fn new(status: &Value, metrics: &Value) -> Result<Self, serde_json::Error> {
        let messages = Messages::deserialize(metrics)?;
        let up = metrics.get("uptime_s").and_then(Value::as_f64).unwrap_or_default();
        Ok(match Status::deserialize(status)? {
            Status::Fleet { devices, states, groups, active_faults, version, seed, uptime_s } => {
                let mut behaviours: Vec<_> = groups.into_iter().map(|group| group.behaviour).collect();
                behaviours.sort_unstable();
                behaviours.dedup();
                Self { devices, states, active_faults, behaviours, version, seed, messages, uptime_s }
            }
            Status::Device { behaviour, state, active_faults, version, seed } => Self {
                devices: 1,
                states: [(state, 1)].into(),
                active_faults: active_faults.into_iter().map(|fault| (fault.id, 1)).collect(),
                behaviours: vec![behaviour],
                version,
                seed,
                messages,
                uptime_s: up,
            },
        })
    }

    /// Devices in a state.
    pub fn in_state(&self, state: &str) -> u64 {
        self.states.get(state).copied().unwrap_or(0)
    }
}

impl Messages {
    /// Taken by faults, in all.
    pub fn total_dropped(&self) -> u64 {
        self.dropped.values().sum()
    }
}
