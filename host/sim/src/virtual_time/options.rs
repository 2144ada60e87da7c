//! The world that virtual devices live in.

use std::num::NonZeroU16;
use std::time::Duration;

use crate::broker::limits::BrokerLimits;
use crate::time::WallTime;

/// What a virtual run is made of, beside its devices.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seconds after which a client that has sent nothing sends a ping; default 10. Zero means never.
    pub keep_alive: u16,
    /// Seconds that the broker keeps the session of a device that is gone; default 0, which also makes
    /// every connection a clean start.
    pub session_expiry: u32,
    /// How long every packet takes, each way; default zero. Packets keep their order either way. Two
    /// behaviours that answer each other at once are held back by nothing but their publish rates when
    /// this is zero.
    pub latency: Duration,
    /// Messages that can be on their way into a device that does not read, as the buffers of a socket
    /// can hold them; default 1,000. Later ones at QoS 0 are lost.
    pub unread: usize,
    /// Messages at QoS 1 and 2 that a device's client has under way at one time; default 20.
    pub inflight: NonZeroU16,
    /// Messages at QoS 1 and 2 that wait in a device's client beside these; default 100, and at least 1.
    /// Further ones are refused.
    pub queued: usize,
    /// What the broker allows.
    pub broker: BrokerLimits,
    /// The calendar's time at the beginning of the run.
    pub epoch: WallTime,
}

/// 2026-01-01T00:00:00Z, in nanoseconds. A run's results do not depend on the day of the run.
const EPOCH: WallTime = WallTime::from_nanos(1_767_225_600_000_000_000);

impl Default for Options {
    fn default() -> Self {
        let broker = BrokerLimits::default();
        Self {
            keep_alive: 10,
            session_expiry: 0,
            latency: Duration::ZERO,
            unread: 1_000,
            inflight: broker.inflight,
            queued: 100,
            broker,
            epoch: EPOCH,
        }
    }
}
