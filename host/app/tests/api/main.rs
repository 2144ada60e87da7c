//! Tests of the HTTP API on a real fleet without a broker. They use no port and wait only for the start of the
//! devices.

mod access;
mod echo_fleet;
mod faults;
mod harness;
mod refusals;
mod resources;
