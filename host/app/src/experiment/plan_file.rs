//! A plan as people write it, in TOML or JSON.
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

use serde::Deserialize;
use serde_json::{Map, Value};
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::message::Qos;
use wasmote_sim::faults::Directions;
use wasmote_sim::faults::span::Span;

use super::range::{Quantity, SweepEntry};
use super::seeds::Seeds;
use super::threshold::ThresholdEntry;
use super::topology::TopologyEntry;
use crate::config::file::{FaultsEntry, GroupEntry};
use crate::config::values::{
    DeviceCount, DurationValue, Keepalive, MqttVersion, Switch, TopicRoot, from_text,
};

/// A plan. Paths in it are relative to its folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// What to call the experiment.
    pub name: DeviceId,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// How long a run lasts, the warm-up included.
    pub duration: Span,
    /// How long at the beginning is not measured; 0 by default.
    #[serde(default)]
    pub warm_up: Span,
    /// The length of a row of the time series; 5 s by default.
    #[serde(default = "five_seconds")]
    pub interval: Span,
    /// The calendar's time at the beginning of a run; 2026-01-01T00:00:00Z by default.
    #[serde(default)]
    pub starts_at: Option<String>,
    /// One run for each; `[1]` by default.
    #[serde(default)]
    pub seeds: Seeds,
    /// Devices, at least one.
    #[serde(alias = "groups")]
    pub group: Vec<GroupEntry>,
    /// Who is linked with whom, for behaviours that carry messages for each other.
    #[serde(default)]
    pub topology: Option<TopologyEntry>,
    /// Configuration of every behaviour, under that of the groups.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Limits of every device, under those of the groups.
    #[serde(default)]
    pub limits: Map<String, Value>,
    /// A preset, a file, or the document itself; `none` by default.
    #[serde(default)]
    pub faults: Option<FaultsEntry>,
    /// What happens when.
    #[serde(default)]
    pub timeline: Vec<TimelineEntry>,
    /// Fields by path, and the values that they take in turn.
    #[serde(default)]
    pub sweep: BTreeMap<String, SweepEntry>,
    /// What has to hold at the end.
    #[serde(default, alias = "threshold")]
    pub thresholds: Vec<ThresholdEntry>,
    /// The first levels of every topic; `wasmote` by default.
    #[serde(default, deserialize_with = "from_text")]
    pub topic_root: Option<TopicRoot>,
    /// The MQTT version; 5 by default.
    #[serde(default, deserialize_with = "from_text")]
    pub mqtt: Option<MqttVersion>,
    /// Longest silence that the broker accepts, by half again; 10 s by default.
    #[serde(default, deserialize_with = "from_text")]
    pub keepalive: Option<Keepalive>,
    /// How long the broker keeps the session of a lost connection; 0 by default.
    #[serde(default, deserialize_with = "from_text")]
    pub session_expiry: Option<DurationValue>,
    /// How long every packet takes between a device and the broker, each way; 1 ms by default.
    #[serde(default = "one_millisecond")]
    pub packet_latency: Span,
    /// Whether each message gets an event and a line in its devices' logs, and what behaviours log below
    /// `info` with it; by default the first 20,000 of these in fleets of up to 20 devices.
    #[serde(default)]
    pub log_messages: Switch,
}

fn five_seconds() -> Span {
    Span(std::time::Duration::from_secs(5))
}

fn one_millisecond() -> Span {
    Span(std::time::Duration::from_millis(1))
}

/// Something that happens at one time: one action, or the beginning of a phase, or both.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineEntry {
    /// When, from the beginning of the run on.
    pub at: Span,
    /// A phase of this name begins. It lasts until the next one, or to the end.
    pub phase: Option<DeviceId>,
    /// Other faults: a preset, a file, or the document itself; or `inherit`, by which a device goes back to its
    /// group's, a group to the fleet's, and the fleet to those that the run began with.
    pub faults: Option<FaultsEntry>,
    /// With `faults` or `ramp`: only those of this group.
    pub group: Option<String>,
    /// With `faults`: only those of devices whose names fit; `*` stands for any run of characters.
    pub device: Option<String>,
    /// One field of a fault goes from one value to another in steps.
    pub ramp: Option<Ramp>,
    /// Devices lose their power and memory, and start again after 5 s.
    pub crash: Option<Selector>,
    /// Devices stop in order, until they are started again.
    pub stop: Option<Selector>,
    /// Devices that were stopped start again.
    pub start: Option<Selector>,
    /// Connections break without a farewell, and stay away for a while.
    pub disconnect: Option<Disconnect>,
    /// A group and the rest of the fleet do not hear each other for a while.
    pub partition: Option<Partition>,
    /// The broker stands still, or is not there for a while.
    pub broker: Option<Broker>,
    /// The host publishes a message, as a user would.
    pub publish: Option<Publish>,
    /// Somebody asks devices something over HTTP, as `/devices/NAME/app/...` does.
    pub request: Option<Request>,
    /// Devices join a group.
    pub add: Option<Add>,
    /// A group starts again with another configuration or behaviour.
    pub configure: Option<Configure>,
    /// A group's devices go on in another version of their behaviour, with what they know and their sessions up.
    pub swap: Option<Swap>,
}

