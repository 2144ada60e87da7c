//! A running fleet, and everything needed to configure, start, change and observe it.
//!
//! `wasmote run` uses these modules in this order:
//!
//! * [`config`]: flags, environment, file and defaults become [`config::Settings`], which are checked before anything is
//!   opened. It reads [`document`]s, finds behaviours by [`source`] (with the [`builtins`] and [`component_file`]s), sets
//!   single values by [`key_value`], replaces names of files by their text ([`config_files`]), and reads faults as a [`fault_set`] with the [`fault_models`] that they name.
//! * [`topology`]: links between devices. [`preflight`]: limits of this machine, and load that a fleet cannot sustain.
//! * [`blueprints`]: settings become the devices' blueprints. [`startup`]: starts the broker and the HTTP listener.
//! * [`versions`]: the behaviours of a running fleet and the rollout of new versions; [`watch`]: rollout when a file changes.
//! * [`events`]: events of devices as log lines ([`logging`]) and as records. [`metrics`]: counts as JSON and OpenMetrics.
//! * [`actions`]: changes to a running fleet, from a plan's timeline or over HTTP; [`fault_registry`]: the faults in force.
//!
//! Helpers: [`field_path`] sets one field of a document by its path; [`quantity`] is a number or a duration; [`suggest`]
//! finds the known name nearest to a misspelt one; [`signals`] handles Ctrl-C and SIGTERM; [`term`] writes to the terminal;
//! [`printable`] makes text from outside visible; [`http_access`]: who may use the HTTP API, and how much;
//! [`regular_file`] reads files that users name; [`certificates`] makes certificates for tests;
//! [`refusals`] tells what a broker did not take;
//! [`strip_nulls`] makes a plan fit for TOML; [`component_info`] describes a component; [`schema`] completes JSON Schemas.

pub mod actions;
pub mod blueprints;
pub mod builtins;
pub mod certificates;
pub mod component_file;
pub mod component_info;
pub mod config;
pub mod config_files;
pub mod document;
pub mod events;
pub mod fault_models;
pub mod fault_registry;
pub mod fault_set;
pub mod field_path;
pub mod http_access;
pub mod key_value;
pub mod logging;
pub mod metrics;
pub mod payload_bytes;
pub mod preflight;
pub mod printable;
pub mod quantity;
pub mod refusals;
pub mod regular_file;
pub mod schema;
pub mod signals;
pub mod source;
pub mod startup;
pub mod strip_nulls;
pub mod suggest;
pub mod term;
pub mod topology;
pub mod versions;
pub mod watch;

pub use wasmote_engine::sha256;
