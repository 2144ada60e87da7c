//! `random`: the device's own stream.

use crate::bindings::wasmote::device::random::Host as Random;
use crate::host::Host;

/// Most bytes that one call gives.
const MOST_BYTES: u32 = 65_536;

impl Random for Host {
    fn next_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.context()?.rng().next_u64())
    }

    fn uniform(&mut self) -> wasmtime::Result<f64> {
        Ok(self.context()?.rng().uniform())
    }

    fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        let mut bytes = vec![0; count.min(MOST_BYTES) as usize];
        self.context()?.rng().fill(&mut bytes);
        Ok(bytes)
    }
}
