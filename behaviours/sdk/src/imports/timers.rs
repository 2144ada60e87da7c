//! Timers of the device.

use super::nanos;
use crate::Device;
use crate::bindings::wasmote::device::timers::TimerError;
use crate::host::imports;
use std::time::Duration;

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
use wasmote_mqtt::time::Time;

imports! {
    timers::set => fn set_timer(host, token: u32, delay: u64) -> Result<(), TimerError> {
        let at = host.context(|context| context.now()) + Duration::from_nanos(delay);
        host.set_timer_at(token, at.as_nanos())
    }
    timers::set_at => fn set_timer_at(host, token: u32, at: u64) -> Result<(), TimerError> {
        host.context(|context| context.set_timer(token, Time::from_nanos(at)))
            .map_err(|full| TimerError::TooMany(full.0))
    }
    timers::cancel => fn cancel_timer(host, token: u32) {
        host.context(|context| context.cancel_timer(token));
    }
}

/// Timers.
impl Device {
    /// Schedules one call of `on_timer(token)` after `delay`. Replaces a timer with the same token.
    pub fn set_timer(&mut self, token: u32, delay: Duration) {
        if self.host().set_timer(token, nanos(delay)).is_err() {
            self.error(format_args!("timer {token} not set: too many timers"));
        }
    }

    /// Schedules one call of `on_timer(token)` at this time since the start of the run, or at once if it has
    /// passed.
    pub fn set_timer_at(&mut self, token: u32, at: Duration) {
        if self.host().set_timer_at(token, nanos(at)).is_err() {
            self.error(format_args!("timer {token} not set: too many timers"));
        }
    }

    /// Cancels a timer.
    pub fn cancel_timer(&mut self, token: u32) {
        self.host().cancel_timer(token);
    }
}
