//! SDK for behaviours and fault models.
//!
//! Start here:
//!
//! - [`behaviour`]: the trait of a behaviour; [`export!`] exports it as a component.
//! - [`device`]: the [`Device`], with messages, timers, clock, log, metrics and state.
//! - [`command`]: commands over MQTT and their acknowledgements.
//! - [`fault`]: the trait of a fault model.
//! - [`config`]: typed access to the configuration, with errors that name the field.
//! - [`data`]: recorded data from files.
//! - [`message`], [`http`], [`topic`]: messages, requests and topics.
//! - [`random`]: distributions of random numbers.
//! - [`json`]: a parser and writer with limits for hostile input.
//! - [`number`], [`timestamp`]: small conversions between numbers, times and text.
//! - [`template`]: texts with placeholders.
//! - [`sorted_map`]: a small map.
//! - `bench` (not on Wasm, and not without the feature `bench`): a fleet in virtual time, for native tests of a behaviour.
//!
//! Below: `host` is the interface to the host, and `imports` has its functions. In a component they call the imports, in a
//! test the bench. `guest` implements the exports. The same behaviour runs on both.

#[allow(missing_docs, unsafe_code)]
#[doc(hidden)]
pub mod bindings;

pub mod behaviour;
#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
pub mod bench;
pub mod command;
pub mod config;
pub mod data;
pub mod device;
pub mod fault;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
mod host;
pub mod http;
mod imports;
pub mod json;
pub mod message;
pub mod number;
pub mod random;
pub mod sorted_map;
pub mod template;
pub mod timestamp;
pub mod topic;

pub use behaviour::{Behaviour, ConnectionChange, StartCause, StopReason};
pub use command::Command;
pub use config::Config;
pub use device::Device;
pub use http::{Failure, Request, Response};
pub use message::{Message, Outgoing, Qos};
pub use number::decimal;
pub use std::time::Duration;
