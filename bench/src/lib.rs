//! What the benchmarks have in common.
//!
//! The programs in `bin/` are started by `bench/run`; each says in its head what it measures. [`fleet`] makes
//! devices from a component, without the program's configuration.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod fleet;
