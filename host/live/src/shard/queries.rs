//! What a shard tells of itself, and what it is asked to do.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::{ConnectionState, Device, Input, LatencySamples, Now, PowerState};
use wasmote_sim::faults::Fault;
use wasmote_sim::http::{HttpRequest, HttpResponse};
use wasmote_sim::metrics::Metric;

use super::Shard;
use crate::fleet::PowerCommand;
use crate::lag::LagStats;
use crate::status::{DeviceStatus, Totals};

/// The last few latencies over a shard's devices, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecentLatencies(VecDeque<(Time, Duration)>);

impl RecentLatencies {
    pub(super) fn add(&mut self, at: Time, latency: Duration) {
        if self.0.len() == LatencySamples::CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back((at, latency));
    }

    /// The last few over several shards.
    pub(crate) fn latest(shards: impl Iterator<Item = Self>) -> Vec<Duration> {
        let mut all: Vec<_> = shards.flat_map(|recent_latencies| recent_latencies.0).collect();
        all.sort_by_key(|(at, _)| *at);
        let kept = all.len().saturating_sub(LatencySamples::CAPACITY);
        all.drain(..kept);
        all.into_iter().map(|(_, latency)| latency).collect()
    }
}

/// A shard's part of the sums.
#[derive(Debug)]
pub(crate) struct ShardTotals {
    pub(crate) totals: Totals,
    pub(crate) recent_latencies: RecentLatencies,
}

impl Shard {
    pub(crate) fn statuses(&self, range: Range<usize>) -> Vec<DeviceStatus> {
        let now = self.now();
        let slots = self.slots.get(range).unwrap_or_default();
        slots.iter().map(|slot| status(&slot.device, now)).collect()
    }

    pub(crate) fn totals(&mut self) -> ShardTotals {
        let lag = self.lag.clone();
        let mut totals = Totals { connects: self.connects, lag, ..Totals::default() };
        for slot in &self.slots {
            totals.count(&slot.device);
        }
        ShardTotals { totals, recent_latencies: self.recent_latencies.clone() }
    }

    pub(crate) fn lag(&mut self) -> LagStats {
        self.lag.clone()
    }

    /// Publish on a device's behalf. Says whether it runs.
    pub(crate) fn publish_for(&mut self, index: usize, message: Message) -> bool {
        let runs = self.slots[index].device.is_running();
        if runs {
            self.handle_input(index, Input::Publish(message));
        }
        runs
    }

    pub(crate) fn power(&mut self, index: usize, command: PowerCommand) {
        self.slots[index].cancel_start();
        self.handle_input(
            index,
            match command {
                PowerCommand::Start => Input::Start,
                PowerCommand::Stop => Input::Stop(wasmote_sim::event::StopReason::Requested),
                PowerCommand::Crash => Input::Crash,
            },
        );
    }

    pub(crate) fn http_request(
        &mut self,
        index: usize,
        request: HttpRequest,
        sender: oneshot::Sender<HttpResponse>,
    ) {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        self.pending_http.insert(ticket, sender);
        self.handle_input(index, Input::HttpRequest(ticket, request));
        // A device answers at once or never.
        self.pending_http.remove(&ticket);
    }

    pub(crate) fn set_faults(&mut self, index: usize, faults: Arc<[Arc<Fault>]>) {
        self.handle_input(index, Input::SetFaults(faults));
    }

    /// There is nothing more to ask.
    pub(crate) fn finish(&mut self) {
        self.done = true;
    }
}

fn status(device: &Device, now: Now) -> DeviceStatus {
    let metrics = device.metrics().into_iter().flat_map(|metrics| metrics.iter());
    DeviceStatus {
        identity: Arc::clone(device.identity()),
        behaviour: device.behaviour_name().to_owned(),
        version: device.version(),
        swaps: device.swap_counts(),
        power: device.power().clone(),
        link: device.connection().clone(),
        uptime: device.started_at().filter(|_| device.is_running()).map(|started| now.run.since(started)),
        joules: device.joules_left(now.run),
        clock_error_s: device.clock_error_s(now),
        active_faults: device.active_faults(),
        ledger: device.ledger().clone(),
        waiting: device.waiting(),
        latency: device.latency().clone(),
        latency_samples: device.latency_samples().iter().collect(),
        traps: device.traps(),
        refusals: device.refusals(),
        metrics: metrics.map(|(name, metric)| (name.to_owned(), metric.clone())).collect(),
    }
}

impl Totals {
    /// Add one device.
    fn count(&mut self, device: &Device) {
        let silent = device.active_faults().iter().any(|fault| fault.kind == "silence");
        self.devices += 1;
        self.running += u64::from(device.is_running());
        self.connected += u64::from(*device.connection() == ConnectionState::Up && !silent);
        self.silent += u64::from(silent);
        self.failed += u64::from(matches!(device.power(), PowerState::Failed(_)));
        self.ledger.add(device.ledger());
        let (out, inward) = device.waiting();
        self.waiting.0 += out;
        self.waiting.1 += inward;
        self.latency.merge(device.latency());
        self.traps += device.traps();
        self.swaps.add(device.swap_counts());
        *self.versions.entry(device.version()).or_default() += 1;
        self.add_refusals(device.refusals());
        for (name, metric) in device.metrics().into_iter().flat_map(|metrics| metrics.iter()) {
            let key = (device.behaviour_name().to_owned(), name.to_owned());
            self.add_metric(key, metric, 1);
        }
    }

    /// Add another part of the fleet. The samples are left alone.
    pub(crate) fn add(&mut self, other: &Self) {
        self.devices += other.devices;
        self.running += other.running;
        self.connected += other.connected;
        self.silent += other.silent;
        self.failed += other.failed;
        self.ledger.add(&other.ledger);
        self.waiting.0 += other.waiting.0;
        self.waiting.1 += other.waiting.1;
        self.latency.merge(&other.latency);
        self.traps += other.traps;
        self.swaps.add(other.swaps);
        for (version, devices) in &other.versions {
            *self.versions.entry(version.clone()).or_default() += devices;
        }
        self.connects += other.connects;
        self.lag.add(&other.lag);
        self.add_refusals(other.refusals);
        for (key, (metric, devices)) in &other.metrics {
            self.add_metric(key.clone(), metric, *devices);
        }
    }

    fn add_refusals(&mut self, more: wasmote_sim::context::Refusals) {
        self.refusals.publish_rate += more.publish_rate;
        self.refusals.publish_invalid += more.publish_invalid;
        self.refusals.log_rate += more.log_rate;
    }

    /// A name that is of different kinds on different devices keeps the first kind.
    fn add_metric(&mut self, key: (String, String), metric: &Metric, devices: u64) {
        let Some((sum, count)) = self.metrics.get_mut(&key) else {
            self.metrics.insert(key, (metric.clone(), devices));
            return;
        };
        match (sum, metric) {
            (Metric::Counter(sum), Metric::Counter(more)) => *sum += more,
            (Metric::Gauge(sum), Metric::Gauge(more)) => *sum += more,
            (Metric::Histogram(sum), Metric::Histogram(more)) => sum.merge(more),
            _ => return,
        }
        *count += devices;
    }
}
