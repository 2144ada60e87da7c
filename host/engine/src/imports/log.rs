//! `log`: log lines of the guest.

use wasmote_sim::context::LogLevel;

use crate::bindings::wasmote::device::log::{Host as Log, Level};
use crate::cost;
use crate::host::Host;

impl Log for Host {
    fn write(&mut self, level: Level, text: String) -> wasmtime::Result<()> {
        self.charge(&cost::LOG_WRITE, text.len())?;
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.log(level, text)
    }
}
