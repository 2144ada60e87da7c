//! Share of a shard's thread that one device uses, so that expensive calls of one behaviour delay only its own device.
//!
//! The time of every turn of a device is measured. A device that uses more than its share
//! ([`Limits::thread_percent`](wasmote_sim::limits::Limits::thread_percent)) while others wait is paused: its connection
//! goes on, and its events wait until its share allows the next call. All such devices of a shard together use at most half
//! of its time. Virtual time has no such limit, because there no device waits for another.

use std::time::Duration;

use wasmote_mqtt::time::Time;

/// Time that a device may use at once, beyond its share.
const BURST: Duration = Duration::from_millis(50);
/// Shortest interval between two warnings about one device.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Use of the thread by one device.
#[derive(Debug, Default)]
pub(super) struct ThreadShare {
    /// Time until which the use so far takes up the share of the device.
    taken_until: Time,
    /// End of the present pause.
    pub(super) paused_until: Option<Time>,
    /// Time used since the first pause; `None` for a device that was never paused.
    pub(super) used: Option<Duration>,
    /// Number of pauses.
    pub(super) pauses: u64,
    warned_at: Option<Time>,
}

impl ThreadShare {
    /// Records the time of a turn. Returns the end of the pause that it needs, if others wait.
    pub(super) fn record(&mut self, took: Duration, percent: u32, now: Time) -> Option<Time> {
        if let Some(used) = &mut self.used {
            *used += took;
        }
        let percent = percent.clamp(1, 100);
        if percent == 100 {
            return None;
        }
        let scale = 100 / percent;
        self.taken_until = self.taken_until.max(now) + took.saturating_mul(scale);
        let allowed = BURST.saturating_mul(scale);
        (self.taken_until.since(now) > allowed).then(|| self.taken_until - allowed)
    }

    /// Starts a pause. Returns whether a warning about the device is due.
    pub(super) fn pause(&mut self, until: Time, now: Time) -> bool {
        self.paused_until = Some(until);
        self.pauses += 1;
        self.used.get_or_insert_default();
        let is_due = self.warned_at.is_none_or(|warned| now.since(warned) >= WARNING_INTERVAL);
        if is_due {
            self.warned_at = Some(now);
        }
        is_due
    }

    /// Whether the device has been paused.
    pub(super) fn is_known(&self) -> bool {
        self.used.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_device_within_its_share_is_never_paused() {
        let mut share = ThreadShare::default();
        for second in 0..100 {
            assert_eq!(share.record(Duration::from_millis(40), 10, at(second * 1_000)), None);
        }
        assert!(!share.is_known());
    }

    #[test]
    fn expensive_calls_in_a_row_use_the_share_and_no_more() {
        let mut share = ThreadShare::default();
        let (mut now, mut used) = (at(0), Duration::ZERO);
        while now < at(100_000) {
            let took = Duration::from_millis(80);
            now = now + took;
            used += took;
            if let Some(until) = share.record(took, 10, now) {
                share.pause(until, now);
                now = until.max(now);
            }
        }
        assert!((9..=11).contains(&used.as_secs()), "{used:?} of 100 s");
        assert!(share.pauses > 100);
    }

    #[test]
    fn a_share_of_a_hundred_percent_is_no_limit_and_warnings_are_rare() {
        let mut share = ThreadShare::default();
        assert_eq!(share.record(Duration::from_secs(60), 100, at(0)), None);
        let warnings = (0..100).filter(|second| share.pause(at(1), at(second * 1_000))).count();
        assert_eq!(warnings, 10);
    }
}
