//! The program `wasmote`: what a user touches. Command line, configuration, HTTP API, metrics and log.
//!
//! Start with [`cli`], one verb a file; `wasmote run` goes through these, in this order:
//!
//! * [`config`]: flags, environment, file and defaults become [`config::Settings`], checked before anything
//!   is opened. It reads [`document`]s, which name the field that is wrong, finds behaviours by [`source`]
//!   (with the [`builtins`], and [`component_file`]s plain or packed), sets single values by [`key_value`] and reads
//!   faults as a [`fault_set`], with the [`fault_models`] that they name.
//! * [`topology`]: which devices are linked with which, in a run and in an experiment.
//! * [`preflight`]: what this machine, or this fleet, would not bear.
//! * [`blueprints`]: settings become the devices' blueprints.
//! * [`run`]: build, bind, announce, start, wait, drain, sum up.
//! * [`versions`]: what a running fleet's behaviours are, and how another version of one is rolled out;
//!   [`watch`]: from a file that changes.
//! * [`events`]: what devices do, as log lines ([`logging`]) and as events.
//! * [`server`]: the HTTP API, one resource a file; [`metrics`]: metrics as JSON and as text.
//! * [`manifests`]: the same fleet as objects for Kubernetes. [`fleet_query`]: the fleets of many processes as one, with
//!   the help of [`kubectl`].
//! * [`actions`]: changes to a running fleet, by a plan's timeline or over HTTP; [`fault_registry`]: which devices have
//!   which faults.
//! * [`report`]: a results folder as a page with plots, and folders side by side.
//!
//! [`field_path`] sets one field of a document by its path; [`quantity`] is a number or a length of time. [`suggest`]
//! finds the known name nearest to a misspelt one. [`exit`]: the exit codes. [`signals`]: Ctrl-C and SIGTERM.
//! [`term`]: stdout, stderr and colours. [`component_info`]: the description of a component.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod actions;
pub mod blueprints;
pub mod builtins;
pub mod cli;
pub mod component_file;
pub mod component_info;
pub mod config;
pub mod document;
pub mod events;
pub mod exit;
pub mod experiment;
pub mod fault_models;
pub mod fault_registry;
pub mod fault_set;
pub mod field_path;
pub mod fleet_query;
pub mod key_value;
pub mod kubectl;
pub mod logging;
pub mod manifests;
pub mod metrics;
pub mod preflight;
pub mod quantity;
pub mod report;
pub mod run;
pub mod server;
pub mod signals;
pub mod source;
pub mod startup;
pub mod suggest;
pub mod term;
pub mod topology;
pub mod versions;
pub mod watch;
