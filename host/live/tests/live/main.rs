//! Integration tests of live fleets against real brokers. Where possible, one test body runs against
//! Mosquitto and against the embedded broker, with the same expectations.
//!
//! No test sleeps to wait for an event: it waits for the event itself, with a timeout.

mod support;

mod broker;
mod byte_streams;
mod certificates;
mod client_limits;
mod failover;
mod fleets;
mod host_client;
mod listener;
mod local;
mod misbehaviour;
mod outages;
mod properties;
mod proxies;
mod queues;
mod reconnects;
mod refusals;
mod saturation;
mod sessions;
mod shutdown;
mod storms;
mod swaps;
mod tls;
mod tls_options;
mod traffic;
mod websockets;
