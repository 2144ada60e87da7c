//! Integration tests of the engine with well-behaved and hostile guests.

#[cfg(unix)]
mod cache;
mod calibration;
mod compile_mode;
mod density;
#[path = "../guests/mod.rs"]
mod guests;
mod harness;
mod host_calls;
mod hostile;
mod hostile_suite;
mod lifecycle;
mod loading;
mod models;
mod promises;
mod wasi;
mod wit_package;
