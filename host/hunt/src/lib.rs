//! Hunts: search for a failure of a plan, and shrink the plan that fails.
//!
//! A hunt executes many short runs in virtual time. Each run draws from the pools of the plan's `[hunt]` table which
//! faults, actions and settings it has, from the seed of the hunt and the position of the run alone.
//!
//! * [`template`] draws values, [`pool`] has the default faults and actions, and [`space`] draws whole runs. A
//!   [`case::Case`] is a plan with its seed.
//! * [`executor`] runs a case without files and returns its [`failure`]s.
//! * [`search`] runs cases on several threads, in an order that does not depend on the threads.
//! * [`minimise`] makes a failing case smaller as long as it fails in the same way, by removing its `parts`.
//! * [`finding`] writes the smallest plan with its report, and [`state`] what a later hunt needs to go on.

pub mod case;
pub mod executor;
pub mod failure;
pub mod finding;
pub mod minimise;
mod parts;
mod pool;
pub mod search;
pub mod space;
pub mod state;
pub mod template;
