//! Tests of the model: distributions, determinism and balanced message counts.

mod battery;
mod bounds;
mod broker;
mod changes;
mod client;
mod clock;
mod connection;
mod determinism;
mod distributions;
mod harness;
mod lateness;
mod ledger;
mod outages;
mod partitions;
mod swaps;
mod virtual_time;
