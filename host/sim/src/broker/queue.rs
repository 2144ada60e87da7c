//! Messages that wait for a client.

use std::collections::VecDeque;

use super::held::Held;
use crate::time::Time;

/// Messages in their order, up to a limit.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: VecDeque<Held>,
    limit: usize,
    /// No message in the queue expires before this.
    soonest_expiry: Option<Time>,
}

/// There was no room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Queue {
    /// A message on its way through takes a place for a moment, so there is always one.
    pub(crate) fn new(limit: usize) -> Self {
        Self { waiting: VecDeque::new(), limit: limit.max(1), soonest_expiry: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= self.limit
    }

    pub(crate) fn push(&mut self, held: Held) -> Result<(), Full> {
        if self.is_full() {
            return Err(Full);
        }
        self.soonest_expiry = [self.soonest_expiry, held.expires].into_iter().flatten().min();
        self.waiting.push_back(held);
        Ok(())
    }

    pub(crate) fn pop(&mut self) -> Option<Held> {
        self.waiting.pop_front()
    }

    /// Remove what has expired, so that it takes nobody's place. Returns how many there were.
    pub(crate) fn purge(&mut self, now: Time) -> u64 {
        if self.soonest_expiry.is_none_or(|soonest| soonest > now) {
            return 0;
        }
        let before = self.waiting.len();
        self.waiting.retain(|held| !held.is_expired(now));
        self.soonest_expiry = self.waiting.iter().filter_map(|held| held.expires).min();
        (before - self.waiting.len()) as u64
    }

    /// Give everything back, in order.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Held> + use<> {
        self.soonest_expiry = None;
        std::mem::take(&mut self.waiting).into_iter()
    }

    /// Remove everything. Returns how many there were.
    pub(crate) fn clear(&mut self) -> u64 {
        self.soonest_expiry = None;
        let before = self.waiting.len();
        self.waiting.clear();
        before as u64
    }
}
