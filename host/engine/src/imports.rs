//! Implementations of the imports, one file for each WIT interface. Each call validates, enqueues and
//! returns.

mod clock;
mod config;
mod data;
mod faults;
mod http;
mod log;
mod metrics;
mod mqtt;
mod random;
mod state;
mod timers;

use crate::bindings::wasmote::device::types;
use crate::host::Host;

impl types::Host for Host {}
