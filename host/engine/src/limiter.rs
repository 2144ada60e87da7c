//! Holds an instance to its memory limit.

use wasmtime::ResourceLimiter;

/// Entries that a table may have; a component of ordinary size has a few hundred.
const TABLE_ENTRIES: usize = 20_000;
/// Core instances, tables and memories that one component may bring, adapters included.
const PARTS: usize = 64;

/// Counts the linear memory of one instance, over all its memories.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
    /// What was asked for in all when it was refused.
    pub(crate) refused: Option<usize>,
}

impl Limiter {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self { limit: usize::try_from(limit_bytes).unwrap_or(usize::MAX), used: 0, refused: None }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_add(desired.saturating_sub(current));
        let allowed = wanted <= self.limit;
        if allowed {
            self.used = wanted;
        } else {
            self.refused = Some(wanted);
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ENTRIES)
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}
