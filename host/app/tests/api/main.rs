//! The HTTP API on a real fleet whose broker is never there: no port is used, and nothing has to be waited
//! for but the start of the devices.

mod faults;
mod harness;
mod refusals;
mod resources;
