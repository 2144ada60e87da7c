//! Experiments from the outside: the built program, its results on disk, and plans that make no sense.

mod bench;
mod killed;
mod mistakes;
mod models;
mod plans;
mod reports;
mod same;
mod thresholds;
mod timeline;
mod topology;
mod verified;
