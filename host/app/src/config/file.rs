//! The configuration file. Its fields are named as the flags are, with `_` for `-`.
//!
//! ```toml
//! broker = "mqtt://localhost"
//! faults = "realistic"
//!
//! [[group]]
//! behaviour = "sensor"
//! count = 20
//! config = { interval = "10s" }
//!
//! [[group]]
//! behaviour = "aggregator"
//! count = 1
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use wasmote_mqtt::device_id::DeviceId;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::rng::Seed;

use super::fleet_shard::FleetShard;
use super::source_addresses::SourceAddresses;
use super::values::{
    BrokerChoice, CompileOption, DeviceCount, DurationValue, HttpAddress, Keepalive, LogFormat, MqttVersion,
    Rate, Switch, TopicRoot, from_text,
};

/// A configuration file. Paths in it are relative to its folder.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileConfig {
    /// The behaviour, where there are no groups.
    pub behaviour: Option<String>,
    /// The number of devices, where there are no groups.
    #[serde(deserialize_with = "from_text")]
    pub devices: Option<DeviceCount>,
    /// Groups of devices.
    #[serde(alias = "groups")]
    pub group: Vec<GroupEntry>,
    /// Configuration of every behaviour, under that of the groups.
    pub config: Map<String, Value>,
    /// See the flag of this name.
    pub device_id: Option<DeviceId>,
    /// See the flag of this name.
    #[serde(deserialize_with = "from_text")]
    pub topic_root: Option<TopicRoot>,
    /// See the flag of this name.
    #[serde(deserialize_with = "from_text")]
    pub ramp: Option<Rate>,
    /// See the flag of this name.
    #[serde(deserialize_with = "from_text")]
    pub shard: Option<FleetShard>,
    /// Limits of every device, under those of the groups.
    pub limits: Map<String, Value>,
    /// Hosts for devices of groups that list none.
    pub allow_hosts: Vec<String>,
    /// See the flag of this name.
    #[serde(deserialize_with = "from_text")]
    pub broker: Option<BrokerChoice>,
    /// See the flag of this name.
    pub broker_user: Option<String>,
    /// See the flag of this name.
    pub broker_password: Option<String>,
    /// See the flag of this name.
    pub broker_password_file: Option<PathBuf>,
    /// See the flag `--source-address`.
    pub source_addresses: Vec<SourceAddresses>,
    /// See the flag of this name.
    pub ca: Option<PathBuf>,
    /// See the flag of this name.
    pub cert: Option<PathBuf>,
    /// See the flag of this name.
    pub key: Option<PathBuf>,
    /// See the flag of this name.
    #[serde(deserialize_with = "from_text")]
    pub mqtt: Option<MqttVersion>,
    /// See the flag of this name.
    #[serde(deserialize_with = "from_text")]
    pub keepalive: Option<Keepalive>,
    /// See the flag of this name.
    #[serde(deserialize_with = "from_text")]
    pub session_expiry: Option<DurationValue>,
    /// A preset, a file, or the document itself.
    pub faults: Option<FaultsEntry>,
    /// Files of fault models by the names that faults can give.
    pub fault_models: BTreeMap<String, PathBuf>,
    /// See the flag of this name.
    pub seed: Option<Seed>,
    /// See the flag of this name.
    #[serde(deserialize_with = "from_text")]
    pub duration: Option<DurationValue>,
    /// See the flag of this name.
    #[serde(deserialize_with = "from_text")]
    pub drain: Option<DurationValue>,
    /// See the flag of this name.
    #[serde(deserialize_with = "from_text")]
    pub http: Option<HttpAddress>,
    /// See the flag of this name.
    pub log: Option<LogFormat>,
    /// See the flag of this name.
    pub log_messages: Option<Switch>,
    /// See the flag of this name.
    pub watch: Option<bool>,
    /// See the flag of this name.
    pub cache: Option<PathBuf>,
    /// See the flag of this name.
    pub precompiled: Option<PathBuf>,
    /// See the flag of this name.
    pub compile: Option<CompileOption>,
    /// See the flag of this name.
    #[serde(deserialize_with = "from_text")]
    pub canary: Option<DurationValue>,
}

/// A group of devices with one behaviour.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupEntry {
    /// What stands before the number in the devices' names; the behaviour's name by default.
    pub name: Option<DeviceId>,
    /// A built-in behaviour, a file, or a folder.
    pub behaviour: String,
    /// How many devices; 1 by default.
    #[serde(default, deserialize_with = "from_text")]
    pub count: Option<DeviceCount>,
    /// The behaviour's configuration.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// What each device may use.
    #[serde(default)]
    pub limits: Map<String, Value>,
    /// Hosts that the devices may ask over HTTP.
    pub allow_hosts: Option<Vec<String>>,
    /// Faults instead of the fleet's: a preset, a file, or the document itself.
    pub faults: Option<FaultsEntry>,
}

/// Faults by name, or written out.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultsEntry {
    /// A preset or a file.
    Named(String),
    /// The document itself.
    Inline(FaultDocument),
}

impl Serialize for FaultsEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(name) => serializer.serialize_str(name),
            Self::Inline(document) => document.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for FaultsEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FaultsVisitor)
    }
}

struct FaultsVisitor;

impl<'de> Visitor<'de> for FaultsVisitor {
    type Value = FaultsEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"realistic\", \"none\", a file's name, or a table with a list `fault`")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<FaultsEntry, E> {
        Ok(FaultsEntry::Named(name.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FaultsEntry, A::Error> {
        FaultDocument::deserialize(MapAccessDeserializer::new(map)).map(FaultsEntry::Inline)
    }
}
