//! Devices and the broker together, in virtual time.
//!
//! * `world`: devices with scripts, and a record of the run.
//! * `silence`: effects of a silence, with exact times.
//! * `broker_faults`: a suspended or stopped broker.
//! * `byte_streams`: stalls, throttles, resets and half-open connections.
//! * `disconnects`: stops with messages in flight.
//! * `qos`: QoS 1 and 2 end to end, over broken connections.
//! * `refusals`: negative answers of the broker model.
//! * `history`: equal seeds give equal histories, and the message counts balance.

mod broker_faults;
mod byte_streams;
mod disconnects;
pub mod history;
mod qos;
mod refusals;
mod silence;
mod world;
