//! The program `wasmote`: command line, terminal output and exit codes.
//!
//! Start with [`cli`], which has a file for each verb. [`run`] is the life of a run: load behaviours, bind, announce, start,
//! wait, drain, sum up. [`schema`] prints JSON Schemas of the files that users write. [`exit`] defines the exit codes.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod cli;
pub mod exit;
pub mod run;
pub mod schema;
