//! The WebAssembly engine, set up for many small, deterministic guests.

use std::sync::Arc;

use wasmote_sim::limits::Limits;

use crate::cache::Cache;
use crate::compile_mode::CompileMode;
use crate::compiler::Compiler;
use crate::component::{self, Component};
use crate::error::{EngineError, LoadError};
use crate::fault_model::FaultModel;
use crate::inspection::Inspection;

/// Compiles components. Cheap to clone; all clones share their code.
#[derive(Clone)]
pub struct Engine {
    pub(crate) optimising: Arc<Compiler>,
    /// What compiles where a quick start was asked for.
    pub(crate) quick: Option<Arc<Compiler>>,
    pub(crate) cache: Cache,
}

impl Engine {
    /// An engine. Fails only where the processor or the system cannot run compiled WebAssembly.
    pub fn new() -> Result<Self, EngineError> {
        Self::with_cache(Cache::default())
    }

    /// An engine that takes code that was compiled before, and keeps what it compiles.
    pub fn with_cache(cache: Cache) -> Result<Self, EngineError> {
        Self::with_compile_mode(CompileMode::default(), cache)
    }

    /// The same, with as much work put into compiling. Code that was compiled ahead is taken whatever the effort was.
    pub fn with_compile_mode(mode: CompileMode, cache: Cache) -> Result<Self, EngineError> {
        let quick = match mode {
            CompileMode::Full => None,
            // A processor may lack what it takes; then code is made in full.
            CompileMode::Quick => Compiler::quick().ok().map(Arc::new),
        };
        Ok(Self { optimising: Arc::new(Compiler::optimising()?), quick, cache })
    }

    /// All that can run code, the one with the fastest code first.
    pub(crate) fn compilers(&self) -> impl Iterator<Item = &Compiler> {
        [Some(&self.optimising), self.quick.as_ref()].into_iter().flatten().map(Arc::as_ref)
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
