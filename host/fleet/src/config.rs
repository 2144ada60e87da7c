//! Configuration: flags, environment, file and defaults, in this order of precedence, become [`Settings`].
//!
//! * [`options`]: every option as a flag, an environment variable and a field of the file. [`mod@file`]: groups and faults
//!   in files.
//! * [`values`], [`source_addresses`], [`fleet_shard`]: the types of single options, with their checks.
//! * [`identity`]: names and client ids of devices. [`resolve`]: precedence and checks.

pub mod compile_cache;
pub mod file;
pub mod fleet_shard;
pub mod identity;
pub mod options;
pub mod resolve;
pub mod source_addresses;
mod value_schema;
pub mod values;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use wasmote_engine::cache::Cache;
use wasmote_engine::compile_process::CompileLimits;
use wasmote_engine::{CompileMode, Component, LoadError};
use wasmote_live::config::ConnectionOptions;
use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::layout::{self, Layout, LayoutError};
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Seed;

use crate::builtins;
use crate::document::{DocumentError, truncate_digits};
use crate::fault_models::FaultModels;
use crate::fault_set::FaultSet;
use crate::http_access::HttpAccess;
use crate::source::{Source, SourceError};
use crate::topology::{Links, MAX_NODES, TopologyError, links_of};
use fleet_shard::FleetShard;
use identity::credentials::CredentialRules;
use identity::names::GroupNames;
use options::GivenOptions;
use values::{BrokerChoice, LogFormat, Switch};

/// Default root of topics.
pub const DEFAULT_TOPIC_ROOT: &str = "wasmote";
/// Default keepalive.
pub const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(10);

/// Checked configuration of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The options that need neither check nor conversion.
    pub given: Arc<GivenOptions>,
    /// Groups of devices, at least one.
    pub groups: Vec<Group>,
    /// Name of the only device, or the prefix before the number of each.
    pub device_id: Option<DeviceId>,
    /// The first levels of every topic.
    pub topic_root: Arc<str>,
    /// The broker.
    pub broker: BrokerChoice,
    /// Limits of the embedded broker.
    pub broker_limits: BrokerLimits,
    /// Connection of every device.
    pub connection: ConnectionOptions,
    /// The MQTT version.
    pub protocol: Protocol,
    /// Who may use the HTTP API, and how much.
    pub http_access: HttpAccess,
    /// The faults of the fleet.
    pub faults: FaultSet,
    /// The components that faults may name.
    pub models: FaultModels,
    /// Seed of all random numbers.
    pub seed: Seed,
    /// Length of the run; without one it lasts until a signal.
    pub duration: Option<Duration>,
    /// Longest wait for the devices' last messages at the end.
    pub drain: Duration,
    /// The part of the fleet that this process runs.
    pub shard: FleetShard,
    /// Format of log lines.
    pub log: LogFormat,
    /// Whether each message gets a log line.
    pub log_messages: Switch,
    /// Folders of compiled behaviours.
    pub cache: Cache,
    /// Effort of the compiler for behaviours that are not in the cache.
    pub compile: CompileMode,
    /// Limits of the process that compiles them.
    pub compile_limits: CompileLimits,
    /// How long one device of each group tries another version before the others follow.
    pub canary: Duration,
}

/// Devices with one behaviour.
#[derive(Clone, Debug)]
pub struct Group {
    /// Prefix before the number in the devices' names.
    pub name: String,
    /// Source of the behaviour.
    pub behaviour: Source,
    /// Number of devices.
    pub count: u32,
    /// Names and client ids of the devices; `None` for the default names.
    pub names: Option<Arc<GroupNames>>,
    /// Credentials of the devices; `None` for those of the fleet.
    pub credentials: Option<Arc<CredentialRules>>,
    /// The behaviour's configuration.
    pub config: Map<String, Value>,
    /// Faults of the group; `None` for those of the fleet.
    pub faults: Option<FaultSet>,
    /// Resource limits of each device.
    pub limits: Arc<Limits>,
    /// Hosts that the devices may send HTTP requests to.
    pub allow_hosts: Arc<[String]>,
    /// Capabilities that the behaviour may not import.
    pub deny: Arc<[String]>,
    /// SHA-256 that the behaviour must have.
    pub sha256: Option<String>,
    /// Neighbours of each device, from the topology of the plan or of the group's own configuration; `None` without a
    /// topology.
    pub links: Option<Arc<Links>>,
}

