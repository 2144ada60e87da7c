//! Event queue of a simulation run.
//!
//! Events are ordered by time and then by a sequence number that grows with every insertion. The order is
//! that of a single heap, but two facts allow a smaller one: items with a constant delay leave in FIFO order,
//! so a plain queue suffices for them; and a device has only one deadline at a time, which moves. The heap
//! holds one entry for each device and one for the broker, and never an outdated one.

use std::collections::VecDeque;
use std::time::Duration;

use wasmote_mqtt::time::Time;

use super::deadlines::{Deadlines, Slot};

/// The next event.
#[derive(Debug)]
pub(super) enum NextEvent<T> {
    /// The deadline of this slot.
    Deadline(Slot),
    /// Arrival of an item in transmission.
    Arrival(T),
}

/// All pending events.
#[derive(Debug)]
pub(super) struct EventQueue<T, const LANES: usize> {
    deadlines: Deadlines,
    lanes: [FifoLane<T>; LANES],
    sequence: u64,
}

/// Items with a constant delay.
#[derive(Debug)]
struct FifoLane<T> {
    delay: Duration,
    in_flight: VecDeque<(Time, u64, T)>,
}

impl<T, const LANES: usize> EventQueue<T, LANES> {
    /// Creates an empty queue with lanes of these delays.
    pub(super) fn new(lanes: [Duration; LANES]) -> Self {
        let lanes = lanes.map(|delay| FifoLane { delay, in_flight: VecDeque::new() });
        Self { deadlines: Deadlines::default(), lanes, sequence: 0 }
    }

    /// Sets, moves or clears a slot's deadline. A deadline in the past is due now.
    pub(super) fn set_deadline(&mut self, slot: Slot, due: Option<Time>, now: Time) {
        match due {
            None => self.deadlines.clear(slot),
            Some(due) => {
                self.sequence += 1;
                self.deadlines.set(slot, due.max(now), self.sequence);
            }
        }
    }

    /// Sends an item over a lane.
    pub(super) fn send(&mut self, lane: usize, now: Time, item: T) {
        self.sequence += 1;
        let lane = &mut self.lanes[lane];
        lane.in_flight.push_back((now + lane.delay, self.sequence, item));
    }

    /// Removes and returns the next event if it is due by this time.
    pub(super) fn take(&mut self, by: Time) -> Option<(Time, NextEvent<T>)> {
        let mut first = self.deadlines.first().map(|(key, slot)| (key, Ok(slot)));
        for (at, lane) in self.lanes.iter().enumerate() {
            let Some(&(due, sequence, _)) = lane.in_flight.front() else { continue };
            if first.as_ref().is_none_or(|(key, _)| (due, sequence) < *key) {
                first = Some(((due, sequence), Err(at)));
            }
        }
        let ((due, _), source) = first.filter(|((due, _), _)| *due <= by)?;
        match source {
            Ok(slot) => {
                self.deadlines.clear(slot);
                Some((due, NextEvent::Deadline(slot)))
            }
            Err(lane) => {
                let (_, _, item) = self.lanes[lane].in_flight.pop_front()?;
                Some((due, NextEvent::Arrival(item)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(event_queue: &mut EventQueue<&'static str, 2>) -> Vec<String> {
        let due = std::iter::from_fn(|| event_queue.take(Time::from_nanos(u64::MAX)));
        due.map(|(at, what)| match what {
            NextEvent::Deadline(slot) => format!("{} slot {}", at.as_nanos(), slot.0),
            NextEvent::Arrival(item) => format!("{} {item}", at.as_nanos()),
        })
        .collect()
    }

    #[test]
    fn lanes_and_deadlines_are_ordered_by_time_and_then_by_insertion() {
        let mut event_queue = EventQueue::new([Duration::ZERO, Duration::from_nanos(10)]);
        let at = Time::from_nanos;
        event_queue.set_deadline(Slot(0), Some(at(10)), Time::ZERO);
        event_queue.send(1, Time::ZERO, "slow");
        event_queue.send(0, at(10), "fast");
        event_queue.set_deadline(Slot(1), Some(at(10)), Time::ZERO);
        event_queue.set_deadline(Slot(2), Some(at(3)), Time::ZERO);
        assert_eq!(drain(&mut event_queue), ["3 slot 2", "10 slot 0", "10 slow", "10 fast", "10 slot 1"]);
    }

    #[test]
    fn no_event_is_taken_before_its_time() {
        let mut event_queue: EventQueue<(), 0> = EventQueue::new([]);
        event_queue.set_deadline(Slot(0), Some(Time::from_nanos(5)), Time::ZERO);
        assert!(event_queue.take(Time::from_nanos(4)).is_none());
        assert!(event_queue.take(Time::from_nanos(5)).is_some());
        assert!(event_queue.take(Time::from_nanos(5)).is_none(), "a past deadline is removed");
    }

    #[test]
    fn a_deadline_in_the_past_is_due_now() {
        let mut event_queue: EventQueue<(), 0> = EventQueue::new([]);
        event_queue.set_deadline(Slot(0), Some(Time::ZERO), Time::from_nanos(7));
        assert_eq!(event_queue.take(Time::from_nanos(9)).map(|(at, _)| at), Some(Time::from_nanos(7)));
    }
}
