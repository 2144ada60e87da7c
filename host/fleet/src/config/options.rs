//! The options of a fleet, declared once for flags, environment and configuration file.
//!
//! An option is one field of [`Options`]. Its value is read where it is used, from the [`GivenOptions`] of the run, unless
//! it needs a check or a conversion, which make a field of [`Settings`](super::Settings) from it. A field of the file has the name of the flag with `_` for `-`; lists have the
//! plural in the file.
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
//!
//! * [`subset`]: verbs that take only some of the options. `unquoted`: options whose invalid values are not shown.

#![allow(rustdoc::broken_intra_doc_links, reason = "the doc comments of options are what --help shows")]

pub mod subset;
mod unquoted;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Map, Value};
use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Seed;

use self::unquoted::Unquoted;
use super::file::{FaultsEntry, GroupEntry};
use super::fleet_shard::FleetShard;
use super::identity::options::IdentityOptions;
use super::source_addresses::SourceAddresses;
use super::values::{
    BrokerChoice, CacheSize, Capability, CleanUpOption, CompileMemory, CompileOption, ConnectionLimit,
    DeviceCount, DurationValue, HttpAddress, JourneyMemory, Keepalive, LogFormat, MqttVersion, NamedFile,
    Rate, SecretText, Sha256Pin, Switch, TopicRoot,
};
use crate::key_value::Assignments;
use crate::schema::accept_alias;

/// A fleet: its devices, their broker and their faults. Paths are relative to the file's folder.
// Options of the file alone are `#[arg(skip)]`, and those of flags alone are `#[serde(skip)]`. The doc comment of an option
// is its text in --help and its description in the schema of files; `help` sets another text for --help.
#[derive(Args, Clone, Debug, Default, Deserialize, JsonSchema)]
#[command(mut_args(|option| option.hide_env_values(true)))]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = |schema: &mut Schema| accept_alias(schema, "group", "groups"))]
pub struct Options {
    /// A built-in behaviour, a .wasm file, a folder with one, oci://REGISTRY/NAME:TAG or an https URL; with @sha256:HASH at
    /// its end only that one [default: heartbeat]
    #[arg(env = "WASMOTE_BEHAVIOUR")]
    pub behaviour: Option<String>,

