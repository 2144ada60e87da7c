//! The built program, as its users meet it: a real Mosquitto, clients that are not ours, real signals.

mod behaviours;
mod embedded;
mod fleet;
#[path = "../../../engine/tests/guests/mod.rs"]
mod guests;
mod heartbeats;
mod hostile;
mod http;
mod lifecycle;
mod lines;
mod models;
mod mosquitto;
mod silence;
mod swaps;
