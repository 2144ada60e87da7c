//! The program `wasmote`: command line, terminal output and exit codes.
//!
//! Start with [`cli`], which has a module for each subcommand. [`mod@run`] runs a fleet in real time, from
//! loading behaviours to printing the totals. [`exit`] defines the exit codes; [`browser`] opens pages.
//! [`doctor`] checks the machine; [`settings`] finds the origins of options; [`schema`] describes files.

pub mod browser;
pub mod cli;
mod compiling;
pub mod doctor;
pub mod exit;
pub mod run;
pub mod schema;
pub mod settings;
