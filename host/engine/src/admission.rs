//! Checks that devices may run a component, with what is known without compiling it: its SHA-256, its imports, and what
//! it needs at its start.

use wasmote_sim::limits::Limits;

use crate::error::LoadError;
use crate::inspection::{Inspection, Role, capability_of};

impl Inspection {
    /// Checks that the component imports none of these capabilities.
    pub fn check_denied(&self, denied: &[String]) -> Result<(), LoadError> {
        let imported = self.imports.iter().filter_map(|import| Some((import, capability_of(import)?)));
        match imported.into_iter().find(|(_, capability)| denied.iter().any(|denied| denied == capability)) {
            Some((import, capability)) => Err(LoadError::Denied { capability, import: import.clone() }),
            None => Ok(()),
        }
    }

    /// Checks the SHA-256 of the component, if it is pinned.
    pub fn check_pin(&self, pin: Option<&str>) -> Result<(), LoadError> {
        match pin {
            Some(wanted) if wanted != self.sha256 => {
                Err(LoadError::Pinned { wanted: wanted.to_owned(), found: self.sha256.clone() })
            }
            _ => Ok(()),
        }
    }

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
