//! The flags of everything that runs in real time: a fleet, or an experiment.

#![allow(rustdoc::broken_intra_doc_links, reason = "the doc comments of flags are what --help shows")]

use std::path::PathBuf;

use clap::Args;

use crate::config::source_addresses::SourceAddresses;
use crate::config::values::{BrokerChoice, DurationValue, HttpAddress};

/// The broker, the HTTP API, and the end.
#[derive(Args, Clone, Debug, Default)]
pub struct LiveArgs {
    /// The broker: `embedded`, mqtt://HOST[:PORT] or mqtts://HOST[:PORT] [default: embedded]
    #[arg(
        short,
        long,
        env = "WASMOTE_BROKER",
        value_name = "URL",
        help_heading = "MQTT",
        hide_env_values = true
    )]
    pub broker: Option<BrokerChoice>,

    /// User name for the broker
    #[arg(
        long,
        env = "WASMOTE_BROKER_USER",
        value_name = "NAME",
        help_heading = "MQTT",
        hide_env_values = true
    )]
    pub broker_user: Option<String>,

    /// Password for the broker; the environment or a file keeps it from other users of this machine
    #[arg(
        long,
        env = "WASMOTE_BROKER_PASSWORD",
        value_name = "PASSWORD",
        help_heading = "MQTT",
        hide_env_values = true
    )]
    pub broker_password: Option<String>,

    /// File that holds the password
    #[arg(
        long,
        env = "WASMOTE_BROKER_PASSWORD_FILE",
        value_name = "FILE",
        help_heading = "MQTT",
        hide_env_values = true
    )]
    pub broker_password_file: Option<PathBuf>,

    /// Addresses of this machine to connect from, in turn, as ADDR or FIRST-LAST: a system has some 28,000 ports for each
    /// [default: the system chooses]
    #[arg(
        long,
        env = "WASMOTE_SOURCE_ADDRESS",
        value_name = "ADDR",
        help_heading = "MQTT",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub source_address: Vec<SourceAddresses>,

    /// Authorities to trust for mqtts://, as PEM [default: the system's]
    #[arg(long, env = "WASMOTE_CA", value_name = "FILE", help_heading = "MQTT", hide_env_values = true)]
    pub ca: Option<PathBuf>,

    /// The devices' certificate, as PEM; needs --key
    #[arg(long, env = "WASMOTE_CERT", value_name = "FILE", help_heading = "MQTT", hide_env_values = true)]
    pub cert: Option<PathBuf>,

    /// The certificate's key, as PEM; needs --cert
    #[arg(long, env = "WASMOTE_KEY", value_name = "FILE", help_heading = "MQTT", hide_env_values = true)]
    pub key: Option<PathBuf>,

    /// How long the last messages may take to get out at the end [default: 5s]
    #[arg(
        long,
        env = "WASMOTE_DRAIN",
        allow_hyphen_values = true,
        value_name = "TIME",
        help_heading = "Run",
        hide_env_values = true
    )]
    pub drain: Option<DurationValue>,

    /// Where the HTTP API listens; port 0 takes a free one [default: 127.0.0.1:5000]
    #[arg(
        long,
        env = "WASMOTE_HTTP",
        value_name = "ADDR:PORT",
        help_heading = "Run",
        hide_env_values = true
    )]
    pub http: Option<HttpAddress>,
}

impl LiveArgs {
    /// A flag that was given. What comes from the environment is no flag: it may be meant for others.
    pub fn flag(&self) -> Option<&'static str> {
        let given = [
            ("--broker", "WASMOTE_BROKER", self.broker.is_some()),
            ("--broker-user", "WASMOTE_BROKER_USER", self.broker_user.is_some()),
            ("--broker-password", "WASMOTE_BROKER_PASSWORD", self.broker_password.is_some()),
            ("--broker-password-file", "WASMOTE_BROKER_PASSWORD_FILE", self.broker_password_file.is_some()),
            ("--source-address", "WASMOTE_SOURCE_ADDRESS", !self.source_address.is_empty()),
            ("--ca", "WASMOTE_CA", self.ca.is_some()),
            ("--cert", "WASMOTE_CERT", self.cert.is_some()),
            ("--key", "WASMOTE_KEY", self.key.is_some()),
            ("--drain", "WASMOTE_DRAIN", self.drain.is_some()),
            ("--http", "WASMOTE_HTTP", self.http.is_some()),
        ];
        let is_flag = |(_, variable, given): &(_, &str, bool)| *given && std::env::var_os(variable).is_none();
        given.into_iter().find(is_flag).map(|(flag, _, _)| flag)
    }
}
