//! Outages of devices and of the broker, with their durations.

use std::collections::BTreeSet;

use wasmote_mqtt::time::Time;
use wasmote_sim::event::StopReason;
use wasmote_sim::faults::broker::BrokerTransition;
use wasmote_sim::notice::DeviceNotice;

/// All outages of a run, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub struct Outages {
    all: Vec<Outage>,
    /// Devices that a user is about to switch on or off.
    manual_switches: BTreeSet<u32>,
}

/// Device or broker that has the outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageTarget {
    /// Device, by position.
    Device(u32),
    /// The broker, which affects all devices.
    Broker,
}

/// One outage of one device, or of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The device, or the broker.
    pub target: OutageTarget,
    /// Id of the fault; `timeline` for an action of the plan, `http` for a change by a user.
    pub fault: String,
    /// Kind of outage.
    pub kind: &'static str,
    /// Time at which it began.
    pub from: Time,
    /// Time at which it ended or will end; `None` if unknown at the end of the run.
    pub to: Option<Time>,
}

/// Fault id of outages that the timeline causes.
const TIMELINE: &str = "timeline";
/// Fault id of outages that users cause over HTTP.
const HTTP: &str = "http";
/// Kind of a timeline's partition, which begins and ends at fixed times instead of by random trials.
const PARTITION: &str = "partition";
const DISCONNECT: &str = "disconnect";
/// Kind of an empty battery, which lasts even if the faults of the device are replaced.
const BATTERY: &str = "battery";

fn is_manual(fault: &str) -> bool {
    fault == TIMELINE || fault == HTTP
}

impl Outages {
    pub(super) fn notice(&mut self, device: u32, now: Time, notice: &DeviceNotice) {
        let target = OutageTarget::Device(device);
        match notice {
            // A disconnection lasts its full time, even if its fault ends earlier.
            DeviceNotice::FaultBegan(id, DISCONNECT, until) => {
                self.begin(target, id, DISCONNECT, now);
                self.all.last_mut().into_iter().for_each(|it| it.to = Some(*until));
            }
            DeviceNotice::FaultBegan(id, kind, _) => self.begin(target, id, kind, now),
            DeviceNotice::FaultEnded(id, kind) => {
                self.end(target, now, |it| *it.fault == **id && it.kind == *kind)
            }
            DeviceNotice::Crashed(_) => {
                // A fault that crashes a device has reported the crash just before.
                let is_open_crash =
                    |it: &Outage| it.target == target && it.kind == "crash" && it.to.is_none();
                if !self.all.iter().any(is_open_crash) {
                    self.begin_manual(device, "crash", now);
                }
            }
            DeviceNotice::Died(id, _) => self.begin(target, id, BATTERY, now),
            DeviceNotice::Stopped(StopReason::Requested) => self.begin_manual(device, "stop", now),
            DeviceNotice::Started(_) => {
                self.manual_switches.remove(&device);
                self.end(target, now, |it| is_manual(&it.fault) || it.kind == BATTERY);
            }
            _ => {}
        }
    }

    /// Records that the broker fails or recovers.
    pub(super) fn broker_fault(&mut self, now: Time, transition: &BrokerTransition) {
        let kind = transition.failure.kind();
        match transition.until {
            Some(_) => self.begin(OutageTarget::Broker, &transition.fault, kind, now),
            None => {
                self.end(OutageTarget::Broker, now, |it| *it.fault == *transition.fault && it.kind == kind)
            }
        }
    }

    /// Records that a timeline's partition begins for a device, which emits no notice of it.
    pub(super) fn partition_started(&mut self, device: u32, fault: &str, now: Time) {
        self.begin(OutageTarget::Device(device), fault, PARTITION, now);
    }

    /// Records that a timeline's partition ends.
    pub(super) fn partition_ended(&mut self, fault: &str, now: Time) {
        let is_open = |it: &&mut Outage| it.fault == fault && it.kind == PARTITION && it.to.is_none();
        self.all.iter_mut().filter(is_open).for_each(|it| it.to = Some(now));
    }

    /// Marks that a user is about to switch this device.
    pub(super) fn mark_manual_switch(&mut self, device: u32) {
        self.manual_switches.insert(device);
    }

    fn begin_manual(&mut self, device: u32, kind: &'static str, from: Time) {
        let source = if self.manual_switches.remove(&device) { HTTP } else { TIMELINE };
        self.begin(OutageTarget::Device(device), source, kind, from);
    }

    fn begin(&mut self, target: OutageTarget, fault: &str, kind: &'static str, from: Time) {
        self.all.push(Outage { target, fault: fault.to_owned(), kind, from, to: None });
    }

    fn end(&mut self, target: OutageTarget, now: Time, matches: impl Fn(&Outage) -> bool) {
        let open = self.all.iter_mut().filter(|it| it.target == target && it.to.is_none());
        open.filter(|it| matches(it)).for_each(|it| it.to = Some(now));
    }

    /// All outages.
    pub fn iter(&self) -> impl Iterator<Item = &Outage> {
        self.all.iter()
    }
}
