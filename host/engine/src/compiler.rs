//! A configured wasmtime engine with the linker for guests.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, EngineWeak, OptLevel};

use crate::compile_process::Target;
use crate::error::EngineError;
use crate::host::Host;
use crate::memory::Arena;
use crate::{bindings, wasi};

/// Native stack of a guest. Deeper recursion traps.
const MAX_WASM_STACK_BYTES: usize = 256 << 10;

/// Longest host time of one call in Winch code. Its fuel lasts for a tenth of a second, or for one to two
/// seconds at 0.1 CPU.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval of the epoch clock.
const EPOCH_TICK: Duration = Duration::from_secs(1);
/// [`CALL_TIMEOUT`] in ticks. One more, because the first tick may come at once.
pub(crate) const CALL_TIMEOUT_TICKS: u64 = CALL_TIMEOUT.as_secs() / EPOCH_TICK.as_secs() + 1;

/// The compilers of an engine.
#[derive(Clone)]
pub(crate) struct Compilers {
    pub(crate) optimising: Arc<Compiler>,
    /// Compiler for [`CompileMode::Quick`](crate::CompileMode::Quick).
    pub(crate) quick: Option<Arc<Compiler>>,
}

impl Compilers {
    /// All compilers, the one with the fastest code first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Compiler> {
        [Some(&self.optimising), self.quick.as_ref()].into_iter().flatten().map(Arc::as_ref)
    }
}

/// A compiler. Code and instances belong to the compiler that created them.
pub(crate) struct Compiler {
    /// The same compiler in a child process.
    pub(crate) target: Target,
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<Host>,
}

impl Compiler {
    /// Cranelift with optimisation: the fastest code.
    pub(crate) fn optimising() -> Result<Self, EngineError> {
        Self::new(Target::Full, &optimising_config())
    }

    /// The compiler with the shortest compile time, on one thread.
    pub(crate) fn quick() -> Result<Self, EngineError> {
        let quick = Self::new(Target::Quick, &quick_config())?;
        if QUICK_IS_WINCH {
            let engine = quick.wasmtime.weak();
            let clock =
                thread::Builder::new().name("guest-clock".into()).spawn(move || run_epoch_clock(&engine));
            clock.map_err(|error| EngineError(format!("a thread cannot be started: {error}")))?;
        }
        Ok(quick)
    }

    fn new(target: Target, config: &Config) -> Result<Self, EngineError> {
        let failed = |error: wasmtime::Error| EngineError(format!("{error:#}"));
        let wasmtime = wasmtime::Engine::new(config).map_err(failed)?;
        let mut linker = Linker::new(&wasmtime);
        bindings::Device::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host).map_err(failed)?;
        wasi::add_to_linker(&mut linker).map_err(failed)?;
        Ok(Self { target, wasmtime, linker })
    }
}

/// Increments the epoch, which interrupts guests, until the engine is dropped.
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

/// The optimising compiler for all processors of this architecture, without the optional features of this one.
pub(crate) fn portable_config() -> wasmtime::Result<Config> {
    let mut config = optimising_config();
    if cfg!(target_os = "linux") {
        config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))?;
    }
    Ok(config)
}

/// True if the quick compiler is Winch: on x86-64, where wasmtime supports it at the same security tier (1)
/// as Cranelift. On other processors the quick compiler is Cranelift without optimisation.
const QUICK_IS_WINCH: bool = cfg!(target_arch = "x86_64");

/// Winch counts `memory.fill` and similar instructions as one unit of fuel, whatever their length, where
/// Cranelift counts every byte. Therefore host time limits a call as well, checked at loop headers.
pub(crate) fn quick_config() -> Config {
    let mut config = common_config();
    config.parallel_compilation(false);
    if QUICK_IS_WINCH {
        config.strategy(wasmtime::Strategy::Winch).epoch_interruption(true);
    } else {
        config.cranelift_opt_level(OptLevel::None).cranelift_nan_canonicalization(true);
    }
    config
}

/// Settings for reproducible runs and small instances: fuel instead of host time, no relaxed SIMD, whose
/// results differ by processor, and linear memories in an [`Arena`] with bounds checks in compiled code
/// instead of guard pages. Cranelift also canonicalizes NaNs, which Winch does not support.
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
