//! Faults of the host's surroundings: brokers that restart or attack, full and read-only disks, a stepped clock, signals, and
//! limits of descriptors, threads and memory.
//!
//! After each fault the ledger closes, the results can be read, and descriptors and memory are as before. A longer run by hand
//! has more rounds: see `WASMOTE_ROUNDS` in CONTRIBUTING.md.

mod broker_restarts;
mod clock;
mod disks;
mod hostile_brokers;
mod limits;
#[path = "../e2e/lines.rs"]
#[allow(dead_code, reason = "shared test module; not all of it is used here")]
mod lines;
mod live_run;
#[path = "../../../sim/tests/support/port.rs"]
mod port;
#[path = "../e2e/program.rs"]
mod program;
mod scripted_broker;
mod signals;

/// Number of rounds of a repeated fault: `WASMOTE_ROUNDS`, or a small number for CI.
fn rounds(in_ci: u32) -> u32 {
    std::env::var("WASMOTE_ROUNDS")
        .map_or(in_ci, |text| text.parse().expect("WASMOTE_ROUNDS is a whole number"))
}
