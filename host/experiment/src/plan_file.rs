//! Plan file: the document of an experiment, in TOML or JSON.
//!
//! ```toml
//! name = "a-storm"
//! duration = "10m"
//! faults = "realistic"
//! thresholds = ["delivery_ratio >= 0.8"]
//!
//! [[group]]
//! behaviour = "heartbeat"
//! count = 10
//!
//! [[timeline]]
//! at = "5m"
//! crash = { share = 0.5 }
//! ```

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Map, Value};
use wasmote_fleet::actions::entry::TimelineEntry;
use wasmote_fleet::config::file::{FaultsEntry, GroupEntry};
use wasmote_fleet::config::values::{DurationValue, Keepalive, MqttVersion, Switch, TopicRoot};
use wasmote_fleet::schema::accept_alias;
use wasmote_fleet::topology::TopologyEntry;
use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_sim::faults::span::Span;
use wasmote_sim::limits::Limits;

use super::hunt_table::HuntTable;
use super::invariant::InvariantEntry;
use super::range::SweepEntry;
use super::seeds::Seeds;
use super::threshold::ThresholdEntry;

/// Plan document. Its paths are relative to its folder.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = accept_plan_aliases)]
pub struct PlanFile {
    /// Name of the experiment.
    pub name: DeviceId,
    /// Purpose of the experiment.
    #[serde(default)]
    pub description: String,
    /// Duration of a run, the warm-up included.
    pub duration: Span,
    /// Time at the beginning of a run that is not measured; 0 by default.
    #[serde(default)]
    pub warm_up: Span,
    /// Interval of the rows of the time series; 5 s by default.
    #[serde(default = "five_seconds")]
    pub interval: Span,
    /// Wall-clock time at the beginning of a run; 2026-01-01T00:00:00Z by default.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    pub starts_at: Option<String>,
    /// Seeds, with one run for each; `[1]` by default.
    #[serde(default)]
    pub seeds: Seeds,
    /// Groups of devices, at least one.
    #[serde(alias = "groups")]
    #[schemars(length(min = 1))]
    pub group: Vec<GroupEntry>,
    /// Links between devices, for behaviours that forward messages for each other.
    #[serde(default)]
    pub topology: Option<TopologyEntry>,
    /// Default configuration of every behaviour; groups override it.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Default limits of every device; groups override them.
    #[serde(default)]
    #[schemars(with = "Limits")]
    pub limits: Map<String, Value>,
    /// Limits of the broker in virtual time, and of the embedded one in real time.
    #[serde(default)]
    #[schemars(with = "BrokerLimits")]
    pub broker_limits: Map<String, Value>,
    /// Faults: a preset, a file, or an inline document; `none` by default.
    #[serde(default)]
    pub faults: Option<FaultsEntry>,
    /// Actions with their times, and phases.
    #[serde(default)]
    pub timeline: Vec<TimelineEntry>,
    /// Swept fields by path, with their values.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"not": {"pattern": "^(seeds|name|sweep)(\\.|$)"}}))]
    pub sweep: BTreeMap<String, SweepEntry>,
    /// Conditions on the results.
    #[serde(default, alias = "threshold")]
    pub thresholds: Vec<ThresholdEntry>,
    /// Rules about messages, connections and states that must hold all the time.
    #[serde(default, alias = "invariants")]
    pub invariant: Vec<InvariantEntry>,
    /// What `wasmote experiment hunt` may vary.
    #[serde(default)]
    pub hunt: Option<HuntTable>,
    /// The first levels of every topic; `wasmote` by default.
    #[serde(default)]
    pub topic_root: Option<TopicRoot>,
    /// The MQTT version; 5 by default.
    #[serde(default)]
    pub mqtt: Option<MqttVersion>,
    /// Keep-alive interval of connections; 10 s by default.
    #[serde(default)]
    pub keepalive: Option<Keepalive>,
    /// Time for which the broker keeps the session of a lost connection; 0 by default.
    #[serde(default)]
    pub session_expiry: Option<DurationValue>,
    /// Latency of every packet between a device and the broker, each way; 1 ms by default.
    #[serde(default = "one_millisecond")]
    pub packet_latency: Span,
    /// Whether each message gets an event and a line in its devices' logs, and whether behaviours' log lines below
    /// `info` are kept; by default the first 20,000 such records in fleets of up to 20 devices.
    #[serde(default)]
    pub log_messages: Switch,
}

fn accept_plan_aliases(schema: &mut Schema) {
    accept_alias(schema, "group", "groups");
    accept_alias(schema, "thresholds", "threshold");
    accept_alias(schema, "invariant", "invariants");
}

fn five_seconds() -> Span {
    Span(std::time::Duration::from_secs(5))
}

fn one_millisecond() -> Span {
    Span(std::time::Duration::from_millis(1))
}