    /// Number of devices [default: 9]
    #[arg(
        short = 'n',
        long,
        env = "WASMOTE_DEVICES",
        allow_hyphen_values = true,
        value_name = "N",
        help_heading = "Fleet"
    )]
    pub devices: Option<DeviceCount>,

    /// File that describes the run, with groups of devices (TOML, or JSON by its name)
    #[arg(
        id = "config",
        short,
        long = "config",
        env = "WASMOTE_CONFIG",
        value_name = "FILE",
        help_heading = "Fleet"
    )]
    #[serde(skip)]
    pub config_file: Option<PathBuf>,

    /// Groups of devices, each with its own behaviour
    #[arg(skip)]
    #[serde(rename = "group", alias = "groups")]
    pub groups: Vec<GroupEntry>,

    /// Configuration of every behaviour; that of a group overrides it
    #[arg(skip)]
    pub config: Map<String, Value>,

    /// Set one value of the behaviours' configuration for all devices; dots lead into objects and lists.
    /// VALUE is JSON, or else text. In the environment: lines of KEY=VALUE, or a JSON object
    #[arg(long, env = "WASMOTE_DEVICE_CONFIG", value_name = "KEY=VALUE", help_heading = "Fleet")]
    #[serde(skip)]
    pub device_config: Vec<Assignments>,

    /// Name of the only device, or the prefix before the number of each (a pod's name, for example)
    #[arg(long, env = "WASMOTE_DEVICE_ID", value_name = "NAME", help_heading = "Fleet", value_parser = device_id)]
    pub device_id: Option<DeviceId>,

    /// Name of the group of devices, and prefix of their names [default: the behaviour's name]
    #[arg(
        id = "group",
        long = "group",
        env = "WASMOTE_GROUP",
        value_name = "NAME",
        help_heading = "Fleet",
        value_parser = device_id
    )]
    #[serde(skip)]
    pub group_name: Option<DeviceId>,

    /// Names and client ids of the devices of the only group
    #[command(flatten)]
    pub identity: IdentityOptions,

    /// First levels of every topic [default: wasmote]
    #[arg(long, env = "WASMOTE_TOPIC_ROOT", value_name = "TOPIC", help_heading = "Fleet")]
    pub topic_root: Option<TopicRoot>,

    /// Devices to start per second, such as 2000/s [default: all at once]
    #[arg(
        long,
        env = "WASMOTE_RAMP",
        allow_hyphen_values = true,
        value_name = "RATE",
        help_heading = "Fleet"
    )]
    pub ramp: Option<Rate>,

    /// Run only one part of the fleet, such as 2/6 for the second of six; other processes run the others
    #[arg(long, env = "WASMOTE_SHARD", value_name = "PART/PARTS", help_heading = "Fleet")]
    pub shard: Option<FleetShard>,

    /// Resource limits of each device; those of a group override them
    #[arg(skip)]
    #[schemars(with = "Limits")]
    pub limits: Map<String, Value>,

    /// Set one resource limit of each device, such as memory_bytes=8388608
    #[arg(long, env = "WASMOTE_LIMIT", value_name = "KEY=VALUE", help_heading = "Fleet")]
    #[serde(skip)]
    pub limit: Vec<Assignments>,

    /// Hosts that devices may send HTTP requests to, unless their group has its own list
    #[arg(
        id = "allow_host",
        long = "allow-host",
        help = "Host that devices may send HTTP requests to, as NAME or NAME:PORT [default: none]",
        env = "WASMOTE_ALLOW_HOST",
        value_name = "HOST",
        help_heading = "Fleet",
        value_delimiter = ','
    )]
    pub allow_hosts: Vec<String>,

    /// Capabilities that behaviours may not import, in addition to those that their group denies
    #[arg(
        long,
        help = "Capability that behaviours may not import, such as http or wasi; a behaviour that imports it is refused \
                [default: none]",
        env = "WASMOTE_DENY",
        value_name = "CAPABILITY",
        help_heading = "Fleet",
        value_delimiter = ','
    )]
    pub deny: Vec<Capability>,

    /// SHA-256 that the behaviour must have; another one is refused, also during the run [default: any]
    #[arg(long, env = "WASMOTE_SHA256", value_name = "HASH", help_heading = "Fleet")]
    pub sha256: Option<Sha256Pin>,

    /// Public key of minisign, or the file with one: behaviours that are not built in need a signature by it [default: none]
    #[arg(long, env = "WASMOTE_BEHAVIOUR_KEY", value_name = "KEY", help_heading = "Components")]
    pub behaviour_key: Option<String>,

    /// Folder in which components from registries and URLs are kept [default: ~/.cache/wasmote/downloads]
    #[arg(long, env = "WASMOTE_DOWNLOADS", value_name = "DIR", help_heading = "Components")]
    pub downloads: Option<PathBuf>,

    /// Time for one download [default: 2m]
    #[arg(
        long,
        env = "WASMOTE_DOWNLOAD_TIME",
        allow_hyphen_values = true,
        value_name = "TIME",
        help_heading = "Components"
    )]
    pub download_time: Option<DurationValue>,

    /// Hosts of registries and URLs that are asked without TLS, as NAME or NAME:PORT [default: localhost]
    #[arg(
        long,
        env = "WASMOTE_PLAIN_HTTP",
        value_name = "HOST",
        help_heading = "Components",
        value_delimiter = ','
    )]
    pub plain_http: Vec<String>,

    /// The broker: `embedded`, mqtt://HOST[:PORT], mqtts://HOST[:PORT], ws://HOST[:PORT]/PATH or wss://HOST[:PORT]/PATH
    /// [default: embedded]
    #[arg(
        short,
        long,
        env = "WASMOTE_BROKER",
        value_name = "URL",
        help_heading = "MQTT",
        value_parser = Unquoted("--broker")
    )]
    pub broker: Option<BrokerChoice>,

    /// Limits of the embedded broker
    #[arg(skip)]
    #[schemars(with = "BrokerLimits")]
    pub broker_limits: Map<String, Value>,

    /// Set one limit of the embedded broker, such as retained_bytes=1048576
    #[arg(long, env = "WASMOTE_BROKER_LIMIT", value_name = "KEY=VALUE", help_heading = "MQTT")]
    #[serde(skip)]
    pub broker_limit: Vec<Assignments>,

    /// User name for the broker
    #[arg(long, env = "WASMOTE_BROKER_USER", value_name = "NAME", help_heading = "MQTT")]
    pub broker_user: Option<String>,

    /// Password for the broker; the environment or a file keeps it from other users of this machine
    #[arg(long, env = "WASMOTE_BROKER_PASSWORD", value_name = "PASSWORD", help_heading = "MQTT")]
    pub broker_password: Option<SecretText>,

    /// File that holds the password
    #[arg(long, env = "WASMOTE_BROKER_PASSWORD_FILE", value_name = "FILE", help_heading = "MQTT")]
    pub broker_password_file: Option<PathBuf>,

    /// Addresses of this machine to connect from, in turn, as ADDR or FIRST-LAST: a system has some 28,000 ports for each
    /// [default: the system chooses]
    #[arg(
        id = "source_address",
        long = "source-address",
        env = "WASMOTE_SOURCE_ADDRESS",
        value_name = "ADDR",
        help_heading = "MQTT",
        value_delimiter = ','
    )]
    pub source_addresses: Vec<SourceAddresses>,

    /// Network interface to connect through, such as eth1; only on Linux [default: the system chooses]
    #[arg(long, env = "WASMOTE_INTERFACE", value_name = "NAME", help_heading = "MQTT")]
    pub interface: Option<String>,

    /// Proxy between the devices and the broker: http://[USER[:PASSWORD]@]HOST:PORT, or socks5:// or socks5h:// (the proxy
    /// resolves the broker's name) with the same; the environment or a file keeps a password from other users of this machine
    #[arg(long, env = "WASMOTE_PROXY", value_name = "URL", help_heading = "MQTT")]
    pub proxy: Option<SecretText>,

    /// File that holds the password for the proxy, whose URL then has only the user name
    #[arg(long, env = "WASMOTE_PROXY_PASSWORD_FILE", value_name = "FILE", help_heading = "MQTT")]
    pub proxy_password_file: Option<PathBuf>,

    /// Authorities to trust for mqtts:// and wss://, as PEM [default: the system's]
    #[arg(long, env = "WASMOTE_CA", value_name = "FILE", help_heading = "MQTT")]
    pub ca: Option<PathBuf>,

    /// The devices' certificate, as PEM; needs --key
    #[arg(long, env = "WASMOTE_CERT", value_name = "FILE", help_heading = "MQTT")]
    pub cert: Option<PathBuf>,

    /// The certificate's key, as PEM; needs --cert
    #[arg(long, env = "WASMOTE_KEY", value_name = "FILE", help_heading = "MQTT")]
    pub key: Option<PathBuf>,

    /// Name of the broker in its certificate, which TLS also sends as the server name (SNI) [default: the host of the URL]
    #[arg(long, env = "WASMOTE_TLS_NAME", value_name = "NAME", help_heading = "MQTT")]
    pub tls_name: Option<String>,

    /// Send the server name in the TLS handshake (SNI) [default: true]
    #[arg(
        long,
        env = "WASMOTE_TLS_SNI",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "MQTT"
    )]
    pub tls_sni: Option<bool>,

    /// Protocols to offer by ALPN, the preferred one first, such as mqtt or x-amzn-mqtt-ca [default: none]
    #[arg(
        id = "tls_alpn",
        long = "tls-alpn",
        env = "WASMOTE_TLS_ALPN",
        value_name = "PROTOCOL",
        help_heading = "MQTT",
        value_delimiter = ','
    )]
    pub tls_alpn: Vec<String>,

    /// Let a device resume its TLS session when it connects again; otherwise every handshake is a full one
    /// [default: true]
    #[arg(
        long,
        env = "WASMOTE_TLS_RESUMPTION",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "MQTT"
    )]
    pub tls_resumption: Option<bool>,

    /// Header of the WebSocket handshake, such as 'Authorization: Bearer TOKEN'; the environment, with a line for each, or a
    /// file keeps it from other users of this machine
    #[arg(
        id = "ws_header",
        long = "ws-header",
        env = "WASMOTE_WS_HEADER",
        value_name = "NAME: VALUE",
        help_heading = "MQTT",
        value_delimiter = '\n'
    )]
    pub ws_headers: Vec<SecretText>,

    /// File that holds headers of the WebSocket handshake, one on each line
    #[arg(long, env = "WASMOTE_WS_HEADERS_FILE", value_name = "FILE", help_heading = "MQTT")]
    pub ws_headers_file: Option<PathBuf>,

    /// Longest wait for the last messages to be sent at the end [default: 5s]
    #[arg(
        long,
        env = "WASMOTE_DRAIN",
        allow_hyphen_values = true,
        value_name = "TIME",
        help_heading = "Run"
    )]
    pub drain: Option<DurationValue>,

    /// Address of the HTTP API; port 0 takes a free one [default: 127.0.0.1:5000]
    #[arg(long, env = "WASMOTE_HTTP", value_name = "ADDR:PORT", help_heading = "HTTP API")]
    pub http: Option<HttpAddress>,

    /// Token that clients need to change something; the environment or a file keeps it from other users of this machine
    #[arg(long, env = "WASMOTE_HTTP_TOKEN", value_name = "TOKEN", help_heading = "HTTP API")]
    #[serde(skip)]
    pub http_token: Option<SecretText>,

    /// File that holds the token; `wasmote token` makes one
    #[arg(long, env = "WASMOTE_HTTP_TOKEN_FILE", value_name = "FILE", help_heading = "HTTP API")]
    pub http_token_file: Option<PathBuf>,

    /// Without a token, let other machines change this fleet too [default: they can only read]
    #[arg(
        long,
        env = "WASMOTE_HTTP_OPEN",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "HTTP API"
    )]
    pub http_open: Option<bool>,

    /// Protect reading like changes, except /healthz and /readyz
    #[arg(
        long,
        env = "WASMOTE_HTTP_PRIVATE",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "HTTP API"
    )]
    pub http_private: Option<bool>,

    /// Further names of this host in requests, such as lab.example or *.lab.example; `*` for every name in requests that
    /// only read [default: IP addresses, localhost, and the name of this machine]
    #[arg(
        id = "http_host",
        long = "http-host",
        env = "WASMOTE_HTTP_HOST",
        value_name = "NAME",
        help_heading = "HTTP API",
        value_delimiter = ','
    )]
    pub http_hosts: Vec<String>,

    /// Hosts from which clients of the API may have this host fetch a behaviour, as NAME or NAME:PORT [default: none]
    #[arg(
        long,
        env = "WASMOTE_HTTP_FETCH_FROM",
        value_name = "HOST",
        help_heading = "HTTP API",
        value_delimiter = ','
    )]
    pub http_fetch_from: Vec<String>,

    /// Maximum number of connections; one address may hold three quarters of them [default: 100]
    #[arg(
        long,
        env = "WASMOTE_HTTP_CONNECTIONS",
        allow_hyphen_values = true,
        value_name = "N",
        help_heading = "HTTP API"
    )]
    pub http_connections: Option<ConnectionLimit>,

    /// Maximum rate of requests from one address, such as 50/s [default: 1000/s]
    #[arg(
        long,
        env = "WASMOTE_HTTP_RATE",
        allow_hyphen_values = true,
        value_name = "RATE",
        help_heading = "HTTP API"
    )]
    pub http_rate: Option<Rate>,

    /// MQTT version: 5 or 3.1.1 [default: 5]
    #[arg(long, env = "WASMOTE_MQTT", value_name = "VERSION", help_heading = "MQTT")]
    pub mqtt: Option<MqttVersion>,

    /// MQTT keepalive: the broker closes a connection that is silent for 1.5 times as long; 5s or more [default: 10s]
    #[arg(
        long,
        env = "WASMOTE_KEEPALIVE",
        allow_hyphen_values = true,
        value_name = "TIME",
        help_heading = "MQTT"
    )]
    pub keepalive: Option<Keepalive>,

    /// How long the broker keeps the session of a lost connection [default: 0s]
    #[arg(
        long,
        env = "WASMOTE_SESSION_EXPIRY",
        allow_hyphen_values = true,
        value_name = "TIME",
        help_heading = "MQTT"
    )]
    pub session_expiry: Option<DurationValue>,

    /// What an orderly end clears at an external broker: sessions, and retained messages below the topic root (own) or all
    /// of the devices' (all) [default: own]
    #[arg(long, env = "WASMOTE_CLEAN_UP", value_name = "WHAT", help_heading = "MQTT")]
    pub clean_up: Option<CleanUpOption>,

    /// Faults: `realistic`, `none`, a file, or the faults themselves [default: realistic]
    #[arg(
        short,
        long,
        help = "Faults: `realistic`, `none`, or a file (TOML, or JSON by its name) [default: realistic]",
        env = "WASMOTE_FAULTS",
        value_name = "FAULTS",
        help_heading = "Run"
    )]
    pub faults: Option<FaultsEntry>,

    /// Component files by the names that faults of kind `component` can use as their `file`
    #[arg(skip)]
    pub fault_models: BTreeMap<String, PathBuf>,

    /// Component that faults of kind `component` can use as their `file` by this name, also over HTTP
    #[arg(
        long,
        env = "WASMOTE_FAULT_MODEL",
        value_name = "NAME=FILE",
        help_heading = "Run",
        value_delimiter = ','
    )]
    #[serde(skip)]
    pub fault_model: Vec<NamedFile>,

    /// Seed of all random streams; the same seed draws the same faults [default: drawn and printed]
    #[arg(long, env = "WASMOTE_SEED", allow_hyphen_values = true, value_name = "N", help_heading = "Run")]
    pub seed: Option<Seed>,

    /// Length of the run [default: until Ctrl-C]
    #[arg(
        short,
        long,
        env = "WASMOTE_DURATION",
        allow_hyphen_values = true,
        value_name = "TIME",
        help_heading = "Run"
    )]
    pub duration: Option<DurationValue>,

    /// Swap devices to the new version when the behaviour's file changes, without closing their connections
    #[arg(
        long,
        env = "WASMOTE_WATCH",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Run"
    )]
    pub watch: Option<bool>,

    /// Open the page of this host in a browser
    #[arg(
        long,
        env = "WASMOTE_OPEN",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Run"
    )]
    pub open: Option<bool>,

    /// How long one device of each group tries another version before the others follow; 0s for none
    /// [default: 10s]
    #[arg(
        long,
        env = "WASMOTE_CANARY",
        allow_hyphen_values = true,
        value_name = "TIME",
        help_heading = "Run"
    )]
    pub canary: Option<DurationValue>,

    /// Folder in which compiled behaviours are cached for the next start; `off` for none. Experiments use it, too
    /// [default: wasmote in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, env = "WASMOTE_CACHE", value_name = "DIR|off", help_heading = "Run")]
    pub cache: Option<PathBuf>,

    /// Most bytes of compiled code in that folder; the code that was not used for the longest time is deleted
    /// [default: 1GiB, or 48MiB in a folder that --cache names]
    #[arg(
        long,
        env = "WASMOTE_CACHE_SIZE",
        allow_hyphen_values = true,
        value_name = "SIZE",
        help_heading = "Run"
    )]
    pub cache_size: Option<CacheSize>,

    /// Folder with behaviours that `wasmote behaviours precompile` has compiled [default: none]
    #[arg(long, env = "WASMOTE_PRECOMPILED", value_name = "DIR", help_heading = "Run")]
    pub precompiled: Option<PathBuf>,

    /// How behaviours are compiled: `full` for fast code, `quick` for a quick start where there is little processor
    /// time, as in a small pod [default: full]
    #[arg(long, env = "WASMOTE_COMPILE", value_name = "HOW", help_heading = "Run")]
    pub compile: Option<CompileOption>,

    /// Memory of the process that compiles a behaviour, such as 512MiB; in a container at most three quarters of what is left
    /// there [default: 1GiB]
    #[arg(
        long,
        env = "WASMOTE_COMPILE_MEMORY",
        allow_hyphen_values = true,
        value_name = "SIZE",
        help_heading = "Run"
    )]
    pub compile_memory: Option<CompileMemory>,

    /// Processor time for compiling a behaviour; ten times as much real time is a limit, too [default: 2m]
    #[arg(
        long,
        env = "WASMOTE_COMPILE_TIME",
        allow_hyphen_values = true,
        value_name = "TIME",
        help_heading = "Run"
    )]
    pub compile_time: Option<DurationValue>,

    /// Memory for what became of recent messages, which the page and GET /messages show, such as 64MiB; 0 for none
    /// [default: 16MiB]
    #[arg(
        long,
        env = "WASMOTE_JOURNEY_MEMORY",
        allow_hyphen_values = true,
        value_name = "SIZE",
        help_heading = "Run"
    )]
    pub journey_memory: Option<JourneyMemory>,

    /// Format of log lines [default: text]
    #[arg(long, env = "WASMOTE_LOG", value_name = "FORMAT", help_heading = "Output")]
    pub log: Option<LogFormat>,

    /// Write a line for each message; auto does for up to 20 devices [default: auto]
    #[arg(long, env = "WASMOTE_LOG_MESSAGES", value_name = "WHEN", help_heading = "Output")]
    pub log_messages: Option<Switch>,
}

/// The options of a run as they were given.
#[derive(Clone, Debug, Default)]
pub struct GivenOptions {
    /// Flags, and environment variables of options without a flag.
    pub flags: Options,
    /// The configuration file.
    pub file: Options,
}

impl GivenOptions {
    /// An option from the command line, or else from the file.
    pub fn get<T: Clone>(&self, option: impl Fn(&Options) -> &Option<T>) -> Option<T> {
        option(&self.flags).clone().or_else(|| option(&self.file).clone())
    }
}

fn device_id(text: &str) -> Result<DeviceId, String> {
    DeviceId::new(text).map_err(|invalid| invalid.to_string())
}
