//! The broker: one list of scenarios, for any broker that can be put under test.
//!
//! * `broker_under_test`: what a broker has to offer to be tested. `in_process` is the arm of the model itself.
//! * `mosquitto`: a real Mosquitto as an arm; `over_tcp`: connections to it, or to any broker, with packets as
//!   bytes in `wire`. The tests of `wasmote-live` put the embedded broker under test with these, at its door.
//! * `clients`: the clients that act in a scenario; they are the same whatever the arm.
//! * `scenarios`: what is expected of a broker, one theme a file.
//! * `model`: what only the model can be asked, such as time to the nanosecond.

mod broker_under_test;
mod clients;
mod in_process;
mod model;
mod mosquitto;
mod over_tcp;
mod scenarios;
mod wire;
