//! Log lines about a device. All of them share the log rate of the device, so that a behaviour cannot fill the log through
//! warnings about its actions. Lines for single messages have a separate limit of the same rate.

use std::time::Duration;

use wasmote_mqtt::time::Time;
use wasmote_sim::device::Device;
use wasmote_sim::limits::RateLimit;
use wasmote_sim::notice::DeviceNotice;

use super::Shard;

/// Shortest time between two reports of suppressed lines of one device.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Log lines of one device beyond those of its behaviour.
#[derive(Debug)]
pub(super) struct DeviceLines {
    messages: RateLimit,
    /// Suppressed lines for messages.
    suppressed: u64,
    /// Number of suppressed lines that have been reported.
    reported: u64,
    /// Set while there are lines to report.
    report_at: Option<Time>,
}

impl DeviceLines {
    pub(super) fn new(rate: u32) -> Self {
        Self { messages: RateLimit::per_second(rate), suppressed: 0, reported: 0, report_at: None }
    }

    /// Whether a notice gets a line within the log rate of its device.
    pub(super) fn allow(&mut self, device: &mut Device, notice: &DeviceNotice, now: Time) -> bool {
        use DeviceNotice::{
            Connected, Disconnected, Dropped, FaultBegan, FaultEnded, FaultLog, FaultTrapped, Received,
            RequestRefused, Sent,
        };
        match notice {
            Sent(..) | Received(..) | Dropped(..) => {
                let allowed = self.messages.take(now);
                self.suppressed += u64::from(!allowed);
                allowed
            }
            Connected(_) | Disconnected(..) | FaultBegan(..) | FaultEnded(..) | FaultLog(..)
            | FaultTrapped(..) | RequestRefused(..) => device.take_log_line(now),
            // The context has taken a token for a line of the behaviour. The other events are rare: a user's command causes
            // them, or they are at least a second apart.
            _ => true,
        }
    }

    /// The number of lines to report now. `refused` is the number of lines that the log rate has refused.
    fn take_report(&mut self, refused: u64, now: Time) -> Option<u64> {
        let total = refused + self.suppressed;
        if total <= self.reported {
            return None;
        }
        let report_at = *self.report_at.get_or_insert(now + REPORT_INTERVAL);
        if now < report_at {
            return None;
        }
        self.report_at = None;
        Some(total - std::mem::replace(&mut self.reported, total))
    }

    /// Number of suppressed lines for messages.
    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed
    }
}

impl Shard {
    /// Writes the warnings of a connection within the log rate of its device.
    pub(super) fn log_warnings(&mut self, index: usize) {
        for text in std::mem::take(&mut self.connections.warnings) {
            self.warn(index, &text);
        }
    }

    /// Writes a warning about a device within its log rate.
    pub(super) fn warn(&mut self, index: usize, text: &str) {
        let now = self.now().run;
        let Some(slot) = self.slots.get_mut(index) else { return };
        if slot.device.take_log_line(now) {
            let device = &slot.device.identity().id;
            tracing::warn!(%device, "{text}");
        }
    }

    /// Reports suppressed lines of a device once in a while.
    pub(super) fn report_suppressed_lines(&mut self, index: usize, now: Time) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let refused = slot.device.refusals().log_rate;
        if let Some(lines) = slot.lines.take_report(refused, now) {
            let device = &slot.device.identity().id;
            let limit = slot.limits.log_lines_per_second;
            tracing::warn!(
                %device,
                lines,
                "{lines} lines about this device are missing from the log: its limit is {limit} a second \
                 (--limit log_lines_per_second)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suppressed_lines_are_reported_once_in_a_while() {
        let mut lines = DeviceLines::new(50);
        let at = |seconds| Time::from_nanos(seconds * 1_000_000_000);
        assert_eq!(lines.take_report(0, at(1)), None);
        let reports: Vec<_> = (1..=20).filter_map(|s| lines.take_report(s * 10, at(s))).collect();
        assert_eq!(reports, [60, 60, 60], "at 6, 12 and 18 s");
        assert_eq!(lines.take_report(200, at(100)), Some(20), "the last ones");
        assert_eq!(lines.take_report(201, at(101)), None, "the interval starts with the first line");
        assert_eq!(lines.take_report(201, at(200)), Some(1));
        assert_eq!(lines.take_report(201, at(300)), None);
    }
}
