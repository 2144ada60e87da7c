//! States of faults by id, so that a change of many faults finds the state of each without a search.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{Fault, FaultId};

/// The states of earlier faults by id, in their order.
pub(super) struct ById<T> {
    items: Vec<Option<T>>,
    positions: BTreeMap<FaultId, VecDeque<usize>>,
    fault_of: fn(&T) -> &Arc<Fault>,
}

impl<T> ById<T> {
    pub(super) fn new(items: Vec<T>, fault_of: fn(&T) -> &Arc<Fault>) -> Self {
        let mut positions = BTreeMap::<FaultId, VecDeque<usize>>::new();
        for (at, item) in items.iter().enumerate() {
            positions.entry(fault_of(item).id.clone()).or_default().push_back(at);
        }
        Self { items: items.into_iter().map(Some).collect(), positions, fault_of }
    }

    /// Removes and returns the state of the earlier fault with the id and kind of this one.
    pub(super) fn take(&mut self, fault: &Fault) -> Option<T> {
        let positions = self.positions.get_mut(&fault.id)?;
        let is_same =
            |at: &usize| self.items[*at].as_ref().is_some_and(|item| (self.fault_of)(item).is_same(fault));
        let at = positions.remove(positions.iter().position(is_same)?)?;
        self.items[at].take()
    }

    /// The states that no new fault has taken.
    pub(super) fn into_rest(self) -> Vec<T> {
        self.items.into_iter().flatten().collect()
    }
}
