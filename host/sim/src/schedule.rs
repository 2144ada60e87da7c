//! Time-ordered queue.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use wasmote_mqtt::time::Time;

/// Priority queue by time; items with equal times leave in the order of insertion.
#[derive(Debug)]
pub struct Schedule<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    sequence: u64,
}

#[derive(Debug)]
struct Entry<T> {
    due: Time,
    sequence: u64,
    item: T,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), sequence: 0 }
    }
}

impl<T> Schedule<T> {
    /// Adds an item.
    pub fn push(&mut self, due: Time, item: T) {
        self.sequence += 1;
        self.heap.push(Reverse(Entry { due, sequence: self.sequence, item }));
    }

    /// Time of the next item.
    pub fn next_due(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(entry)| entry.due)
    }

    /// Removes and returns the next item if it is due.
    pub fn take_due(&mut self, now: Time) -> Option<T> {
        if self.next_due()? <= now { self.take() } else { None }
    }

    /// Removes and returns the next item, due or not.
    pub fn take(&mut self) -> Option<T> {
        self.heap.pop().map(|Reverse(entry)| entry.item)
    }

    /// All items, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.heap.iter().map(|Reverse(entry)| &entry.item)
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether the queue is empty.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> Entry<T> {
    fn key(&self) -> (Time, u64) {
        (self.due, self.sequence)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_equal_time_leave_in_insertion_order() {
        let mut schedule = Schedule::default();
        for (due, item) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            schedule.push(Time::from_nanos(due), item);
        }
        assert_eq!(schedule.next_due(), Some(Time::from_nanos(1)));
        let left: Vec<char> = std::iter::from_fn(|| schedule.take_due(Time::from_nanos(5))).collect();
        assert_eq!(left, ['a', 'b', 'c', 'd']);
    }
}
