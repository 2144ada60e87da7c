//! Loader: compilers and the cache of compiled code.

use crate::cache::{Cache, Loaded};
use crate::compile_process::CompileProcess;
use crate::compiler::Compilers;
use crate::error::LoadError;

/// Loads machine code of components: from the cache, or from a compiler.
#[derive(Clone)]
pub(crate) struct Loader {
    pub(crate) compilers: Compilers,
    pub(crate) cache: Cache,
    pub(crate) process: CompileProcess,
}

impl Loader {
    /// Loads the machine code of a component. The name appears in messages about its progress.
    pub(crate) fn load(&self, name: &str, bytes: &[u8]) -> Result<Loaded<'_>, LoadError> {
        self.cache.load(&self.compilers, &self.process, name, bytes)
    }
}
