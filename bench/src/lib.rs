//! Common code of the benchmarks.
//!
//! `bench/run` starts the programs in `bin/`; the documentation of each describes its measurement. [`fleet`]
//! creates devices from a component, without the configuration of the program.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod fleet;
