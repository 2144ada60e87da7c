//! What happens to the bytes below MQTT, whatever messages they belong to.
//!
//! Under TCP a lost packet is only late, so nothing is ever dropped from the middle of a stream: it stands
//! still, is slow, ends, or leads nowhere. A fault of this plane is the [`Weather`] of a device's line while it
//! holds, or a [`Blow`] that strikes its present connection. [`line`](crate::line) is what obeys them.

use std::num::NonZeroU64;

use super::outage::Trials;
use super::{Direction, Directions};

/// Bytes stand still for a while, and wait. The connection stays open.
#[derive(Clone, Debug, PartialEq)]
pub struct Stall {
    /// Which ways.
    pub direction: Directions,
    /// When it holds.
    pub trials: Trials,
}

/// Bytes go so fast and no faster. What does not fit into the buffer in front waits with its sender.
#[derive(Clone, Debug, PartialEq)]
pub struct Throttle {
    /// Which ways; each has the whole rate.
    pub direction: Directions,
    /// How fast and how many.
    pub pace: Pace,
    /// When it holds. `None`: always.
    pub trials: Option<Trials>,
}

/// The other end is gone and neither is told: from now on, bytes of the connection lead nowhere. Other
/// connections are not concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct HalfOpen {
    /// Which ways.
    pub direction: Directions,
    /// When it strikes.
    pub trials: Trials,
}

/// How fast one way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes of MQTT packets.
    pub bytes_per_second: NonZeroU64,
    /// Bytes that can wait in front of it.
    pub buffer_bytes: u64,
}

/// What a line does with bytes now, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// From the device to the broker.
    pub out: Flow,
    /// From the broker to the device.
    pub inward: Flow,
}

/// What becomes of the bytes that go one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// They stand still.
    pub stalled: bool,
    /// They are slow.
    pub pace: Option<Pace>,
}

/// What strikes a connection at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// It ends without a farewell, both ends are told, and what is under way is lost.
    Reset,
    /// What is sent these ways from now on leads nowhere, and nobody is told.
    HalfOpen(Directions),
}

/// Bytes that can wait for a line, unless told: about what the buffers of a socket hold.
pub const BUFFER_BYTES: u64 = 65_536;

impl Flow {
    /// Bytes go as they come.
    pub fn is_calm(&self) -> bool {
        *self == Self::default()
    }

    /// Bytes that can wait.
    pub fn buffer_bytes(&self) -> u64 {
        self.pace.map_or(BUFFER_BYTES, |pace| pace.buffer_bytes)
    }

    fn slow(&mut self, pace: Pace) {
        self.pace = Some(match self.pace {
            None => pace,
            Some(other) => Pace {
                bytes_per_second: pace.bytes_per_second.min(other.bytes_per_second),
                buffer_bytes: pace.buffer_bytes.min(other.buffer_bytes),
            },
        });
    }
}

impl Weather {
    /// Bytes go as they come, both ways.
    pub fn is_calm(&self) -> bool {
        *self == Self::default()
    }

    fn change(&mut self, direction: Directions, change: impl Fn(&mut Flow)) {
        if direction.include(Direction::Out) {
            change(&mut self.out);
        }
        if direction.include(Direction::In) {
            change(&mut self.inward);
        }
    }

    /// With a stall on top.
    pub(super) fn stall(&mut self, stall: &Stall) {
        self.change(stall.direction, |flow| flow.stalled = true);
    }

    /// With a throttle on top. Of several, the slowest and the smallest count.
    pub(super) fn throttle(&mut self, throttle: &Throttle) {
        self.change(throttle.direction, |flow| flow.slow(throttle.pace));
    }
}
