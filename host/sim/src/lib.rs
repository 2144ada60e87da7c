//! The model of Wasmote: devices, faults and time, without a clock, a socket or a file.
//!
//! Start with [`device`]: it is the state machine that everything else serves. Then:
//!
//! * What a device is given and gives back: [`event`], [`context`] (with the effects), [`action`], [`notice`].
//! * Its mind: [`behaviour`], a trait that a sandboxed guest or a closure satisfies.
//! * What it handles: [`message`], [`topic`], [`http`].
//! * What it is told: [`config`].
//! * What it has: [`timers`], [`store`], [`metrics`] (with [`histogram`]), within its [`limits`].
//! * What happens to it: [`faults`], a vocabulary of values and the one place that applies them.
//! * What became of its messages: [`ledger`].
//! * Where its messages go: [`broker`], turned by virtual time and by live runs alike.
//! * How they get there: [`client`], a device's side of its MQTT session.
//! * What carries bytes, or does not: [`link`].
//! * What turns all of it without a clock: [`virtual_time`].
//! * What all of it stands on: [`time`], [`rng`], [`device_id`], [`schedule`], [`filter_tree`].
//!
//! Determinism is a law here: equal inputs give equal outputs, to the byte. The lints of this crate state
//! it, with the reasons, in `clippy.toml`.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod action;
pub mod behaviour;
pub mod config;
pub mod context;
pub mod device;
pub mod event;
pub mod faults;
pub mod histogram;
pub mod http;
pub mod ledger;
pub mod limits;
pub mod link;
pub mod metrics;
pub mod notice;
pub mod rng;
pub mod schedule;
pub mod store;
pub mod timers;
pub mod virtual_time;
