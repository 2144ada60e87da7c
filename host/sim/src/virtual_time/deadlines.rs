//! Priority queue with one movable deadline for each slot.

use wasmote_mqtt::time::Time;

/// Owner of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(pub(super) u32);

/// Time, and a sequence number that orders equal times.
pub(super) type Key = (Time, u64);

/// Indexed heap: the position of each slot's entry is known, so that it can be moved. Four children per node
/// keep it shallow.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: Vec<(Key, Slot)>,
    /// Position of each slot's entry in the heap.
    places: Vec<Option<u32>>,
}

const BRANCHES: usize = 4;

impl Deadlines {
    pub(super) fn first(&self) -> Option<(Key, Slot)> {
        self.heap.first().copied()
    }

    /// Sets or moves a slot's deadline. An unchanged time keeps its sequence number.
    pub(super) fn set(&mut self, slot: Slot, due: Time, sequence: u64) {
        match self.place(slot) {
            Some(place) if self.heap[place].0.0 == due => {}
            Some(place) => {
                self.heap[place].0 = (due, sequence);
                self.sift(place);
            }
            None => {
                self.heap.push(((due, sequence), slot));
                self.sift(self.heap.len() - 1);
            }
        }
    }

    pub(super) fn clear(&mut self, slot: Slot) {
        let Some(place) = self.place(slot) else { return };
        self.places[slot.0 as usize] = None;
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.sift(place);
        }
    }

    fn place(&mut self, slot: Slot) -> Option<usize> {
        let index = slot.0 as usize;
        if index >= self.places.len() {
            self.places.resize(index + 1, None);
        }
        self.places[index].map(|place| place as usize)
    }

    /// Moves an entry to its position in the heap order.
    fn sift(&mut self, place: usize) {
        let entry = self.heap[place];
        let place = self.rise(place, entry);
        let place = self.sink(place, entry);
        self.put(place, entry);
    }

    fn rise(&mut self, mut place: usize, entry: (Key, Slot)) -> usize {
        while place > 0 {
            let parent = (place - 1) / BRANCHES;
            if self.heap[parent].0 <= entry.0 {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        place
    }

    fn sink(&mut self, mut place: usize, entry: (Key, Slot)) -> usize {
        loop {
            let first = place * BRANCHES + 1;
            let children = first..(first + BRANCHES).min(self.heap.len());
            let Some(child) = children.min_by_key(|&child| self.heap[child].0) else { return place };
            if entry.0 <= self.heap[child].0 {
                return place;
            }
            self.put(place, self.heap[child]);
            place = child;
        }
    }

    fn put(&mut self, place: usize, entry: (Key, Slot)) {
        self.heap[place] = entry;
        self.places[entry.1.0 as usize] = Some(place as u32);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wasmote_mqtt::device_id::DeviceId;

    use super::*;
    use crate::rng::Seed;

    /// Comparison with a plain map over many random changes.
    #[test]
    fn the_soonest_deadline_is_first_after_any_change() {
        let mut draw = Seed::new(1).stream(&DeviceId::new("d").unwrap(), "test");
        let (mut deadlines, mut plain) = (Deadlines::default(), BTreeMap::new());
        for sequence in 0..20_000 {
            let slot = Slot(draw.below(50) as u32);
            if draw.chance(0.3) {
                deadlines.clear(slot);
                plain.remove(&slot.0);
            } else {
                let due = Time::from_nanos(draw.below(100));
                deadlines.set(slot, due, sequence);
                let key = plain.entry(slot.0).or_insert((due, sequence));
                if key.0 != due {
                    *key = (due, sequence);
                }
            }
            let expected = plain.iter().map(|(&slot, &key)| (key, Slot(slot))).min_by_key(|(key, _)| *key);
            assert_eq!(deadlines.first(), expected);
        }
    }
}
