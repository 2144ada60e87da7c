//! Checks that devices may run a component, with what is known without compiling it.

use wasmote_sim::limits::Limits;

use crate::error::LoadError;
use crate::inspection::{Inspection, Role};

impl Inspection {
    /// Checks that an instance can start with these limits, which would fail in every instance otherwise.
    pub fn check_limits(&self, limits: &Limits) -> Result<(), LoadError> {
        let flag = self.role == Role::Behaviour;
        if self.memory_bytes > limits.memory_bytes {
            let (needed, limit) = (self.memory_bytes, limits.memory_bytes);
            return Err(LoadError::MemoryLimit { needed, limit, flag });
        }
        if self.table_entries > limits.table_entries.into() {
            let (needed, limit) = (self.table_entries, limits.table_entries.into());
            return Err(LoadError::TableLimit { needed, limit, flag });
        }
        Ok(())
    }
}
