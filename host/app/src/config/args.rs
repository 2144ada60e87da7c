//! The flags of `wasmote run`, with the environment names that stand in for them.

#![allow(rustdoc::broken_intra_doc_links, reason = "the doc comments of flags are what --help shows")]

mod live;

use std::path::PathBuf;

use clap::Args;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_sim::rng::Seed;

use super::fleet_shard::FleetShard;
use super::values::{
    CompileOption, DeviceCount, DurationValue, Keepalive, LogFormat, MqttVersion, NamedFile, Rate, Switch,
    TopicRoot,
};
use crate::key_value::Assignments;
pub use live::LiveArgs;

/// What `wasmote run` takes. A flag beats its environment name, which beats the file.
#[derive(Args, Clone, Debug, Default)]
pub struct RunArgs {
    /// A built-in behaviour, a .wasm file, or a folder with one [default: heartbeat]
    #[arg(env = "WASMOTE_BEHAVIOUR", hide_env_values = true)]
    pub behaviour: Option<String>,

    /// Number of devices [default: 9]
    #[arg(
        short = 'n',
        long,
        env = "WASMOTE_DEVICES",
        allow_hyphen_values = true,
        value_name = "N",
        help_heading = "Fleet",
        hide_env_values = true
    )]
    pub devices: Option<DeviceCount>,

    /// File that describes the run, with groups of devices (TOML, or JSON by its name)
    #[arg(
        short,
        long,
        env = "WASMOTE_CONFIG",
        value_name = "FILE",
        help_heading = "Fleet",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,

    /// Set one value of the behaviours' configuration for all devices; dots lead into objects and lists.
    /// VALUE is JSON, or else text. In the environment: lines of KEY=VALUE, or a JSON object
    #[arg(
        long,
        env = "WASMOTE_DEVICE_CONFIG",
        value_name = "KEY=VALUE",
        help_heading = "Fleet",
        hide_env_values = true
    )]
    pub device_config: Vec<Assignments>,

    /// Name of the only device, or what stands before the number of each (a pod's name, for example)
    #[arg(long, env = "WASMOTE_DEVICE_ID", value_name = "NAME", help_heading = "Fleet", value_parser = device_id,
        hide_env_values = true)]
    pub device_id: Option<DeviceId>,

    /// What to call the group of devices, and so the devices [default: the behaviour's name]
    #[arg(long, env = "WASMOTE_GROUP", value_name = "NAME", help_heading = "Fleet", value_parser = device_id,
        hide_env_values = true)]
    pub group: Option<DeviceId>,

    /// First levels of every topic [default: wasmote]
    #[arg(
        long,
        env = "WASMOTE_TOPIC_ROOT",
        value_name = "TOPIC",
        help_heading = "Fleet",
        hide_env_values = true
    )]
    pub topic_root: Option<TopicRoot>,

    /// Devices to start per second, such as 2000/s [default: all at once]
    #[arg(
        long,
        env = "WASMOTE_RAMP",
        allow_hyphen_values = true,
        value_name = "RATE",
        help_heading = "Fleet",
        hide_env_values = true
    )]
    pub ramp: Option<Rate>,

    /// Run only one part of the fleet, such as 2/6 for the second of six; other processes run the others
    #[arg(
        long,
        env = "WASMOTE_SHARD",
        value_name = "PART/PARTS",
        help_heading = "Fleet",
        hide_env_values = true
    )]
    pub shard: Option<FleetShard>,

    /// Set one limit of what each device may use, such as memory_bytes=8388608
    #[arg(
        long,
        env = "WASMOTE_LIMIT",
        value_name = "KEY=VALUE",
        help_heading = "Fleet",
        hide_env_values = true
    )]
    pub limit: Vec<Assignments>,

    /// Host that devices may ask over HTTP, as NAME or NAME:PORT [default: none]
    #[arg(
        long,
        env = "WASMOTE_ALLOW_HOST",
        value_name = "HOST",
        help_heading = "Fleet",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub allow_host: Vec<String>,

    /// Where and how it runs.
    #[command(flatten)]
    pub live: LiveArgs,

    /// MQTT version: 5 or 3.1.1 [default: 5]
    #[arg(long, env = "WASMOTE_MQTT", value_name = "VERSION", help_heading = "MQTT", hide_env_values = true)]
    pub mqtt: Option<MqttVersion>,

    /// Longest silence that the broker accepts, by half again; 5s or more [default: 10s]
    #[arg(
        long,
        env = "WASMOTE_KEEPALIVE",
        allow_hyphen_values = true,
        value_name = "TIME",
        help_heading = "MQTT",
        hide_env_values = true
    )]
    pub keepalive: Option<Keepalive>,

    /// How long the broker keeps the session of a lost connection [default: 0s]
    #[arg(
        long,
        env = "WASMOTE_SESSION_EXPIRY",
        allow_hyphen_values = true,
        value_name = "TIME",
        help_heading = "MQTT",
        hide_env_values = true
    )]
    pub session_expiry: Option<DurationValue>,

    /// What goes wrong: `realistic`, `none`, or a file (TOML, or JSON by its name) [default: realistic]
    #[arg(
        short,
        long,
        env = "WASMOTE_FAULTS",
        value_name = "FAULTS",
        help_heading = "Run",
        hide_env_values = true
    )]
    pub faults: Option<String>,

    /// A component that a fault of kind `component` can name as its file, over HTTP too
    #[arg(
        long,
        env = "WASMOTE_FAULT_MODEL",
        value_name = "NAME=FILE",
        help_heading = "Run",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub fault_model: Vec<NamedFile>,

    /// Start of all randomness; the same seed draws the same faults [default: drawn and printed]
    #[arg(
        long,
        env = "WASMOTE_SEED",
        allow_hyphen_values = true,
        value_name = "N",
        help_heading = "Run",
        hide_env_values = true
    )]
    pub seed: Option<Seed>,

    /// How long to run [default: until Ctrl-C]
    #[arg(
        short,
        long,
        env = "WASMOTE_DURATION",
        allow_hyphen_values = true,
        value_name = "TIME",
        help_heading = "Run",
        hide_env_values = true
    )]
    pub duration: Option<DurationValue>,

    /// Swap devices over to another version when the behaviour's file changes, with their connections up
    #[arg(
        long,
        env = "WASMOTE_WATCH",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Run",
        hide_env_values = true
    )]
    pub watch: Option<bool>,

    /// How long one device of each group tries another version before the others follow; 0s for none
    /// [default: 10s]
    #[arg(
        long,
        env = "WASMOTE_CANARY",
        allow_hyphen_values = true,
        value_name = "TIME",
        help_heading = "Run",
        hide_env_values = true
    )]
    pub canary: Option<DurationValue>,

    /// Folder in which compiled behaviours are kept, so that the next start need not compile them [default: none]
    #[arg(long, env = "WASMOTE_CACHE", value_name = "DIR", help_heading = "Run", hide_env_values = true)]
    pub cache: Option<PathBuf>,

    /// Folder with behaviours that `wasmote behaviours precompile` compiled ahead [default: none]
    #[arg(
        long,
        env = "WASMOTE_PRECOMPILED",
        value_name = "DIR",
        help_heading = "Run",
        hide_env_values = true
    )]
    pub precompiled: Option<PathBuf>,

    /// How behaviours are compiled: `full` for fast code, `quick` for a quick start where there is little processor
    /// time, as in a small pod [default: full]
    #[arg(long, env = "WASMOTE_COMPILE", value_name = "HOW", help_heading = "Run", hide_env_values = true)]
    pub compile: Option<CompileOption>,

    /// How log lines are written [default: text]
    #[arg(long, env = "WASMOTE_LOG", value_name = "FORMAT", help_heading = "Output", hide_env_values = true)]
    pub log: Option<LogFormat>,

    /// Write a line for each message; auto does for up to 20 devices [default: auto]
    #[arg(
        long,
        env = "WASMOTE_LOG_MESSAGES",
        value_name = "WHEN",
        help_heading = "Output",
        hide_env_values = true
    )]
    pub log_messages: Option<Switch>,
}

fn device_id(text: &str) -> Result<DeviceId, String> {
    DeviceId::new(text).map_err(|invalid| invalid.to_string())
}
