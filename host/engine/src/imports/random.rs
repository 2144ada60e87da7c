//! `random`: the random number stream of the behaviour, or of a fault.

use crate::bindings::wasmote::device::random::Host as Random;
use crate::cost;
use crate::host::Host;

/// Maximum number of bytes of one call.
const MAX_BYTES: u32 = 65_536;

impl Random for Host {
    fn next_u64(&mut self) -> wasmtime::Result<u64> {
        self.charge(&cost::RANDOM_NUMBER, 0)?;
        Ok(self.rng()?.next_u64())
    }

    fn uniform(&mut self) -> wasmtime::Result<f64> {
        self.charge(&cost::RANDOM_NUMBER, 0)?;
        Ok(self.rng()?.uniform())
    }

    fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        let count = count.min(MAX_BYTES) as usize;
        self.charge(&cost::RANDOM_BYTES, count)?;
        let mut bytes = vec![0; count];
        self.rng()?.fill(&mut bytes);
        Ok(bytes)
    }
}
