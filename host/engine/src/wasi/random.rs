//! `wasi:random`: the random number stream of the device. It returns zeros during instantiation, before there
//! is a device; language runtimes seed their hash tables then.

use super::bindings::wasi::random::{insecure, insecure_seed, random};
use crate::host::Host;

/// Maximum number of bytes of one call.
const MAX_BYTES: u64 = 65_536;

impl Host {
    fn draw(&mut self) -> u64 {
        self.rng().map_or(0, |rng| rng.next_u64())
    }

    fn draw_bytes(&mut self, count: u64) -> Vec<u8> {
        let mut bytes = vec![0; count.min(MAX_BYTES) as usize];
        if let Ok(rng) = self.rng() {
            rng.fill(&mut bytes);
        }
        bytes
    }
}

impl random::Host for Host {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        Ok(self.draw_bytes(len))
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.draw())
    }
}

impl insecure::Host for Host {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        Ok(self.draw_bytes(len))
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.draw())
    }
}

impl insecure_seed::Host for Host {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.draw(), self.draw()))
    }
}
