//! Packets of one direction of a link.

use std::collections::VecDeque;
use std::time::Duration;

use wasmote_mqtt::time::{Time, nanos};

use crate::faults::byte_stream::DirectionConditions;

/// FIFO queue of packets. The first one is in transmission, byte by byte; a packet arrives when its last byte
/// does.
#[derive(Debug)]
pub(super) struct LinkQueue<T> {
    conditions: DirectionConditions,
    waiting: VecDeque<QueuedPacket<T>>,
    /// Total length of the packets.
    bytes: u64,
    /// Number of packets at QoS 0 that wait at the sender, because the buffer is full.
    overflow: usize,
    /// Bytes of these packets.
    overflow_bytes: u64,
    max_overflow: usize,
    /// Remainder of the first packet, in billionths of a byte.
    remaining: u128,
    /// Time of the last update of `remaining`.
    updated_at: Time,
}

#[derive(Debug)]
struct QueuedPacket<T> {
    packet: T,
    bytes: u64,
    overflow: bool,
}

/// Maximum number of bytes of packets at QoS 0 that wait at the sender.
const MAX_OVERFLOW_BYTES: u64 = 8 << 20;

const BILLION: u128 = 1_000_000_000;

impl<T> LinkQueue<T> {
    pub(super) fn new(max_overflow: usize) -> Self {
        Self {
            conditions: DirectionConditions::default(),
            waiting: VecDeque::new(),
            bytes: 0,
            overflow: 0,
            overflow_bytes: 0,
            max_overflow,
            remaining: 0,
            updated_at: Time::ZERO,
        }
    }

    /// Sends a packet. Returns it as `Ok` if it is forwarded at once, and as `Err` if it can be lost and the
    /// queue is full.
    pub(super) fn enqueue(
        &mut self,
        packet: T,
        bytes: impl Fn(&T) -> u64,
        droppable: bool,
        now: Time,
    ) -> Result<Option<T>, T> {
        if self.waiting.is_empty() && self.conditions.is_clear() {
            return Ok(Some(packet));
        }
        let bytes = bytes(&packet);
        let fits =
            self.waiting.is_empty() || self.bytes.saturating_add(bytes) <= self.conditions.buffer_bytes();
        let overflow = droppable && !fits;
        let more = if overflow { bytes } else { 0 };
        let is_full = self.overflow >= self.max_overflow
            || self.overflow > 0 && self.overflow_bytes.saturating_add(more) > MAX_OVERFLOW_BYTES;
        if overflow && is_full {
            return Err(packet);
        }
        self.overflow += usize::from(overflow);
        self.overflow_bytes += more;
        self.bytes += bytes;
        self.waiting.push_back(QueuedPacket { packet, bytes, overflow });
        if self.waiting.len() == 1 {
            self.start_front(now);
        }
        Ok(None)
    }

    /// Starts the transmission of the first packet.
    fn start_front(&mut self, at: Time) {
        self.updated_at = at;
        self.remaining = self.waiting.front().map_or(0, |queued| u128::from(queued.bytes) * BILLION);
    }

    pub(super) fn set_conditions(&mut self, conditions: DirectionConditions, now: Time) {
        self.remaining = self.remaining_at(now);
        self.updated_at = now;
        self.conditions = conditions;
    }

    fn remaining_at(&self, now: Time) -> u128 {
        let moved = match (self.conditions.stalled, self.conditions.rate) {
            (true, _) => 0,
            (false, None) => u128::MAX,
            (false, Some(rate)) => {
                u128::from(rate.bytes_per_second.get()) * u128::from(nanos(now.since(self.updated_at)))
            }
        };
        self.remaining.saturating_sub(moved)
    }

    /// Arrival time of the first packet under the present conditions.
    pub(super) fn next_due(&self) -> Option<Time> {
        if self.waiting.is_empty() || self.conditions.stalled {
            return None;
        }
        let takes = match self.conditions.rate {
            None => 0,
            Some(rate) => self.remaining.div_ceil(u128::from(rate.bytes_per_second.get())),
        };
        Some(self.updated_at + Duration::from_nanos(u64::try_from(takes).unwrap_or(u64::MAX)))
    }

    pub(super) fn take_due(&mut self, now: Time) -> Option<T> {
        let due = self.next_due().filter(|due| *due <= now)?;
        let queued = self.waiting.pop_front()?;
        self.subtract(&queued);
        self.start_front(due);
        Some(queued.packet)
    }

    fn subtract(&mut self, queued: &QueuedPacket<T>) {
        self.bytes -= queued.bytes;
        self.overflow -= usize::from(queued.overflow);
        self.overflow_bytes -= if queued.overflow { queued.bytes } else { 0 };
    }

    /// Whether the queue contains a matching packet.
    pub(super) fn contains(&self, is: impl Fn(&T) -> bool) -> bool {
        self.waiting.iter().any(|queued| is(&queued.packet))
    }

