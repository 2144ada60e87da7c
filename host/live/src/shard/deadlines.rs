//! Heap of the deadlines of many devices.
//!
//! A deadline that moved stays in the heap. The shard discards it when it is popped and no longer matches the
//! device's deadline, which is cheaper than a search.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use wasmote_mqtt::time::Time;

#[derive(Debug, Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<(Time, usize)>>);

impl Deadlines {
    pub(super) fn push(&mut self, at: Time, slot: usize) {
        self.0.push(Reverse((at, slot)));
    }

    /// The next deadline, with its device.
    pub(super) fn peek(&self) -> Option<(Time, usize)> {
        self.0.peek().map(|Reverse(next)| *next)
    }

    /// Time of the next deadline.
    pub(super) fn next(&self) -> Option<Time> {
        self.peek().map(|(at, _)| at)
    }

    /// Removes the next deadline if it is due. It may be outdated.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<(usize, Time)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((at, slot))| (slot, at))
    }
}
