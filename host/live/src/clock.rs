//! Clock of a run: one reading of the system clock at the start, advanced by a monotonic clock.
//!
//! Wall time is the start's wall time plus the elapsed time, so it never jumps when the system clock is set,
//! and latencies between devices of one run are differences of one clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmote_mqtt::time::{Time, WallTime};
use wasmote_sim::device::Now;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    wall_at_start: WallTime,
}

impl Clock {
    /// Starts the clock.
    pub(crate) fn start() -> Self {
        // A system clock before 1970 counts as 1970.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanos = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
        Self { started: Instant::now(), wall_at_start: WallTime::from_nanos(nanos) }
    }

    pub(crate) fn now(&self) -> Now {
        let elapsed = self.started.elapsed();
        Now { run: Time::ZERO + elapsed, wall: self.wall_at_start + elapsed }
    }

    /// Converts a time of the run to a tokio instant.
    pub(crate) fn instant(&self, at: Time) -> tokio::time::Instant {
        // Times beyond a century are clamped, since `Instant` may not represent them.
        const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        (self.started + at.elapsed().min(NEVER)).into()
    }
}