/// Devices: all that are left when every given field has had its say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    /// Only of this group.
    pub group: Option<String>,
    /// Only those whose names fit one of these; `*` stands for any run of characters.
    pub devices: Option<Vec<String>>,
    /// This share of them, chosen by the seed; from 0 to 1.
    pub share: Option<f64>,
    /// This many of them, chosen by the seed.
    pub count: Option<u32>,
}

/// A field of a fault changes in steps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// The fault's id and the field, such as `loss.probability`.
    pub field: String,
    /// The value at the beginning.
    pub from: Quantity,
    /// The value at the end.
    pub to: Quantity,
    /// How long it takes.
    pub over: Span,
    /// In how many steps; 10 by default.
    #[serde(default = "ten")]
    pub steps: u32,
}

fn ten() -> u32 {
    10
}

/// Connections break.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disconnect {
    /// See [`Selector`].
    pub group: Option<String>,
    /// See [`Selector`].
    pub devices: Option<Vec<String>>,
    /// See [`Selector`].
    pub share: Option<f64>,
    /// See [`Selector`].
    pub count: Option<u32>,
    /// How long they stay away.
    #[serde(rename = "for")]
    pub lasting: Span,
}

/// A group is cut off.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// The group.
    pub group: String,
    /// For how long.
    #[serde(rename = "for")]
    pub lasting: Span,
    /// Which ways; both by default.
    #[serde(default = "both")]
    pub direction: Directions,
    /// The other side as names with `*`: by default the other groups, and the broker if there are none.
    pub peers: Option<Vec<String>>,
}

fn both() -> Directions {
    Directions::Both
}

/// The broker fails: one of the two.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Broker {
    /// How long it stands still.
    pub pause: Option<Span>,
    /// How long it is not there.
    pub restart: Option<Span>,
    /// With `restart`: whether it still has what it had; by default it has not.
    pub persistent: Option<bool>,
}

/// A message of the host's own, or of a device.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Where.
    pub topic: String,
    /// A text as it is, everything else as JSON.
    #[serde(default)]
    pub payload: Value,
    /// 0 by default.
    #[serde(default)]
    pub qos: Qos,
    /// Whether the broker keeps it.
    #[serde(default)]
    pub retain: bool,
    /// Devices on whose behalf it is published, through their faults; `*` stands for any run of characters. The
    /// host itself by default.
    pub device: Option<String>,
}

/// A question to behaviours.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Devices that are asked; `*` stands for any run of characters.
    pub device: String,
    /// `GET` by default.
    #[serde(default = "get")]
    pub method: String,
    /// With the query, as the behaviour sees it.
    pub path: String,
    /// By name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Nothing by default.
    #[serde(default)]
    pub body: String,
}

fn get() -> String {
    "GET".to_owned()
}

/// Devices join.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// Which group.
    pub group: String,
    /// How many.
    #[serde(deserialize_with = "count")]
    pub count: DeviceCount,
}

fn count<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<DeviceCount, D::Error> {
    let found: Option<DeviceCount> = from_text(deserializer)?;
    found.ok_or_else(|| serde::de::Error::custom("expected a number of devices"))
}

/// Another version of a group's behaviour takes over, in the whole group or on some of its devices.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// Which group.
    pub group: String,
    /// Only those of its devices whose names fit one of these; the rest of the group stays as it is, and so do those
    /// that join it later.
    pub devices: Option<Vec<String>>,
    /// Only this share of them, chosen by the seed; from 0 to 1.
    pub share: Option<f64>,
    /// Only this many of them, chosen by the seed.
    pub count: Option<u32>,
    /// The other version, or another behaviour: a built-in one, a file, or a folder.
    pub behaviour: String,
    /// Values of the configuration that change; the others stay.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// How long a trap brings the old version back; 10 s by default.
    #[serde(default = "ten_seconds")]
    pub trial: Span,
}

fn ten_seconds() -> Span {
    Span(std::time::Duration::from_secs(10))
}

/// A group changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configure {
    /// Which group.
    pub group: String,
    /// Values of the configuration that change; the others stay.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Another behaviour: a built-in one, a file, or a folder.
    pub behaviour: Option<String>,
}
