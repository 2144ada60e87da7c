//! The packets that go one way over a line.

use std::collections::VecDeque;
use std::time::Duration;

use crate::faults::byte_stream::Flow;
use crate::time::{Time, nanos};

/// Packets in a row. The one in front is going over, byte by byte; a packet has come through when its last
/// byte has.
#[derive(Debug)]
pub(super) struct Way<T> {
    flow: Flow,
    waiting: VecDeque<Parcel<T>>,
    /// Of all that wait.
    bytes: u64,
    /// How many of them wait with their sender, as the buffer is full, and could be turned away.
    beyond: usize,
    most_beyond: usize,
    /// What is left of the packet in front, in billionths of a byte.
    left: u128,
    /// As of then.
    since: Time,
}

#[derive(Debug)]
struct Parcel<T> {
    thing: T,
    bytes: u64,
    beyond: bool,
}

const BILLION: u128 = 1_000_000_000;

impl<T> Way<T> {
    pub(super) fn new(most_beyond: usize) -> Self {
        Self {
            flow: Flow::default(),
            waiting: VecDeque::new(),
            bytes: 0,
            beyond: 0,
            most_beyond,
            left: 0,
            since: Time::ZERO,
        }
    }

    /// Send something. It comes back as `Ok` if it goes on at once, and as `Err` if it yields and there is no
    /// room for it.
    pub(super) fn offer(
        &mut self,
        thing: T,
        bytes: impl Fn(&T) -> u64,
        yields: bool,
        now: Time,
    ) -> Result<Option<T>, T> {
        if self.waiting.is_empty() && self.flow.is_calm() {
            return Ok(Some(thing));
        }
        let bytes = bytes(&thing);
        let fits = self.waiting.is_empty() || self.bytes.saturating_add(bytes) <= self.flow.buffer_bytes();
        let beyond = yields && !fits;
        if beyond && self.beyond >= self.most_beyond {
            return Err(thing);
        }
        self.beyond += usize::from(beyond);
        self.bytes += bytes;
        self.waiting.push_back(Parcel { thing, bytes, beyond });
        if self.waiting.len() == 1 {
            self.begin(now);
        }
        Ok(None)
    }

    /// The packet in front sets off.
    fn begin(&mut self, at: Time) {
        self.since = at;
        self.left = self.waiting.front().map_or(0, |parcel| u128::from(parcel.bytes) * BILLION);
    }

    pub(super) fn set_flow(&mut self, flow: Flow, now: Time) {
        self.left = self.left_at(now);
        self.since = now;
        self.flow = flow;
    }

    fn left_at(&self, now: Time) -> u128 {
        let moved = match (self.flow.stalled, self.flow.pace) {
            (true, _) => 0,
            (false, None) => u128::MAX,
            (false, Some(pace)) => {
                u128::from(pace.bytes_per_second.get()) * u128::from(nanos(now.since(self.since)))
            }
        };
        self.left.saturating_sub(moved)
    }

    /// When the packet in front will be through, as things are.
    pub(super) fn next_due(&self) -> Option<Time> {
        if self.waiting.is_empty() || self.flow.stalled {
            return None;
        }
        let takes = match self.flow.pace {
            None => 0,
            Some(pace) => self.left.div_ceil(u128::from(pace.bytes_per_second.get())),
        };
        Some(self.since + Duration::from_nanos(u64::try_from(takes).unwrap_or(u64::MAX)))
    }

    pub(super) fn take_due(&mut self, now: Time) -> Option<T> {
        let due = self.next_due().filter(|due| *due <= now)?;
        let parcel = self.waiting.pop_front()?;
        self.forget(&parcel);
        self.begin(due);
        Some(parcel.thing)
    }

    fn forget(&mut self, parcel: &Parcel<T>) {
        self.bytes -= parcel.bytes;
        self.beyond -= usize::from(parcel.beyond);
    }

    /// Whether something of this sort waits.
    pub(super) fn holds(&self, is: impl Fn(&T) -> bool) -> bool {
        self.waiting.iter().any(|parcel| is(&parcel.thing))
    }

