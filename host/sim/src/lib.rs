//! The simulation model of Wasmote: devices, faults and virtual time, without I/O.
//!
//! Start with [`device`], the state machine of a device. Then:
//!
//! * [`event`], [`context`] (with the effects), [`action`], [`notice`]: inputs and outputs of a device.
//! * [`behaviour`]: the program of a device, a trait for sandboxed guests and closures.
//! * [`data`]: recorded data that behaviours read.
//! * [`layout`]: topics and payloads on the wire in place of those of a behaviour.
//! * [`timers`], [`store`], [`metrics`] (with [`histogram`]), [`http`]: services of a device, within its
//!   [`limits`].
//! * [`faults`]: fault models, and the injector that applies them.
//! * [`latency`]: latencies from the actual and the intended time. [`ledger`]: message counts. [`health`]: devices that
//!   never worked, for the verdict of a run.
//! * [`link`]: the link between a client and the broker, with faults of the byte stream.
//! * [`virtual_time`]: discrete-event simulation of devices and a broker.
//! * `wit_conversions`: conversions to the types of `wit/`, for crates that generate bindings.
//! * [`digest`], [`rng`], [`schedule`]: digests, random numbers and time-ordered queues.
//!
//! The MQTT client and broker are in the crate [`wasmote_mqtt`].
//!
//! The crate is deterministic: equal inputs give equal outputs, to the byte. `clippy.toml` lists the banned
//! APIs with reasons.

pub mod action;
pub mod behaviour;
pub mod config;
pub mod context;
pub mod data;
pub mod device;
pub mod digest;
pub mod event;
pub mod faults;
pub mod health;
pub mod histogram;
pub mod http;
pub mod journey;
pub mod latency;
pub mod layout;
pub mod ledger;
pub mod limits;
pub mod link;
pub mod metrics;
pub mod notice;
pub mod rng;
pub mod schedule;
pub mod store;
pub mod timers;
pub mod version_change;
pub mod virtual_time;
mod wit_conversions;
