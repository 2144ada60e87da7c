//! Experiments from the outside: the built program, its results on disk, and plans that make no sense.

mod bench;
mod browser;
mod columns;
mod kept;
mod killed;
#[path = "../e2e/lines.rs"]
#[allow(dead_code, reason = "not all of it is of use here")]
mod lines;
mod mistakes;
mod models;
#[path = "../e2e/mosquitto.rs"]
#[allow(dead_code, reason = "not all of it is of use here")]
mod mosquitto;
mod outages;
mod pages;
mod plans;
mod real;
mod reports;
mod same;
mod thresholds;
mod timeline;
mod topology;
mod verified;
