//! `wasi:clocks`: the clocks of the simulation. The monotonic clock never reads zero, because Go's runtime takes
//! zero for a broken clock; at the start of the run it reads one. The wall clock always reads zero in a fault model.

use wasmtime::component::Resource;

use super::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use super::bindings::wasi::io::poll::Pollable;
use crate::cost;
use crate::host::Host;

const SECOND: u64 = 1_000_000_000;

impl wall_clock::Host for Host {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        self.charge(&cost::WASI, 0)?;
        let nanos = self.context.as_ref().map_or(0, |context| context.wall().as_nanos());
        Ok(wall_clock::Datetime { seconds: nanos / SECOND, nanoseconds: (nanos % SECOND) as u32 })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        self.charge(&cost::WASI, 0)?;
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1 })
    }
}

impl monotonic_clock::Host for Host {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.charge(&cost::WASI, 0)?;
        let model_context = self.model_context.as_ref().map(|model_context| model_context.now());
        let now = model_context.or_else(|| self.context.as_ref().map(|context| context.now()));
        Ok(now.map_or(1, |now| now.as_nanos().max(1)))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        self.charge(&cost::WASI, 0)?;
        Ok(1)
    }

    fn subscribe_instant(&mut self, _when: u64) -> wasmtime::Result<Resource<Pollable>> {
        self.charge(&cost::WASI, 0)?;
        self.own(0)
    }

    fn subscribe_duration(&mut self, _when: u64) -> wasmtime::Result<Resource<Pollable>> {
        self.charge(&cost::WASI, 0)?;
        self.own(0)
    }
}
