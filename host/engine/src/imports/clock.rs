//! `clock`: the simulation's clocks.

use crate::bindings::wasmote::device::clock::Host as Clock;
use crate::cost;
use crate::host::Host;

impl Clock for Host {
    fn monotonic_now(&mut self) -> wasmtime::Result<u64> {
        self.charge(&cost::CLOCK, 0)?;
        Ok(self.context()?.now().as_nanos())
    }

    fn wall_now(&mut self) -> wasmtime::Result<u64> {
        self.charge(&cost::CLOCK, 0)?;
        Ok(self.context()?.wall().as_nanos())
    }
}
