//! What happens to the bytes below MQTT, whatever messages they belong to.
//!
//! Under TCP a lost packet is only late, so nothing is ever dropped from the middle of a stream: it stands
//! still, is slow, ends, or leads nowhere. A fault of this plane is the [`LinkConditions`] of a device's line while it
//! holds, or a [`LinkBreak`] that strikes its present connection. [`link`](crate::link) is what obeys them.

use std::num::NonZeroU64;

use super::outage::Recurrence;
use super::{Direction, Directions};

/// Bytes stand still for a while, and wait. The connection stays open.
#[derive(Clone, Debug, PartialEq)]
pub struct Stall {
    /// Which ways.
    pub direction: Directions,
    /// When it holds.
    pub recurrence: Recurrence,
}

/// Bytes go so fast and no faster. What does not fit into the buffer in front waits with its sender.
#[derive(Clone, Debug, PartialEq)]
pub struct Throttle {
    /// Which ways; each has the whole rate.
    pub direction: Directions,
    /// How fast and how many.
    pub rate: ThrottleRate,
    /// When it holds. `None`: always.
    pub recurrence: Option<Recurrence>,
}

/// The other end is gone and neither is told: from now on, bytes of the connection lead nowhere. Other
/// connections are not concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct HalfOpen {
    /// Which ways.
    pub direction: Directions,
    /// When it strikes.
    pub recurrence: Recurrence,
}

/// How fast one way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleRate {
    /// Bytes of MQTT packets.
    pub bytes_per_second: NonZeroU64,
    /// Bytes that can wait in front of it.
    pub buffer_bytes: u64,
}

/// What a line does with bytes now, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkConditions {
    /// From the device to the broker.
    pub outbound: DirectionConditions,
    /// From the broker to the device.
    pub inbound: DirectionConditions,
}

/// What becomes of the bytes that go one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionConditions {
    /// They stand still.
    pub stalled: bool,
    /// They are slow.
    pub rate: Option<ThrottleRate>,
}

/// What strikes a connection at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkBreak {
    /// It ends without a farewell, both ends are told, and what is under way is lost.
    Reset,
    /// What is sent these ways from now on leads nowhere, and nobody is told.
    HalfOpen(Directions),
}

/// Bytes that can wait for a line, unless told: about what the buffers of a socket hold.
pub const DEFAULT_BUFFER_BYTES: u64 = 65_536;

impl DirectionConditions {
    /// Bytes go as they come.
    pub fn is_clear(&self) -> bool {
        *self == Self::default()
    }

    /// Bytes that can wait.
    pub fn buffer_bytes(&self) -> u64 {
        self.rate.map_or(DEFAULT_BUFFER_BYTES, |rate| rate.buffer_bytes)
    }

    fn limit(&mut self, rate: ThrottleRate) {
        self.rate = Some(match self.rate {
            None => rate,
            Some(other) => ThrottleRate {
                bytes_per_second: rate.bytes_per_second.min(other.bytes_per_second),
                buffer_bytes: rate.buffer_bytes.min(other.buffer_bytes),
            },
        });
    }
}

impl LinkConditions {
    /// Bytes go as they come, both ways.
    pub fn is_clear(&self) -> bool {
        *self == Self::default()
    }

    fn change(&mut self, direction: Directions, change: impl Fn(&mut DirectionConditions)) {
        if direction.include(Direction::Out) {
            change(&mut self.outbound);
        }
        if direction.include(Direction::In) {
            change(&mut self.inbound);
        }
    }

    /// With a stall on top.
    pub(super) fn stall(&mut self, stall: &Stall) {
        self.change(stall.direction, |conditions| conditions.stalled = true);
    }

    /// With a throttle on top. Of several, the slowest and the smallest count.
    pub(super) fn throttle(&mut self, throttle: &Throttle) {
        self.change(throttle.direction, |conditions| conditions.limit(throttle.rate));
    }
}
