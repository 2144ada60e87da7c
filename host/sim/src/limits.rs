//! Limits of one device, and token buckets for its rates.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_mqtt::time::Time;

/// Limits of one device. Every field can be configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory in bytes; default 4 MiB. A request for more ends the instance.
    pub memory_bytes: u64,
    /// Entries of one table, such as that of functions that are called by pointer; default 20,000.
    pub table_entries: u32,
    /// Fuel for one call, about one unit a Wasm instruction; default 50 million, about 50 ms. The host calls of one
    /// call have a second allowance of the same size.
    pub fuel_per_call: u64,
    /// Largest HTTP body, HTTP response, HTTP request head, snapshot and error text, and most bytes of a message's
    /// properties; default 256 KiB. The arguments of one call to the host may have as many bytes as the memory.
    pub host_call_bytes: u32,
    /// Largest payload in bytes, outbound and inbound; default 128 KiB. Larger inbound messages are
    /// discarded, so that other clients cannot exhaust the memory of a device.
    pub payload_bytes: u32,
    /// Messages a second, on average; default 1,000. Zero means no limit.
    pub publishes_per_second: u32,
    /// Log lines a second about the device, on average; default 50. Lines of the behaviour and of the host share it. Zero
    /// means no limit.
    pub log_lines_per_second: u32,
    /// Longest log line in bytes; default 4 KiB. Longer lines are truncated.
    pub log_line_bytes: u32,
    /// Maximum number of messages at QoS 1 and 2 queued for a connection; default 100.
    pub queued_messages: u32,
    /// Maximum number of bytes of these messages; default 8 MiB. An empty queue takes a message of any size.
    pub queued_bytes: u64,
    /// Maximum number of delayed messages in both directions, and of messages deferred by a hang; default
    /// 10,000.
    pub delayed_messages: u32,
    /// Maximum number of bytes of messages that are delayed, held back, or deferred; default 8 MiB.
    pub delayed_bytes: u64,
    /// Maximum number of timers at one time; default 64.
    pub timers: u32,
    /// Maximum number of subscriptions at one time; default 256.
    pub subscriptions: u32,
    /// Maximum number of bytes of their filters; default 64 KiB.
    pub subscription_bytes: u32,
    /// Maximum number of names of metrics; default 64.
    pub metrics: u32,
    /// Total size of the state store's keys and values in bytes; default 64 KiB.
    pub state_bytes: u32,
    /// Maximum number of outbound HTTP requests in flight; default 4.
    pub http_requests: u32,
    /// Largest share of a thread's real time that the device may use while other devices wait for the thread, in percent;
    /// default 10. Its calls are delayed beyond that. 100 means no limit.
    pub thread_percent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 4 << 20,
            table_entries: 20_000,
            fuel_per_call: 50_000_000,
            host_call_bytes: 256 << 10,
            payload_bytes: 128 << 10,
            publishes_per_second: 1_000,
            log_lines_per_second: 50,
            log_line_bytes: 4 << 10,
            queued_messages: 100,
            queued_bytes: 8 << 20,
            delayed_messages: 10_000,
            delayed_bytes: 8 << 20,
            timers: 64,
            subscriptions: 256,
            subscription_bytes: 64 << 10,
            metrics: 64,
            state_bytes: 64 << 10,
            http_requests: 4,
            thread_percent: 10,
        }
    }
}

/// A token bucket with a capacity of one second.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// Nanoseconds for one token; zero for no limit.
    cost: u64,
    /// Time at which the bucket is full again, on the run's clock.
    full_at: Time,
}

impl RateLimit {
    const DEPTH: Duration = Duration::from_secs(1);

    /// A full bucket. Zero means no limit.
    pub fn per_second(rate: u32) -> Self {
        let cost = Self::DEPTH.as_nanos() as u64;
        Self { cost: cost.checked_div(u64::from(rate)).unwrap_or(0), full_at: Time::ZERO }
    }

    /// Takes a token. False if no token is left.
    pub fn take(&mut self, now: Time) -> bool {
        let full_at = self.full_at.max(now) + Duration::from_nanos(self.cost);
        let allowed = full_at.since(now) <= Self::DEPTH;
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_one_second_passes_and_then_the_rate_holds() {
        let mut limit = RateLimit::per_second(100);
        assert_eq!((0..1_000).filter(|_| limit.take(Time::ZERO)).count(), 100);
        // After half a second, the bucket is half full.
        let later = Time::ZERO + Duration::from_millis(500);
        assert_eq!((0..1_000).filter(|_| limit.take(later)).count(), 50);
    }

    #[test]
    fn zero_means_no_limit() {
        let mut limit = RateLimit::per_second(0);
        assert!((0..100_000).all(|_| limit.take(Time::ZERO)));
    }
}
