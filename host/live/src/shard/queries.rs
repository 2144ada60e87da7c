//! Queries and commands that a shard answers.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::Topic;
use wasmote_sim::device::{ConnectionState, Device, Input, LatencySamples, Now, PowerState};
use wasmote_sim::faults::Fault;
use wasmote_sim::health::FleetHealth;
use wasmote_sim::http::{HttpRequest, HttpResponse};
use wasmote_sim::journey::SubscriptionSpan;
use wasmote_sim::metrics::{Metric, MetricSum};

use super::Shard;
use super::slot::Slot;
use crate::fleet::PowerCommand;
use crate::lag::LagStats;
use crate::status::{DelayedDevice, DeviceCounts, DeviceDetail, DeviceStatus, Totals};

/// The latest latencies of a shard's devices, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecentLatencies(VecDeque<(Time, Duration)>);

impl RecentLatencies {
    pub(super) fn add(&mut self, at: Time, latency: Duration) {
        if self.0.len() == LatencySamples::CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back((at, latency));
    }

    /// The latest latencies over several shards.
    pub(crate) fn latest(shards: impl Iterator<Item = Self>) -> Vec<Duration> {
        let mut all: Vec<_> = shards.flat_map(|recent_latencies| recent_latencies.0).collect();
        all.sort_by_key(|(at, _)| *at);
        let kept = all.len().saturating_sub(LatencySamples::CAPACITY);
        all.drain(..kept);
        all.into_iter().map(|(_, latency)| latency).collect()
    }
}

/// Sums over a shard.
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

    /// What a device has agreed with its broker.
    pub(crate) fn detail(&self, index: usize) -> Option<DeviceDetail> {
        let slot = self.slots.get(index)?;
        Some(DeviceDetail {
            session: slot.connection.session(&self.connections, self.now().run),
            will: slot.device.will().cloned(),
            subscriptions: slot.device.subscriptions().map(|(filter, qos)| (filter.clone(), qos)).collect(),
        })
    }

    /// The devices in this range that were subscribed to a topic at this time, with the filter and its begin.
    pub(crate) fn subscribed(
        &self,
        range: Range<usize>,
        topic: &Topic,
        at: Time,
    ) -> Vec<(Arc<Identity>, SubscriptionSpan)> {
        let slots = self.slots.get(range).unwrap_or_default().iter();
        let found = slots.filter_map(|slot| {
            let span = slot.device.subscription_at(topic, at)?;
            Some((Arc::clone(slot.device.identity()), span.clone()))
        });
        found.collect()
    }

    pub(crate) fn totals(&mut self) -> ShardTotals {
        let now = self.now().run;
        let lag = self.lag.clone();
        let socket_writes = self.connections.sockets().map(|sockets| sockets.writes()).unwrap_or_default();
        let mut totals = Totals { connects: self.connects, lag, socket_writes, ..Totals::default() };
        for slot in &self.slots {
            totals.count(&slot.device);
            totals.suppressed_lines += slot.lines.suppressed();
            if let Some(since) = slot.connection.unanswered_since() {
                totals.unanswered.count(now.since(since));
            }
            if let Some(used) = slot.share.used {
                let (device, pauses) = (Arc::clone(slot.device.identity()), slot.share.pauses);
                totals.delayed += 1;
                totals.delayed_devices.push(DelayedDevice { device, used, pauses });
            }
        }
        totals.keep_heaviest();
        ShardTotals { totals, recent_latencies: self.recent_latencies.clone() }
    }

    /// Health of the devices by group.
    pub(crate) fn health(&mut self) -> FleetHealth {
        let now = self.now().run;
        let mut health = FleetHealth::default();
        for Slot { device, .. } in &self.slots {
            health.count(&device.identity().group, device.health(now));
        }
        health
    }

    pub(crate) fn lag(&mut self) -> LagStats {
        self.lag.clone()
    }

    /// Publishes on a device's behalf. Returns the number of the message, or `None` if the device does not run.
    pub(crate) fn publish_for(&mut self, index: usize, message: Message) -> Option<u64> {
        let device = &self.slots[index].device;
        let number = device.published() + 1;
        device.is_running().then(|| {
            self.handle_input(index, Input::Publish(message));
            number
        })
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
        // A device answers during this call or never.
        self.pending_http.remove(&ticket);
    }

    pub(crate) fn set_faults(&mut self, index: usize, faults: Arc<[Arc<Fault>]>) {
        self.handle_input(index, Input::SetFaults(faults));
    }

    /// Ends the shard after its last query.
    pub(crate) fn finish(&mut self) {
        self.done = true;
    }
}

