//! Limits of memory and tables of an instance.

use wasmote_sim::limits::Limits;
use wasmtime::ResourceLimiter;

/// Maximum number of core instances, tables and memories of a component, adapters included.
pub(crate) const MAX_CORE_ITEMS: usize = 64;

/// Counts the linear memory of one instance, over all its memories.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    table_entries: usize,
    used: usize,
    /// Total size of the first request that exceeded the limit.
    pub(crate) refused_bytes: Option<usize>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        let limit = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
        Self { limit, table_entries: limits.table_entries as usize, used: 0, refused_bytes: None }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes of all memories.
    pub(crate) fn used(&self) -> usize {
        self.used
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let requested = self.used.saturating_add(desired.saturating_sub(current));
        let allowed = requested <= self.limit;
        if allowed {
            self.used = requested;
        } else {
            self.refused_bytes = Some(requested);
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_entries)
    }

    fn instances(&self) -> usize {
        MAX_CORE_ITEMS
    }

    fn tables(&self) -> usize {
        MAX_CORE_ITEMS
    }

    fn memories(&self) -> usize {
        MAX_CORE_ITEMS
    }
}
