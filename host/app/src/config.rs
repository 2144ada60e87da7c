//! What a run is made of, put together from flags, environment, file and defaults, in this order.
//!
//! * [`values`], [`source_addresses`]: the types of single settings; each knows what is legal and says what is not.
//! * [`args`]: flags and environment names. [`mod@file`]: the configuration file.
//! * [`resolve`]: the one place where they meet and become [`Settings`].

pub mod args;
pub mod file;
pub mod fleet_shard;
pub mod resolve;
pub mod source_addresses;
pub mod values;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use wasmote_engine::CompileMode;
use wasmote_engine::cache::Cache;
use wasmote_live::config::ConnectionOptions;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Seed;

use crate::document::{DocumentError, truncate_digits};
use crate::fault_models::FaultModels;
use crate::fault_set::FaultSet;
use crate::source::{Source, SourceError};
use fleet_shard::FleetShard;
use values::{BrokerChoice, HttpAddress, LogFormat, Switch};

/// Everything a run depends on, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The devices, at least one.
    pub groups: Vec<Group>,
    /// The name of the only device, or what stands before the number of each.
    pub device_id: Option<DeviceId>,
    /// The first levels of every topic.
    pub topic_root: Arc<str>,
    /// The broker.
    pub broker: BrokerChoice,
    /// How every device connects.
    pub connection: ConnectionOptions,
    /// The MQTT version.
    pub protocol: Protocol,
    /// Where the API listens.
    pub http: HttpAddress,
    /// The faults of the fleet.
    pub faults: FaultSet,
    /// The components that faults may name.
    pub models: FaultModels,
    /// All randomness.
    pub seed: Seed,
    /// How long the run lasts; until a signal when there is none.
    pub duration: Option<Duration>,
    /// How long devices may take to let their last messages out.
    pub drain: Duration,
    /// Devices started per second.
    pub ramp: Option<f64>,
    /// The part of the fleet that this process runs.
    pub shard: FleetShard,
    /// How log lines are written.
    pub log: LogFormat,
    /// Whether each message gets a line.
    pub log_messages: Switch,
    /// Whether behaviours swap when their files change.
    pub watch: bool,
    /// Where compiled behaviours are looked for and kept.
    pub cache: Cache,
    /// How behaviours are compiled that were not compiled before.
    pub compile: CompileMode,
    /// How long canaries try another version of a behaviour before the others follow.
    pub canary: Duration,
}

/// Devices with one behaviour.
#[derive(Clone, Debug)]
pub struct Group {
    /// What stands before the number in its devices' names.
    pub name: String,
    /// Where the behaviour comes from.
    pub behaviour: Source,
    /// How many devices.
    pub count: u32,
    /// The behaviour's configuration.
    pub config: Map<String, Value>,
    /// Its own faults; `None` for the fleet's.
    pub faults: Option<FaultSet>,
    /// What each device may use.
    pub limits: Arc<Limits>,
    /// Hosts that its devices may ask over HTTP.
    pub allow_hosts: Arc<[String]>,
    /// Who is linked with whom, where a plan says it; else behaviours have to know.
    pub links: Option<Arc<Links>>,
}

/// Devices by name, and the names of those that each is linked with.
pub type Links = std::collections::BTreeMap<String, Vec<String>>;

impl Settings {
    /// Devices of this process.
    pub fn devices(&self) -> usize {
        self.shard.device_count(self.groups.iter().map(|group| group.count as usize).sum())
    }

    /// Whether each message gets a line in the log.
    pub fn logs_messages(&self) -> bool {
        /// More devices than this write more than a reader could follow.
        const MAX_DEVICES: usize = 20;
        match self.log_messages {
            Switch::On => true,
            Switch::Off => false,
            Switch::Auto => self.devices() <= MAX_DEVICES,
        }
    }
}

/// Settings that make no run. Each says where it was found and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that cannot be read.
    #[error("cannot read `{path}`, which {named_by} names: {problem}")]
    Unreadable {
        /// The file.
        path: String,
        /// The flag or field.
        named_by: &'static str,
        /// What the system said.
        problem: std::io::Error,
    },
    /// A document that makes no sense.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A behaviour that was not found.
    #[error("{setting}: {problem}")]
    Behaviour {
        /// The flag or field.
        setting: String,
        /// What is wrong.
        problem: SourceError,
    },
    /// Settings that do not go together, or a value out of range.
    #[error("{setting}: {problem}")]
    Invalid {
        /// The flag or field.
        setting: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
}

impl ConfigError {
    fn invalid(setting: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { setting: setting.into(), problem: truncate_digits(&problem.into()) }
    }
}
