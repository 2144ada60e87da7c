//! Common code of the benchmarks.
//!
//! `bench/run` starts the programs in `bin/`; the documentation of each describes its measurement. [`fleet`]
//! creates devices from a component, without the configuration of the program.

pub mod fleet;
