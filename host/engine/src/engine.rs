//! The WebAssembly engine, configured for many small, deterministic guests.

use std::path::Path;
use std::sync::Arc;

use wasmote_sim::limits::Limits;

use crate::cache::{self, Cache, PrecompileError, Precompiled};
use crate::compile_mode::CompileMode;
use crate::compile_process::{CompileLimits, CompileProcess};
use crate::compiler::{Compiler, Compilers};
use crate::component::{self, Component};
use crate::error::{EngineError, LoadError};
use crate::fault_model::FaultModel;
use crate::inspection::Inspection;
use crate::loader::Loader;

/// Compiles and loads components. Cheap to clone; clones share compiled code.
#[derive(Clone)]
pub struct Engine {
    loader: Loader,
}

impl Engine {
    /// Creates an engine without a cache. Fails only if the processor or the system cannot run compiled
    /// WebAssembly.
    pub fn new() -> Result<Self, EngineError> {
        Self::with_cache(Cache::default())
    }

    /// Creates an engine that loads compiled code from a cache and stores new code there.
    pub fn with_cache(cache: Cache) -> Result<Self, EngineError> {
        Self::with_compile_mode(CompileMode::default(), cache)
    }

    /// Creates an engine with a compile mode. Cached code of any mode is loaded if it is at least as fast.
    pub fn with_compile_mode(mode: CompileMode, cache: Cache) -> Result<Self, EngineError> {
        Self::with_compile_process(mode, cache, CompileProcess::with_limits(CompileLimits::default()))
    }

    /// Creates an engine that compiles in this process or in a child process.
    pub fn with_compile_process(
        mode: CompileMode,
        cache: Cache,
        process: CompileProcess,
    ) -> Result<Self, EngineError> {
        let quick = match mode {
            CompileMode::Full => None,
            // The processor may lack a required feature; then Cranelift compiles everything.
            CompileMode::Quick => Compiler::quick().ok().map(Arc::new),
        };
        let compilers = Compilers { optimising: Arc::new(Compiler::optimising()?), quick };
        Ok(Self { loader: Loader { compilers, cache, process } })
    }

    /// Loads a fault model, with resource limits for each device's instance.
    pub fn load_fault_model(
        &self,
        name: &str,
        bytes: &[u8],
        limits: Arc<Limits>,
    ) -> Result<FaultModel, LoadError> {
        FaultModel::load(&self.loader, name, bytes, limits)
    }

    /// Inspects a component, whether it is a behaviour or a fault model.
    pub fn inspect(&self, name: &str, bytes: &[u8]) -> Result<Inspection, LoadError> {
        component::inspect(&self.loader, name, bytes)
    }

    /// Compiles a component ahead, for all processors of this architecture, and writes the code to a folder.
    pub fn precompile(
        &self,
        name: &str,
        bytes: &[u8],
        folder: &Path,
    ) -> Result<Precompiled, PrecompileError> {
        // An invalid component is refused without being compiled.
        self.inspect(name, bytes)?;
        cache::precompile(&self.loader.compilers.optimising, &self.loader.process, bytes, folder)
    }

    /// Loads a behaviour, from the cache if possible. The name appears in messages.
    pub fn load(&self, name: &str, bytes: &[u8]) -> Result<Component, LoadError> {
        Component::load(&self.loader, name, bytes)
    }
}
