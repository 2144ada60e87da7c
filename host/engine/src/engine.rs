//! The WebAssembly engine, set up for many small, deterministic guests.

use std::sync::Arc;

use wasmote_sim::limits::Limits;
use wasmtime::Config;
use wasmtime::component::Linker;

use crate::cache::Cache;
use crate::component::{self, Component};
use crate::effort::Effort;
use crate::error::{EngineError, LoadError};
use crate::fault_model::FaultModel;
use crate::host::Host;
use crate::inspection::Inspection;
use crate::memory::Arena;
use crate::{bindings, wasi};

/// Compiles components. Cheap to clone; all clones share their code.
#[derive(Clone)]
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Arc<Linker<Host>>,
    pub(crate) cache: Cache,
}

/// Stack of a guest's native code. Deep recursion beyond it is a trap.
const GUEST_STACK: usize = 256 << 10;

impl Engine {
    /// An engine. Fails only where the processor or the system cannot run compiled WebAssembly.
    pub fn new() -> Result<Self, EngineError> {
        Self::with_cache(Cache::default())
    }

    /// An engine that takes code that was compiled before, and keeps what it compiles.
    pub fn with_cache(cache: Cache) -> Result<Self, EngineError> {
        Self::compiling(Effort::default(), cache)
    }

    /// The same, with as much work put into compiling. Code that was compiled ahead is taken whatever the effort was.
    pub fn compiling(effort: Effort, cache: Cache) -> Result<Self, EngineError> {
        let failed = |error: wasmtime::Error| EngineError(format!("{error:#}"));
        let wasmtime = wasmtime::Engine::new(&config(effort)).map_err(failed)?;
        let mut linker = Linker::new(&wasmtime);
        bindings::Device::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |host| host)
            .map_err(failed)?;
        wasi::add_to_linker(&mut linker).map_err(failed)?;
        Ok(Self { wasmtime, linker: Arc::new(linker), cache })
    }

    /// Compile a component and check that it is a fault model. Each device's instance may use this much.
    pub fn load_fault_model(
        &self,
        name: &str,
        bytes: &[u8],
        limits: Arc<Limits>,
    ) -> Result<FaultModel, LoadError> {
        FaultModel::load(self, name, bytes, limits)
    }

    /// What a component says of itself, whether it is a behaviour or a fault model.
    pub fn inspect(&self, name: &str, bytes: &[u8]) -> Result<Inspection, LoadError> {
        component::inspect(self, name, bytes)
    }

    /// Compile a component, unless that was done before, and check that it is a behaviour. The name is what users will read.
    pub fn load(&self, name: &str, bytes: &[u8]) -> Result<Component, LoadError> {
        Component::load(self, name, bytes)
    }
}

/// The settings that make a run repeatable and a fleet small: fuel instead of host time; one bit pattern
/// for NaN; no relaxed SIMD, whose results differ by processor; and linear memories side by side in an
/// [`Arena`], checked by compiled code and not by pages that may not be touched.
pub(crate) fn config(effort: Effort) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .max_wasm_stack(GUEST_STACK)
        .memory_reservation(0)
        .memory_reservation_for_growth(0)
        .memory_guard_size(0)
        .guard_before_linear_memory(false)
        .memory_may_move(true)
        .memory_init_cow(false)
        .with_host_memory(Arc::new(Arena::default()));
    effort.set(&mut config);
    config
}