impl Group {
    /// The layout in its configuration.
    pub fn layout(&self) -> Result<Option<Layout>, LayoutError> {
        let known = self.behaviour.builtin().and_then(builtins::topics);
        let layout = self.config.get(layout::CONFIG_KEY);
        layout.map(|layout| Layout::read(layout, known)).transpose()
    }

    /// Checks that the devices of the group can run this component: its SHA-256, its imports, and its initial memory and
    /// tables.
    pub fn check(&self, component: &Component) -> Result<(), LoadError> {
        component.check_pin(self.sha256.as_deref())?;
        component.check_denied(&self.deny)?;
        component.check_limits(&self.limits)
    }

    /// Computes the links of its devices from its own configuration. `names` gives the names of the devices, which only a
    /// topology needs.
    pub fn link(&mut self, names: impl FnOnce(&Self) -> Vec<String>) -> Result<(), TopologyError> {
        self.links = links_of(&self.behaviour.name(), &self.config, || names(self))?.map(Arc::new);
        Ok(())
    }

    /// The names of its devices for a topology, but at most `MAX_NODES + 1`, which is enough for the error about too many.
    /// `id` is the name of the only device, or the prefix before the number of each.
    pub fn device_names(&self, id: Option<&DeviceId>) -> Vec<String> {
        self.names_of(id, self.count)
    }

    /// The names of the first `count` devices, for a group that devices join later.
    pub fn names_of(&self, id: Option<&DeviceId>, count: u32) -> Vec<String> {
        match (id, count, &self.names) {
            (_, _, Some(names)) => {
                let named = (0..count).take(MAX_NODES + 1).map_while(|index| names.get(index).ok());
                named.map(|name| name.id.to_string()).collect()
            }
            (Some(id), 1, None) => vec![id.to_string()],
            (id, count, None) => {
                let prefix = self.device_prefix(id);
                (0..count).take(MAX_NODES + 1).map(|index| format!("{prefix}{index}")).collect()
            }
        }
    }

    /// Prefix before the number in its devices' names.
    pub fn device_prefix(&self, id: Option<&DeviceId>) -> String {
        format!("{}-", id.map_or(self.name.as_str(), DeviceId::as_str))
    }
}

impl Settings {
    /// Devices of this process.
    pub fn devices(&self) -> usize {
        self.shard.device_count(self.groups.iter().map(|group| group.count as usize).sum())
    }

    /// True if each message gets a line in the log.
    pub fn logs_messages(&self) -> bool {
        /// Maximum of devices whose message lines a reader can still follow.
        const MAX_DEVICES: usize = 20;
        match self.log_messages {
            Switch::On => true,
            Switch::Off => false,
            Switch::Auto => self.devices() <= MAX_DEVICES,
        }
    }
}

/// Invalid configuration. Each error names the setting and a valid alternative.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read `{path}`, which {named_by} names: {problem}")]
    Unreadable {
        /// The file.
        path: String,
        /// The flag or field.
        named_by: &'static str,
        /// The error of the system.
        problem: std::io::Error,
    },
    /// A document is invalid.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A behaviour was not found.
    #[error("{setting}: {problem}")]
    Behaviour {
        /// The flag or field.
        setting: String,
        /// The reason.
        problem: SourceError,
    },
    /// Settings contradict each other, or a value is out of range.
    #[error("{setting}: {problem}")]
    Invalid {
        /// The flag or field.
        setting: String,
        /// The reason, with a valid alternative.
        problem: String,
    },
}

impl ConfigError {
    fn invalid(setting: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { setting: setting.into(), problem: truncate_digits(&problem.into()) }
    }
}
