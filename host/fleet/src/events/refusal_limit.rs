//! Limit of log lines about refusals of the broker. A broker that refuses one message of a device refuses most of them, and
//! one that refuses one device refuses most of them too.
//!
//! A device gets one line at once and then one every ten seconds, and all devices together get at most twenty each second.
//! The rest is counted, and the count is written every ten seconds and at the end. Metrics and totals count all of them.

use std::collections::HashMap;
use std::time::Duration;

use wasmote_live::status::DeviceEvent;
use wasmote_mqtt::device_id::DeviceId;

use crate::logging::RateLimit;

/// Interval between two lines of one device, and between two lines with counts.
const INTERVAL: Duration = Duration::from_secs(10);
/// Most lines of all devices in one second.
const LINES_PER_SECOND: u32 = 20;
/// Most devices whose last line is remembered. With more, all are forgotten at once.
const MAX_DEVICES: usize = 10_000;

/// Limit of lines about refusals, with the number of those that were left out.
#[derive(Debug)]
pub(super) struct RefusalLimit {
    devices: HashMap<DeviceId, RateLimit>,
    second: RateLimit,
    lines: u32,
    left_out: u64,
    counts: RateLimit,
}

impl Default for RefusalLimit {
    fn default() -> Self {
        Self {
            devices: HashMap::new(),
            second: RateLimit::every(Duration::from_secs(1)),
            lines: 0,
            left_out: 0,
            counts: RateLimit::every(INTERVAL),
        }
    }
}

impl RefusalLimit {
    /// Returns true if the refusal gets a line; otherwise counts it.
    pub(super) fn admits(&mut self, event: &DeviceEvent) -> bool {
        if self.second.is_due() {
            self.lines = 0;
        }
        if self.devices.len() >= MAX_DEVICES {
            self.devices.clear();
        }
        let admitted = self.lines < LINES_PER_SECOND
            && self
                .devices
                .entry(event.device.id.clone())
                .or_insert_with(|| RateLimit::every(INTERVAL))
                .is_due();
        match admitted {
            true => self.lines += 1,
            false => {
                if self.left_out == 0 {
                    // The interval of the counts begins with the first refusal that is left out.
                    self.counts.is_due();
                }
                self.left_out += 1;
            }
        }
        admitted
    }

    /// Writes the number of refusals that were left out, if the interval is over.
    pub(super) fn tick(&mut self) {
        if self.left_out > 0 && self.counts.is_due() {
            self.flush();
        }
    }

    /// Writes the number of refusals that were left out, if there are any.
    pub(super) fn flush(&mut self) {
        let more = std::mem::take(&mut self.left_out);
        if more > 0 {
            let noun = if more == 1 { "refusal" } else { "refusals" };
            tracing::warn!(
                more,
                "{more} more {noun} of the broker without a line; /metrics counts all of them by reason code"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wasmote_mqtt::answer::{AnswerPacket, NegativeAnswer};
    use wasmote_mqtt::client::RefusedRequest;
    use wasmote_mqtt::device_id::Identity;
    use wasmote_sim::device::Now;
    use wasmote_sim::notice::DeviceNotice;

    use super::*;

    fn refusal(device: u32) -> DeviceEvent {
        let identity = Identity {
            id: DeviceId::new(&format!("a-{device}")).unwrap(),
            client_id: None,
            group: "a".into(),
            index: device,
            count: 100,
            topic_root: "root".into(),
            peers: None,
        };
        let answer = NegativeAnswer::new(AnswerPacket::PubAck, 0x87);
        let notice = DeviceNotice::RequestRefused(RefusedRequest::Exchange, answer);
        DeviceEvent::new(Now::default(), Arc::new(identity), notice, true)
    }

    #[test]
    fn lines_are_limited_by_device_and_in_all_and_the_rest_is_counted() {
        let mut limit =
            RefusalLimit { second: RateLimit::every(Duration::from_secs(3_600)), ..Default::default() };
        let admitted: Vec<bool> = [0, 0, 1, 0].map(|device| limit.admits(&refusal(device))).into();
        assert_eq!(admitted, [true, false, true, false]);
        let others = (2..100).filter(|device| limit.admits(&refusal(*device))).count();
        assert_eq!((others, limit.left_out), (18, 2 + 80));
        limit.tick();
        assert_eq!(limit.left_out, 82, "the count is not written before its interval is over");
        limit.flush();
        assert_eq!(limit.left_out, 0);
    }
}
