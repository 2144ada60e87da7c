//! Scenarios for the broker, which run against any implementation.
//!
//! * `broker_under_test`: interface of a broker under test. `in_process`: the model itself.
//! * `mosquitto`: a real Mosquitto. `over_tcp`: connections to a broker over TCP, with packets encoded by
//!   `wire`. The tests of `wasmote-live` use these for the embedded broker.
//! * `clients`: clients of a scenario, the same for every implementation.
//! * `scenarios`: expected behaviour, one file for each topic.
//! * `model`: tests of the model only, such as exact timing.

mod bounds;
mod broker_under_test;
mod clients;
mod in_process;
mod model;
mod mosquitto;
mod over_tcp;
mod scenarios;
mod wire;
