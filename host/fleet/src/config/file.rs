//! Parts of configuration files that plans have, too: groups of devices, and faults.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use wasmote_mqtt::device_id::DeviceId;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::limits::Limits;

use super::identity::options::IdentityOptions;
use super::values::{Capability, DeviceCount, Sha256Pin};

/// Devices with one behaviour.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupEntry {
    /// Name of the group, and prefix of its devices' names; the behaviour's name by default.
    pub name: Option<DeviceId>,
    /// A built-in behaviour, a file, a folder, or a reference to a registry or a URL.
    pub behaviour: String,
    /// The number of devices; 1 by default.
    pub count: Option<DeviceCount>,
    /// The behaviour's configuration.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Resource limits of each device.
    #[serde(default)]
    #[schemars(with = "Limits")]
    pub limits: Map<String, Value>,
    /// Hosts that the devices may send HTTP requests to.
    pub allow_hosts: Option<Vec<String>>,
    /// Capabilities that the behaviour may not import, in addition to those of the whole file.
    #[serde(default)]
    pub deny: Vec<Capability>,
    /// SHA-256 that the behaviour must have.
    pub sha256: Option<Sha256Pin>,
    /// Names and client ids of the devices.
    #[serde(default)]
    pub identity: IdentityOptions,
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

impl FromStr for FaultsEntry {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(Self::Named(name.into()))
    }
}

impl Serialize for FaultsEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(name) => serializer.serialize_str(name),
            Self::Inline(document) => document.serialize(serializer),
        }
    }
}

impl JsonSchema for FaultsEntry {
    fn schema_name() -> Cow<'static, str> {
        "Faults".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = "A preset (`realistic`, or `none` for no faults), or the file of a fault document.";
        json_schema!({
            "oneOf": [
                {"type": "string", "description": name, "examples": FaultDocument::PRESETS},
                generator.subschema_for::<FaultDocument>(),
            ],
        })
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