    /// Take out what is lost.
    pub(super) fn remove(&mut self, is_lost: impl Fn(&T) -> bool) -> VecDeque<T> {
        let front_goes = self.waiting.front().is_some_and(|parcel| is_lost(&parcel.thing));
        let mut lost = VecDeque::new();
        for parcel in std::mem::take(&mut self.waiting) {
            if is_lost(&parcel.thing) {
                self.forget(&parcel);
                lost.push_back(parcel.thing);
            } else {
                self.waiting.push_back(parcel);
            }
        }
        if front_goes {
            self.begin(self.since);
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::faults::byte_stream::Pace;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn slow(bytes_per_second: u64, buffer_bytes: u64) -> Flow {
        let bytes_per_second = NonZeroU64::new(bytes_per_second).unwrap();
        Flow { stalled: false, pace: Some(Pace { bytes_per_second, buffer_bytes }) }
    }

    fn through(way: &mut Way<&'static str>, until: Time) -> Vec<(u64, &'static str)> {
        let mut through = Vec::new();
        while let Some(due) = way.next_due().filter(|due| *due <= until) {
            let thing = way.take_due(due).expect("it is due");
            through.push((due.as_nanos() / 1_000_000, thing));
        }
        through
    }

    fn send(way: &mut Way<&'static str>, thing: &'static str, bytes: u64, now: Time) -> bool {
        way.offer(thing, |_| bytes, true, now).is_ok()
    }

    #[test]
    fn in_calm_weather_all_goes_on_at_once() {
        let mut way = Way::new(0);
        assert_eq!(way.offer("a", |_| 1_000_000, true, at(1)), Ok(Some("a")));
    }

    #[test]
    fn each_packet_takes_its_bytes_by_the_rate_one_after_the_other() {
        let mut way = Way::new(9);
        way.set_flow(slow(1_000, 10_000), at(0));
        assert!(send(&mut way, "a", 100, at(0)) && send(&mut way, "b", 50, at(20)));
        assert_eq!(through(&mut way, at(1_000)), [(100, "a"), (150, "b")]);
        assert!(send(&mut way, "c", 10, at(500)));
        assert_eq!(through(&mut way, at(1_000)), [(510, "c")]);
    }

    #[test]
    fn a_stall_holds_a_packet_in_its_middle_and_order_stays() {
        let mut way = Way::new(9);
        way.set_flow(slow(1_000, 10_000), at(0));
        assert!(send(&mut way, "a", 100, at(0)) && send(&mut way, "b", 100, at(0)));
        way.set_flow(Flow { stalled: true, ..slow(1_000, 10_000) }, at(60));
        assert_eq!(way.next_due(), None);
        way.set_flow(slow(2_000, 10_000), at(1_060));
        assert_eq!(through(&mut way, at(9_000)), [(1_080, "a"), (1_130, "b")]);
    }

    #[test]
    fn what_waited_for_a_stall_goes_all_at_once_at_its_end() {
        let mut way = Way::new(9);
        way.set_flow(Flow { stalled: true, pace: None }, at(0));
        assert!(send(&mut way, "a", 100, at(1)) && send(&mut way, "b", 100, at(2)));
        way.set_flow(Flow::default(), at(500));
        assert_eq!(way.offer("c", |_| 1, true, at(500)), Ok(None), "not past those that wait");
        assert_eq!(through(&mut way, at(500)), [(500, "a"), (500, "b"), (500, "c")]);
    }

    #[test]
    fn beyond_the_buffer_only_so_many_wait_with_their_sender() {
        let mut way = Way::new(1);
        way.set_flow(slow(100, 250), at(0));
        let sent = ["a", "b", "c", "d"].map(|thing| send(&mut way, thing, 100, at(0)));
        assert_eq!(sent, [true, true, true, false], "two in the buffer, one with its sender");
        assert_eq!(way.offer("ack", |_| 4, false, at(0)), Ok(None), "what has to go never is turned away");
        assert_eq!(through(&mut way, at(9_000)), [(1_000, "a"), (2_000, "b"), (3_000, "c"), (3_040, "ack")]);
        assert!(send(&mut way, "e", 100_000, at(9_000)), "an idle way takes a packet of any size");
    }

    #[test]
    fn what_is_taken_out_leaves_its_time_to_the_next() {
        let mut way = Way::new(9);
        way.set_flow(slow(1_000, 10_000), at(0));
        assert!(["a", "b", "c"].into_iter().all(|thing| send(&mut way, thing, 100, at(0))));
        assert_eq!(way.remove(|thing| *thing == "a"), ["a"]);
        assert_eq!(through(&mut way, at(9_000)), [(100, "b"), (200, "c")]);
    }
}
