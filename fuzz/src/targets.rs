//! The targets, each with its property.

mod broker_model;
mod client;
mod codec;
mod component;
mod documents;
mod http;
mod topics;

pub(crate) use topics::is_match;

use crate::Target;

/// All targets.
pub const ALL: [Target; 10] = [
    Target {
        name: "packets-from-clients",
        check: codec::from_clients,
        memory: 128 << 10,
        rounds: 40_000,
        accepted_percent: 10,
    },
    Target {
        name: "packets-from-brokers",
        check: codec::from_brokers,
        memory: 128 << 10,
        rounds: 40_000,
        accepted_percent: 10,
    },
    Target { name: "topics", check: topics::check, memory: 256 << 10, rounds: 20_000, accepted_percent: 50 },
    Target {
        name: "broker",
        check: broker_model::check,
        memory: 4 << 20,
        rounds: 4_000,
        accepted_percent: 50,
    },
    Target { name: "client", check: client::check, memory: 4 << 20, rounds: 4_000, accepted_percent: 50 },
    Target { name: "plan", check: documents::plan, memory: 64 << 20, rounds: 600, accepted_percent: 1 },
    Target { name: "faults", check: documents::faults, memory: 1 << 20, rounds: 3_000, accepted_percent: 3 },
    Target {
        name: "run-file",
        check: documents::run_file,
        memory: 64 << 20,
        rounds: 1_000,
        accepted_percent: 1,
    },
    Target { name: "http", check: http::check, memory: 64 << 20, rounds: 400, accepted_percent: 1 },
    Target { name: "component", check: component::check, memory: 64 << 20, rounds: 150, accepted_percent: 0 },
];
