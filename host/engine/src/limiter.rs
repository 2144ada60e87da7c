//! Memory limit of an instance.

use wasmtime::ResourceLimiter;

/// Maximum number of entries of a table; a typical component has a few hundred.
const MAX_TABLE_ENTRIES: usize = 20_000;
/// Maximum number of core instances, tables and memories of a component, adapters included.
const MAX_CORE_ITEMS: usize = 64;

/// Counts the linear memory of one instance, over all its memories.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
    /// Total size of the first request that exceeded the limit.
    pub(crate) refused_bytes: Option<usize>,
}

impl Limiter {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self { limit: usize::try_from(limit_bytes).unwrap_or(usize::MAX), used: 0, refused_bytes: None }
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
        Ok(desired <= MAX_TABLE_ENTRIES)
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
