//! Byte budgets for stores whose size depends on devices, clients or users.
//!
//! A store keeps a [`Lease`] with each item. The lease returns its bytes when the item is dropped, so that no
//! path can forget it. Sizes are estimates of the memory that an item takes; they depend only on the item,
//! so that runs in virtual time refuse the same items everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that a store may hold. Clones share the budget.
#[derive(Clone, Debug)]
pub struct ByteBudget(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    limit: u64,
    used: AtomicU64,
    refused: AtomicU64,
}

/// Bytes of a budget that an item holds. They return to the budget when the lease is dropped.
#[derive(Debug)]
pub struct Lease {
    budget: ByteBudget,
    bytes: u64,
}

/// State of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetReport {
    /// Bytes in use.
    pub used: u64,
    /// Limit in bytes.
    pub limit: u64,
    /// Number of items that were refused because they did not fit.
    pub refused: u64,
}

impl Default for ByteBudget {
    /// A budget without a limit.
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

impl ByteBudget {
    /// Creates a budget with this limit in bytes.
    pub fn new(limit: u64) -> Self {
        Self(Arc::new(Counts { limit, used: AtomicU64::new(0), refused: AtomicU64::new(0) }))
    }

    /// Takes bytes. `None`, and counted, if they exceed the limit.
    pub fn take(&self, bytes: usize) -> Option<Lease> {
        let mut lease = Lease { budget: self.clone(), bytes: 0 };
        lease.grow(bytes).then_some(lease)
    }

    /// Takes bytes even if they exceed the limit, for items that cannot be refused.
    pub fn force(&self, bytes: usize) -> Lease {
        self.0.used.fetch_add(bytes as u64, Ordering::Relaxed);
        Lease { budget: self.clone(), bytes: bytes as u64 }
    }

    /// Whether this many more bytes fit. A refusal is not counted.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.used().saturating_add(bytes as u64) <= self.0.limit
    }

    /// Counts an item that was refused without [`Self::take`].
    pub fn refuse(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Present state.
    pub fn report(&self) -> BudgetReport {
        let refused = self.0.refused.load(Ordering::Relaxed);
        BudgetReport { used: self.used(), limit: self.0.limit, refused }
    }
}

impl Lease {
    /// Takes more bytes of the same budget. False, and counted, if they exceed the limit.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let (counts, bytes) = (&self.budget.0, bytes as u64);
        let sum = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= counts.limit);
        let fits = counts.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).is_ok();
        if fits {
            self.bytes += bytes;
        } else {
            self.budget.refuse();
        }
        fits
    }

    /// Changes the number of bytes. False, and counted, if more bytes exceed the limit; then it stays.
    pub fn resize(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        if bytes > self.bytes {
            return usize::try_from(bytes - self.bytes).is_ok_and(|more| self.grow(more));
        }
        self.budget.0.used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        self.bytes = bytes;
        true
    }

    /// Takes over the bytes of another lease of the same budget.
    pub fn absorb(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Bytes that the lease holds.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_return_when_the_lease_is_dropped_and_refusals_are_counted() {
        let budget = ByteBudget::new(100);
        let mut first = budget.take(60).unwrap();
        assert!(budget.take(41).is_none());
        let second = budget.take(40).unwrap();
        assert!(!first.grow(1));
        assert_eq!(budget.report(), BudgetReport { used: 100, limit: 100, refused: 2 });
        drop(second);
        assert!(first.grow(40));
        assert_eq!(first.bytes(), 100);
        assert!(first.resize(30) && !first.resize(101));
        assert_eq!((first.bytes(), budget.used()), (30, 30));
        first.absorb(budget.take(20).unwrap());
        assert_eq!((first.bytes(), budget.used()), (50, 50));
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn forced_bytes_exceed_the_limit_and_return() {
        let budget = ByteBudget::new(10);
        let forced = budget.force(25);
        assert!(budget.take(1).is_none() && !budget.has_room(0));
        drop(forced);
        assert!(budget.has_room(10));
    }

    #[test]
    fn a_huge_request_does_not_overflow() {
        let budget = ByteBudget::new(u64::MAX);
        let _lease = budget.take(10).unwrap();
        assert!(budget.take(usize::MAX).is_none());
    }
}
