//! `wasi:random`: the random number stream of the device, also during instantiation, when language runtimes seed
//! their hash tables.

use super::bindings::wasi::random::{insecure, insecure_seed, random};
use crate::cost;
use crate::host::Host;

impl Host {
    fn draw(&mut self) -> wasmtime::Result<u64> {
        self.charge(&cost::WASI_RANDOM, 0)?;
        Ok(self.wasi_rng().map_or(0, |rng| rng.next_u64()))
    }

    fn draw_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        // WASI promises exactly this many bytes. The fuel bounds them.
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.charge(&cost::WASI_RANDOM, count)?;
        let mut bytes = vec![0; count];
        if let Some(rng) = self.wasi_rng() {
            rng.fill(&mut bytes);
        }
        Ok(bytes)
    }
}

impl random::Host for Host {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.draw_bytes(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.draw()
    }
}

impl insecure::Host for Host {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.draw_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.draw()
    }
}

impl insecure_seed::Host for Host {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.draw()?, self.draw()?))
    }
}
