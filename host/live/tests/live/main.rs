//! Fleets against real brokers. Where it makes sense, one body runs against a Mosquitto and against the
//! embedded broker, with the same expectations.
//!
//! Nothing here sleeps to wait for something: it waits for the thing itself, with a limit.

mod support;

mod broker;
mod byte_streams;
mod fleets;
mod host_client;
mod listener;
mod local;
mod outages;
mod properties;
mod queues;
mod reconnects;
mod refusals;
mod sessions;
mod shutdown;
mod swaps;
mod tls;
mod traffic;
