//! Scenarios: scripted tests of a behaviour or a fault model, through the engine and the broker model, in virtual time.
//!
//! * [`document`] is the file of a scenario: a plan with expectations. [`expectation`] and [`value`] are the parts of the
//!   file that plans do not have.
//! * [`run`] runs a scenario: its `driver` runs the devices, and [`trace`] records what their behaviours get and do.
//! * [`evaluate`] compares the trace with the expectations, and [`golden`] with the trace of an earlier run.

pub mod document;
mod driver;
pub mod evaluate;
pub mod expectation;
pub mod golden;
pub mod run;
pub mod trace;
pub mod value;
