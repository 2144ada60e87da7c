//! The broker: one list of scenarios, for any broker that can be put under test.
//!
//! * `arm`: what a broker has to offer to be tested. `in_process` is the arm of the model itself.
//! * `stage`: the clients that act in a scenario; they are the same whatever the arm.
//! * `scenarios`: what is expected of a broker, one theme a file.
//! * `model`: what only the model can be asked, such as time to the nanosecond.

mod arm;
mod in_process;
mod model;
mod mosquitto;
mod scenarios;
mod stage;
