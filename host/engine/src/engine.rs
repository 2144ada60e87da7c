//! The WebAssembly engine, set up for many small, deterministic guests.

use std::sync::Arc;

use wasmote_sim::limits::Limits;

use crate::backend::Backend;
use crate::cache::Cache;
use crate::component::{self, Component};
use crate::effort::Effort;
use crate::error::{EngineError, LoadError};
use crate::fault_model::FaultModel;
use crate::inspection::Inspection;

/// Compiles components. Cheap to clone; all clones share their code.
#[derive(Clone)]
pub struct Engine {
    pub(crate) optimising: Arc<Backend>,
    /// What compiles where a quick start was asked for.
    pub(crate) quick: Option<Arc<Backend>>,
    pub(crate) cache: Cache,
}

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
        let quick = match effort {
            Effort::Full => None,
            // A processor may lack what it takes; then code is made in full.
            Effort::Quick => Backend::quick().ok().map(Arc::new),
        };
        Ok(Self { optimising: Arc::new(Backend::optimising()?), quick, cache })
    }

    /// All that can run code, the one with the fastest code first.
    pub(crate) fn backends(&self) -> impl Iterator<Item = &Backend> {
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
