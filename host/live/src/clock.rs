//! The run's clock: one reading at the start, and from then on only what a monotonic clock adds.
//!
//! Calendar time is the start's plus what has elapsed, so it never jumps when somebody sets the
//! machine's clock, and latencies between devices of one run are differences of one clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmote_mqtt::time::{Time, WallTime};
use wasmote_sim::device::Now;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    wall_at_start: WallTime,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        // A machine that believes to be before 1970 gets 1970.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanos = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
        Self { started: Instant::now(), wall_at_start: WallTime::from_nanos(nanos) }
    }

    pub(crate) fn now(&self) -> Now {
        let elapsed = self.started.elapsed();
        Now { run: Time::ZERO + elapsed, wall: self.wall_at_start + elapsed }
    }

    /// The runtime's name for a point on the run's clock.
    pub(crate) fn instant(&self, at: Time) -> tokio::time::Instant {
        // Further than a century is never; `Instant` may not reach that far.
        const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        (self.started + at.elapsed().min(NEVER)).into()
    }
}
