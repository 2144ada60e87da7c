//! A compiler of wasmtime's, with what its guests may import.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, EngineWeak, OptLevel};

use crate::error::EngineError;
use crate::host::Host;
use crate::memory::Arena;
use crate::{bindings, wasi};

/// Stack of a guest's native code. Deep recursion beyond it is a trap.
const MAX_WASM_STACK_BYTES: usize = 256 << 10;

/// How long one call may take in code of the quick compiler. What it may do within its fuel takes a tenth of a second, or
/// a second or two where there is a tenth of a processor.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked at how long calls have taken.
const EPOCH_TICK: Duration = Duration::from_secs(1);
/// The same in ticks, of which the first may come at once.
pub(crate) const CALL_TIMEOUT_TICKS: u64 = CALL_TIMEOUT.as_secs() / EPOCH_TICK.as_secs() + 1;

/// One compiler. Code and instances belong to the one that made them.
pub(crate) struct Compiler {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<Host>,
}

impl Compiler {
    /// Cranelift, for code as fast as it gets.
    pub(crate) fn optimising() -> Result<Self, EngineError> {
        Self::new(&optimising_config())
    }

    /// What compiles in the least time, on one thread.
    pub(crate) fn quick() -> Result<Self, EngineError> {
        let quick = Self::new(&quick_config())?;
        if QUICK_IS_WINCH {
            let engine = quick.wasmtime.weak();
            let clock =
                thread::Builder::new().name("guest-clock".into()).spawn(move || run_epoch_clock(&engine));
            clock.map_err(|error| EngineError(format!("a thread cannot be started: {error}")))?;
        }
        Ok(quick)
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

/// Let guests be interrupted, until nobody has this engine any more.
fn run_epoch_clock(engine: &EngineWeak) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        thread::sleep(EPOCH_TICK);
    }
}

pub(crate) fn optimising_config() -> Config {
    let mut config = common_config();
    config.cranelift_opt_level(OptLevel::Speed).cranelift_nan_canonicalization(true);
    config
}

/// Whether the quick compiler is Winch: on x86-64, where wasmtime answers for its security as it does for Cranelift's
/// (tier 1). On other processors it is Cranelift without optimising.
const QUICK_IS_WINCH: bool = cfg!(target_arch = "x86_64");

/// Winch counts `memory.fill` and its like as one unit of fuel, however much they do, where Cranelift counts every byte.
/// So a call is bounded by host time as well, which is looked at where loops begin.
fn quick_config() -> Config {
    let mut config = common_config();
    config.parallel_compilation(false);
    if QUICK_IS_WINCH {
        config.strategy(wasmtime::Strategy::Winch).epoch_interruption(true);
    } else {
        config.cranelift_opt_level(OptLevel::None).cranelift_nan_canonicalization(true);
    }
    config
}

/// The settings that make a run repeatable and a fleet small: fuel instead of host time; no relaxed SIMD, whose
/// results differ by processor; and linear memories side by side in an [`Arena`], checked by compiled code and not by
/// pages that may not be touched. Cranelift also makes one bit pattern of every NaN, which Winch cannot.
fn common_config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .wasm_relaxed_simd(false)
        .max_wasm_stack(MAX_WASM_STACK_BYTES)
        .memory_reservation(0)
        .memory_reservation_for_growth(0)
        .memory_guard_size(0)
        .guard_before_linear_memory(false)
        .memory_may_move(true)
        .memory_init_cow(false)
        .with_host_memory(Arc::new(Arena::default()));
    config
}