    /// Removes and returns the matching packets.
    pub(super) fn remove(&mut self, is_lost: impl Fn(&T) -> bool) -> VecDeque<T> {
        let front_goes = self.waiting.front().is_some_and(|queued| is_lost(&queued.packet));
        let mut lost = VecDeque::new();
        for queued in std::mem::take(&mut self.waiting) {
            if is_lost(&queued.packet) {
                self.subtract(&queued);
                lost.push_back(queued.packet);
            } else {
                self.waiting.push_back(queued);
            }
        }
        if front_goes {
            self.start_front(self.updated_at);
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::faults::byte_stream::ThrottleRate;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn slow(bytes_per_second: u64, buffer_bytes: u64) -> DirectionConditions {
        let bytes_per_second = NonZeroU64::new(bytes_per_second).unwrap();
        DirectionConditions { stalled: false, rate: Some(ThrottleRate { bytes_per_second, buffer_bytes }) }
    }

    fn through(queue: &mut LinkQueue<&'static str>, until: Time) -> Vec<(u64, &'static str)> {
        let mut through = Vec::new();
        while let Some(due) = queue.next_due().filter(|due| *due <= until) {
            let packet = queue.take_due(due).expect("a due packet");
            through.push((due.as_nanos() / 1_000_000, packet));
        }
        through
    }

    fn send(queue: &mut LinkQueue<&'static str>, packet: &'static str, bytes: u64, now: Time) -> bool {
        queue.enqueue(packet, |_| bytes, true, now).is_ok()
    }

    #[test]
    fn a_clear_link_forwards_at_once() {
        let mut queue = LinkQueue::new(0);
        assert_eq!(queue.enqueue("a", |_| 1_000_000, true, at(1)), Ok(Some("a")));
    }

    #[test]
    fn packets_are_transmitted_one_by_one_at_the_rate() {
        let mut queue = LinkQueue::new(9);
        queue.set_conditions(slow(1_000, 10_000), at(0));
        assert!(send(&mut queue, "a", 100, at(0)) && send(&mut queue, "b", 50, at(20)));
        assert_eq!(through(&mut queue, at(1_000)), [(100, "a"), (150, "b")]);
        assert!(send(&mut queue, "c", 10, at(500)));
        assert_eq!(through(&mut queue, at(1_000)), [(510, "c")]);
    }

    #[test]
    fn a_stall_interrupts_a_packet_and_keeps_the_order() {
        let mut queue = LinkQueue::new(9);
        queue.set_conditions(slow(1_000, 10_000), at(0));
        assert!(send(&mut queue, "a", 100, at(0)) && send(&mut queue, "b", 100, at(0)));
        queue.set_conditions(DirectionConditions { stalled: true, ..slow(1_000, 10_000) }, at(60));
        assert_eq!(queue.next_due(), None);
        queue.set_conditions(slow(2_000, 10_000), at(1_060));
        assert_eq!(through(&mut queue, at(9_000)), [(1_080, "a"), (1_130, "b")]);
    }

    #[test]
    fn packets_queued_by_a_stall_leave_together_at_its_end() {
        let mut queue = LinkQueue::new(9);
        queue.set_conditions(DirectionConditions { stalled: true, rate: None }, at(0));
        assert!(send(&mut queue, "a", 100, at(1)) && send(&mut queue, "b", 100, at(2)));
        queue.set_conditions(DirectionConditions::default(), at(500));
        assert_eq!(queue.enqueue("c", |_| 1, true, at(500)), Ok(None), "not before the queued packets");
        assert_eq!(through(&mut queue, at(500)), [(500, "a"), (500, "b"), (500, "c")]);
    }

    #[test]
    fn the_overflow_beyond_the_buffer_is_bounded() {
        let mut queue = LinkQueue::new(1);
        queue.set_conditions(slow(100, 250), at(0));
        let sent = ["a", "b", "c", "d"].map(|packet| send(&mut queue, packet, 100, at(0)));
        assert_eq!(sent, [true, true, true, false], "two in the buffer, one at the sender");
        assert_eq!(
            queue.enqueue("ack", |_| 4, false, at(0)),
            Ok(None),
            "packets that must be acknowledged are always accepted"
        );
        assert_eq!(
            through(&mut queue, at(9_000)),
            [(1_000, "a"), (2_000, "b"), (3_000, "c"), (3_040, "ack")]
        );
        assert!(send(&mut queue, "e", 100_000, at(9_000)), "an idle link accepts a packet of any size");
    }

    #[test]
    fn removing_the_first_packet_starts_the_next() {
        let mut queue = LinkQueue::new(9);
        queue.set_conditions(slow(1_000, 10_000), at(0));
        assert!(["a", "b", "c"].into_iter().all(|packet| send(&mut queue, packet, 100, at(0))));
        assert_eq!(queue.remove(|packet| *packet == "a"), ["a"]);
        assert_eq!(through(&mut queue, at(9_000)), [(100, "b"), (200, "c")]);
    }
}
