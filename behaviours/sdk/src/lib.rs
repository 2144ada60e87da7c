//! What a Wasmote behaviour is written with, and a model of faults.
//!
//! Where to start:
//!
//! - [`behaviour`]: the trait a behaviour implements; [`export!`] makes a component of it.
//! - [`device`]: the [`Device`] through which it speaks: messages, timers, clock, log, metrics, state.
//! - [`command`]: commands over MQTT and their acknowledgements.
//! - [`fault`]: the same for a model of faults, which judges messages and is no device.
//! - [`config`]: reading the device's configuration, with errors that name the field.
//! - [`message`], [`http`], [`topic`]: what comes in and goes out.
//! - [`random`]: distributions over the device's own random numbers.
//! - [`json`]: a reader and writer that hostile payloads cannot exhaust.
//! - [`number`]: numbers to text and back, small.
//! - [`sorted_map`]: a small map.
//! - `bench` (not on Wasm): a fleet in virtual time, to test a behaviour with nothing else installed.
//!
//! Beneath: [`host`] is the seam between a device and whatever carries it, which is the host's imports
//! in a component (`imports`, `guest`) and the bench in a test. The same behaviour runs on either.

#[allow(missing_docs, unsafe_code)]
#[doc(hidden)]
pub mod bindings;

pub mod behaviour;
#[cfg(not(target_arch = "wasm32"))]
pub mod bench;
pub mod command;
pub mod config;
pub mod device;
mod error_text;
pub mod fault;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
pub mod host;
pub mod http;
#[cfg(target_arch = "wasm32")]
mod imports;
pub mod json;
pub mod message;
pub mod number;
pub mod random;
pub mod sorted_map;
pub mod topic;

pub use behaviour::{Behaviour, ConnectionChange, StartCause, StopReason};
pub use command::Command;
pub use config::Config;
pub use device::Device;
pub use http::{Failure, Request, Response};
pub use message::{Message, Outgoing, Qos};
pub use number::decimal;
pub use std::time::Duration;
