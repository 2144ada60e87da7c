//! A bounded queue of samples that wait for acknowledgements.
//!
//! The sampler keeps its samples until the collector has acknowledged them. If the queue is full, it merges a new
//! sample into the last one, so that none is lost, only the resolution. The defect: it overwrites the oldest sample,
//! which happens only if acknowledgements are late by several seconds.

use std::time::Duration;

use wasmote_sdk::json::Value;
use wasmote_sdk::{Device, Qos, object};

use crate::{number, send, send_to};

const SAMPLE: u32 = 1;
const RETRY: u32 = 2;
const ROOM: usize = 32;
/// Samples that may be on their way at the same time.
const WINDOW: usize = 8;

/// The sampler.
pub(crate) struct Sampler {
    defect: bool,
    /// First and last number of each entry.
    queue: Vec<(u64, u64)>,
    next: u64,
}

impl Sampler {
    pub(crate) fn start(device: &mut Device, defect: bool) -> Result<Self, String> {
        let own = device.topic("ack");
        device.subscribe(&own, Qos::AtLeastOnce)?;
        device.set_timer(SAMPLE, Duration::from_millis(200));
        device.set_timer(RETRY, Duration::from_secs(2));
        Ok(Self { defect, queue: Vec::new(), next: 1 })
    }

    pub(crate) fn on_timer(&mut self, device: &mut Device, token: u32) {
        if token == RETRY {
            device.set_timer(RETRY, Duration::from_secs(2));
            let window = self.queue.iter().take(WINDOW).copied().collect::<Vec<_>>();
            return window.into_iter().for_each(|entry| self.publish(device, entry));
        }
        device.set_timer(SAMPLE, Duration::from_millis(200));
        let sample = self.next;
        self.next += 1;
        if self.queue.len() < ROOM {
            self.queue.push((sample, sample));
            if self.queue.len() <= WINDOW {
                self.publish(device, (sample, sample));
            }
        } else if self.defect {
            self.queue.remove(0);
            self.queue.push((sample, sample));
        } else if let Some(last) = self.queue.last_mut() {
            last.1 = sample;
        }
    }

    fn publish(&self, device: &mut Device, (from, to): (u64, u64)) {
        if device.connected() {
            let oldest = self.queue.first().map_or(from, |(first, _)| *first);
            send(device, "data", &object! { "from": from, "to": to, "oldest": oldest });
        }
    }

    pub(crate) fn on_message(&mut self, device: &mut Device, body: &Value) {
        let to = number(body, "to");
        let before = self.queue.len();
        // An entry that has grown since it was sent stays until its last sample is acknowledged.
        self.queue.retain(|(_, last)| *last > to);
        let freed = before - self.queue.len();
        let next =
            self.queue.iter().take(WINDOW).skip(WINDOW.saturating_sub(freed)).copied().collect::<Vec<_>>();
        next.into_iter().for_each(|entry| self.publish(device, entry));
    }
}

/// The collector.
pub(crate) struct Collector {
    last: u64,
}

impl Collector {
    pub(crate) fn start(device: &mut Device) -> Result<Self, String> {
        let filter = device.topic_of("+", "data");
        device.subscribe(&filter, Qos::AtLeastOnce)?;
        Ok(Self { last: device.state_get_u64("last").unwrap_or(0) })
    }

    pub(crate) fn on_message(&mut self, device: &mut Device, sender: &str, body: &Value) {
        let (from, to) = (number(body, "from"), number(body, "to"));
        // A sample that overtook another one comes again. Samples that the sampler no longer has never come.
        let is_next = from <= self.last + 1 || from == number(body, "oldest");
        if is_next && to > self.last {
            self.last = to;
            device.state_set_u64("last", to);
            send(device, "stored", &object! { "from": from, "to": to });
        }
        send_to(device, sender, "ack", &object! { "to": self.last });
    }
}
