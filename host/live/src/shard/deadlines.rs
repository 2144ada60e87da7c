//! The deadlines of many devices in one heap.
//!
//! A deadline that moved is left where it is; whoever takes it out finds that it is no longer the device's
//! and passes over it. That is cheaper than looking for it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use wasmote_mqtt::time::Time;

#[derive(Debug, Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<(Time, usize)>>);

impl Deadlines {
    pub(super) fn push(&mut self, at: Time, slot: usize) {
        self.0.push(Reverse((at, slot)));
    }

    /// When the next is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// Take the next if it is due. It may be outdated.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<(usize, Time)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((at, slot))| (slot, at))
    }
}
