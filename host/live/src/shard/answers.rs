//! What a shard tells of itself, and what it is asked to do.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use wasmote_sim::device::{Device, Input, LatencySamples, LinkState, Now, PowerState};
use wasmote_sim::faults::Fault;
use wasmote_sim::http::{HttpRequest, HttpResponse};
use wasmote_sim::measures::Measure;
use wasmote_sim::message::Message;
use wasmote_sim::time::Time;

use super::Shard;
use crate::fleet::Order;
use crate::punctuality::Punctuality;
use crate::status::{DeviceStatus, Totals};

/// The last few latencies over a shard's devices, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent(VecDeque<(Time, Duration)>);

impl Recent {
    pub(super) fn add(&mut self, at: Time, latency: Duration) {
        if self.0.len() == LatencySamples::KEPT {
            self.0.pop_front();
        }
        self.0.push_back((at, latency));
    }

    /// The last few over several shards.
    pub(crate) fn latest(shards: impl Iterator<Item = Self>) -> Vec<Duration> {
        let mut all: Vec<_> = shards.flat_map(|recent| recent.0).collect();
        all.sort_by_key(|(at, _)| *at);
        let kept = all.len().saturating_sub(LatencySamples::KEPT);
        all.drain(..kept);
        all.into_iter().map(|(_, latency)| latency).collect()
    }
}

/// A shard's part of the sums.
#[derive(Debug)]
pub(crate) struct ShardTotals {
    pub(crate) totals: Totals,
    pub(crate) recent: Recent,
}

impl Shard {
    pub(crate) fn statuses(&self, range: Range<usize>) -> Vec<DeviceStatus> {
        let now = self.now();
        let slots = self.slots.get(range).unwrap_or_default();
        slots.iter().map(|slot| status(&slot.device, now)).collect()
    }

    pub(crate) fn totals(&mut self) -> ShardTotals {
        let punctuality = self.punctuality.clone();
        let mut totals = Totals { connects: self.connects, punctuality, ..Totals::default() };
        for slot in &self.slots {
            totals.count(&slot.device);
        }
        ShardTotals { totals, recent: self.recent.clone() }
    }

    pub(crate) fn punctuality(&mut self) -> Punctuality {
        self.punctuality.clone()
    }

    /// Publish on a device's behalf. Says whether it runs.
    pub(crate) fn publish_for(&mut self, index: usize, message: Message) -> bool {
        let runs = self.slots[index].device.is_running();
        if runs {
            self.put_in(index, Input::Publish(message));
        }
        runs
    }

    pub(crate) fn order(&mut self, index: usize, order: Order) {
        self.slots[index].forget_start();
        self.put_in(
            index,
            match order {
                Order::Start => Input::Start,
                Order::Stop => Input::Stop(wasmote_sim::event::StopReason::Requested),
                Order::Crash => Input::Crash,
            },
        );
    }

    pub(crate) fn ask(&mut self, index: usize, request: HttpRequest, asker: oneshot::Sender<HttpResponse>) {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        self.asking.insert(ticket, asker);
        self.put_in(index, Input::HttpRequest(ticket, request));
        // A device answers at once or never.
        self.asking.remove(&ticket);
    }

    pub(crate) fn set_faults(&mut self, index: usize, faults: Arc<[Arc<Fault>]>) {
        self.put_in(index, Input::SetFaults(faults));
    }

    /// There is nothing more to ask.
    pub(crate) fn finish(&mut self) {
        self.done = true;
    }
}

fn status(device: &Device, now: Now) -> DeviceStatus {
    let measures = device.measures().into_iter().flat_map(|measures| measures.iter());
    DeviceStatus {
        identity: Arc::clone(device.identity()),
        behaviour: device.behaviour_name().to_owned(),
        version: device.version(),
        swaps: device.swap_counts(),
        power: device.power().clone(),
        link: device.link().clone(),
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
        measures: measures.map(|(name, measure)| (name.to_owned(), measure.clone())).collect(),
    }
}

impl Totals {
    /// Add one device.
    fn count(&mut self, device: &Device) {
        let silent = device.active_faults().iter().any(|fault| fault.kind == "silence");
        self.devices += 1;
        self.running += u64::from(device.is_running());
        self.connected += u64::from(*device.link() == LinkState::Up && !silent);
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
        for (name, measure) in device.measures().into_iter().flat_map(|measures| measures.iter()) {
            let key = (device.behaviour_name().to_owned(), name.to_owned());
            self.add_measure(key, measure, 1);
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
        self.punctuality.add(&other.punctuality);
        self.add_refusals(other.refusals);
        for (key, (measure, devices)) in &other.measures {
            self.add_measure(key.clone(), measure, *devices);
        }
    }

    fn add_refusals(&mut self, more: wasmote_sim::context::Refusals) {
        self.refusals.publish_rate += more.publish_rate;
        self.refusals.publish_invalid += more.publish_invalid;
        self.refusals.log_rate += more.log_rate;
    }

    /// A name that is of different kinds on different devices keeps the first kind.
    fn add_measure(&mut self, key: (String, String), measure: &Measure, devices: u64) {
        let Some((sum, count)) = self.measures.get_mut(&key) else {
            self.measures.insert(key, (measure.clone(), devices));
            return;
        };
        match (sum, measure) {
            (Measure::Counter(sum), Measure::Counter(more)) => *sum += more,
            (Measure::Gauge(sum), Measure::Gauge(more)) => *sum += more,
            (Measure::Histogram(sum), Measure::Histogram(more)) => sum.merge(more),
            _ => return,
        }
        *count += devices;
    }
}
