//! Faults of the byte stream below MQTT.
//!
//! A lost packet is only late under TCP, so these faults never drop bytes from the middle of a stream: it
//! stalls, is slow, ends, or is half open. A fault of this plane sets the [`LinkConditions`] of a device's
//! link while it is active, or causes a [`LinkBreak`] of the present connection. [`link`](crate::link)
//! implements them.

use std::num::NonZeroU64;

use super::stall::Stall;
use super::{Direction, Directions};

/// Rate and buffer of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleRate {
    /// Rate in bytes of MQTT packets per second.
    pub bytes_per_second: NonZeroU64,
    /// Capacity of the buffer in bytes.
    pub buffer_bytes: u64,
}

/// Present conditions of a link, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkConditions {
    /// From the device to the broker.
    pub outbound: DirectionConditions,
    /// From the broker to the device.
    pub inbound: DirectionConditions,
}

/// Conditions of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionConditions {
    /// Whether bytes stall.
    pub stalled: bool,
    /// Rate limit, if any.
    pub rate: Option<ThrottleRate>,
}

/// An instantaneous fault of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkBreak {
    /// The connection is reset: both ends are notified, and bytes in flight are lost.
    Reset,
    /// Later bytes in these directions are lost without notice.
    HalfOpen(Directions),
}

/// Default capacity of the buffer, about that of socket buffers.
pub const DEFAULT_BUFFER_BYTES: u64 = 65_536;

impl DirectionConditions {
    /// Whether bytes pass unhindered.
    pub fn is_clear(&self) -> bool {
        *self == Self::default()
    }

    /// Capacity of the buffer in bytes.
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
    /// Whether bytes pass unhindered in both directions.
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

    /// Adds a stall.
    pub(super) fn stall(&mut self, stall: &Stall) {
        self.change(stall.direction, |conditions| conditions.stalled = true);
    }

    /// Adds a throttle. Of several, the lowest rate and the smallest buffer apply.
    pub(super) fn throttle(&mut self, direction: Directions, rate: ThrottleRate) {
        self.change(direction, |conditions| conditions.limit(rate));
    }
}
