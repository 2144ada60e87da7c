//! `timers`: one-shot timers by token.

use std::time::Duration;

use wasmote_mqtt::time::Time;

use crate::bindings::wasmote::device::timers::{Host as Timers, TimerError};
use crate::cost;
use crate::host::Host;

impl Timers for Host {
    fn set(&mut self, token: u32, delay: u64) -> wasmtime::Result<Result<(), TimerError>> {
        let at = self.context()?.now() + Duration::from_nanos(delay);
        self.set_at(token, at.as_nanos())
    }

    fn set_at(&mut self, token: u32, at: u64) -> wasmtime::Result<Result<(), TimerError>> {
        self.charge(&cost::TIMERS, 0)?;
        let set = self.context()?.set_timer(token, Time::from_nanos(at));
        Ok(set.map_err(|full| TimerError::TooMany(full.0)))
    }

    fn cancel(&mut self, token: u32) -> wasmtime::Result<()> {
        self.charge(&cost::TIMERS, 0)?;
        self.context()?.cancel_timer(token);
        Ok(())
    }
}
