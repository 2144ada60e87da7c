//! The log of the device.

use crate::Device;
use crate::host::imports;
use std::fmt;

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
use wasmote_sim::context::LogLevel;

pub use crate::bindings::wasmote::device::log::Level;

imports! {
    log::write => fn log(host, level: Level, text: &str) {
        host.log_line(level_from_wit(level), text.to_owned());
    }
}

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
fn level_from_wit(level: Level) -> LogLevel {
    match level {
        Level::Trace => LogLevel::Trace,
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    }
}

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
pub(crate) fn level_to_wit(level: LogLevel) -> Level {
    match level {
        LogLevel::Trace => Level::Trace,
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
    }
}

/// Log.
impl Device {
    /// Logs a line at any level.
    pub fn log(&mut self, level: Level, text: impl fmt::Display) {
        self.host().log(level, &text.to_string());
    }

    /// Logs details for debugging the behaviour.
    pub fn debug(&mut self, text: impl fmt::Display) {
        self.log(Level::Debug, text);
    }

    /// Logs normal activity.
    pub fn info(&mut self, text: impl fmt::Display) {
        self.log(Level::Info, text);
    }

    /// Logs an unexpected but handled event.
    pub fn warn(&mut self, text: impl fmt::Display) {
        self.log(Level::Warn, text);
    }

    /// Logs a failure.
    pub fn error(&mut self, text: impl fmt::Display) {
        self.log(Level::Error, text);
    }
}
