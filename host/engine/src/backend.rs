//! A compiler of wasmtime's, with what its guests may import.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, OptLevel};

use crate::error::EngineError;
use crate::host::Host;
use crate::memory::Arena;
use crate::{bindings, wasi};

/// Stack of a guest's native code. Deep recursion beyond it is a trap.
const GUEST_STACK: usize = 256 << 10;

/// One compiler. Code and instances belong to the one that made them.
pub(crate) struct Backend {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<Host>,
}

impl Backend {
    /// Cranelift, for code as fast as it gets.
    pub(crate) fn optimising() -> Result<Self, EngineError> {
        Self::new(&optimising())
    }

    /// What compiles in the least time, on one thread.
    pub(crate) fn quick() -> Result<Self, EngineError> {
        Self::new(&quick())
    }

    fn new(config: &Config) -> Result<Self, EngineError> {
        let failed = |error: wasmtime::Error| EngineError(format!("{error:#}"));
        let wasmtime = wasmtime::Engine::new(config).map_err(failed)?;
        let mut linker = Linker::new(&wasmtime);
        bindings::Device::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host).map_err(failed)?;
        wasi::add_to_linker(&mut linker).map_err(failed)?;
        Ok(Self { wasmtime, linker })
    }
}

pub(crate) fn optimising() -> Config {
    let mut config = common();
    config.cranelift_opt_level(OptLevel::Speed).cranelift_nan_canonicalization(true);
    config
}

/// On x86-64 Winch, of which wasmtime answers for the security there as it does for Cranelift's (tier 1); on other
/// processors Cranelift without optimising.
fn quick() -> Config {
    let mut config = common();
    config.parallel_compilation(false);
    if cfg!(target_arch = "x86_64") {
        config.strategy(wasmtime::Strategy::Winch);
    } else {
        config.cranelift_opt_level(OptLevel::None).cranelift_nan_canonicalization(true);
    }
    config
}

/// The settings that make a run repeatable and a fleet small: fuel instead of host time; no relaxed SIMD, whose
/// results differ by processor; and linear memories side by side in an [`Arena`], checked by compiled code and not by
/// pages that may not be touched. Cranelift also makes one bit pattern of every NaN, which Winch cannot.
fn common() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .wasm_relaxed_simd(false)
        .max_wasm_stack(GUEST_STACK)
        .memory_reservation(0)
        .memory_reservation_for_growth(0)
        .memory_guard_size(0)
        .guard_before_linear_memory(false)
        .memory_may_move(true)
        .memory_init_cow(false)
        .with_host_memory(Arc::new(Arena::default()));
    config
}
