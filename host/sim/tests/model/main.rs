//! What the model promises: distributions, determinism, and accounts that close.

mod bench;
mod connection;
mod determinism;
mod distributions;
mod ledger;
mod outages;
mod partitions;
