//! Benchmark of a component: what its calls cost, in time, fuel and memory, in a fleet in virtual time.
//!
//! Fuel, memory and size are exact: they are the same in every run on every machine. Times vary, so a fleet runs several times.
//!
//! * [`measure`] runs the fleet. [`history`] stores the outcomes beside the project, and compares with the last one.

pub mod history;
pub mod measure;
