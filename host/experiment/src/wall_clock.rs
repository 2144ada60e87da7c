//! Wall clock, for results that do not use the clock of a run.

use wasmote_mqtt::time::{Time, WallTime};
use wasmote_sim::device::Now;

/// Wall-clock time, for files that are written before the run's own clock starts.
pub(crate) fn wall_clock_now() -> Now {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    Now { run: Time::ZERO, wall: WallTime::from_nanos(nanos) }
}