fn status(device: &Device, now: Now) -> DeviceStatus {
    let mut totals = Totals::default();
    totals.count(device);
    totals.latency_samples = device.latency_samples().iter().collect();
    DeviceStatus {
        identity: Arc::clone(device.identity()),
        behaviour: device.behaviour_name().to_owned(),
        version: device.version(),
        power: device.power().clone(),
        link: device.connection().clone(),
        uptime: device.started_at().filter(|_| device.is_running()).map(|started| now.run.since(started)),
        joules: device.joules_left(now.run),
        clock_error_s: device.clock_error_s(now),
        active_faults: device.active_faults(),
        totals,
    }
}

impl Totals {
    /// Adds one device, except its latency samples.
    fn count(&mut self, device: &Device) {
        let silent = device.active_faults().iter().any(|fault| fault.kind == "silence");
        self.devices.add(DeviceCounts {
            total: 1,
            running: device.is_running().into(),
            connected: u64::from(*device.connection() == ConnectionState::Up && !silent),
            silent: silent.into(),
            failed: matches!(device.power(), PowerState::Failed(_)).into(),
        });
        self.ledger.add(device.ledger());
        let (out, inward) = device.waiting();
        self.waiting.0 += out;
        self.waiting.1 += inward;
        self.in_flight += device.in_flight();
        self.latency.merge(device.latency());
        self.intended_latency.merge(device.intended_latency());
        self.implausible.add(device.implausible_latencies());
        self.traps += device.traps();
        self.swaps.add(device.swap_counts());
        *self.versions.entry(device.version()).or_default() += 1;
        self.refusals.add(device.refusals());
        for (name, metric) in device.metrics().into_iter().flat_map(|metrics| metrics.iter()) {
            self.add_metric(device.behaviour_name(), name, metric, 1);
        }
    }

    /// Adds another part of the fleet, except its latency samples.
    pub(crate) fn add(&mut self, other: &Self) {
        self.devices.add(other.devices);
        self.ledger.add(&other.ledger);
        self.waiting.0 += other.waiting.0;
        self.waiting.1 += other.waiting.1;
        self.in_flight += other.in_flight;
        self.latency.merge(&other.latency);
        self.intended_latency.merge(&other.intended_latency);
        self.implausible.add(other.implausible);
        self.traps += other.traps;
        self.swaps.add(other.swaps);
        for (version, devices) in &other.versions {
            *self.versions.entry(version.clone()).or_default() += devices;
        }
        self.refusals.add(other.refusals);
        for (behaviour, metrics) in &other.metrics {
            for (name, sum) in metrics {
                self.add_metric(behaviour, name, sum.metric(), sum.devices());
            }
        }
        self.unanswered.add(other.unanswered);
        self.connects += other.connects;
        self.socket_writes.add(other.socket_writes);
        self.suppressed_lines += other.suppressed_lines;
        self.delayed += other.delayed;
        self.delayed_devices.extend(other.delayed_devices.iter().cloned());
        self.keep_heaviest();
        self.lag.add(&other.lag);
    }

    fn keep_heaviest(&mut self) {
        self.delayed_devices.sort_by_key(|delayed| Reverse(delayed.used));
        self.delayed_devices.truncate(DelayedDevice::MAX_NAMED);
    }

    /// Adds a metric. If devices use one name for several types, the first type is kept.
    fn add_metric(&mut self, behaviour: &str, name: &str, metric: &Metric, devices: u64) {
        let sums = self.metrics.entry(behaviour.to_owned()).or_default();
        match sums.get_mut(name) {
            Some(sum) => {
                let _ = sum.add(metric, devices);
            }
            None => {
                sums.insert(name.to_owned(), MetricSum::new(metric.clone(), devices));
            }
        }
    }
}
