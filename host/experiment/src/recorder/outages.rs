//! What came over devices and the broker, and for how long.

use std::collections::BTreeSet;

use wasmote_mqtt::time::Time;
use wasmote_sim::event::StopReason;
use wasmote_sim::faults::broker::BrokerTransition;
use wasmote_sim::notice::DeviceNotice;

/// All outages of a run, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub struct Outages {
    all: Vec<Outage>,
    /// Devices that a user is about to switch.
    manual_switches: BTreeSet<u32>,
}

/// Whose outage it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageTarget {
    /// A device's, by its position.
    Device(u32),
    /// The broker's, and so everybody's.
    Broker,
}

/// One outage of one device, or of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Whose.
    pub target: OutageTarget,
    /// The fault's id; `timeline` for what the plan did to the device itself, `http` for what a user did.
    pub fault: String,
    /// What it was.
    pub kind: &'static str,
    /// When it began.
    pub from: Time,
    /// When it ended, or will; `None` if that is not known by the end of the run.
    pub to: Option<Time>,
}

/// What the plan itself does has this for a fault's id.
const TIMELINE: &str = "timeline";
/// And what a user does over HTTP has this.
const HTTP: &str = "http";
/// A timeline's partition begins and ends by the hour, not by trials of devices.
const PARTITION: &str = "partition";
const DISCONNECT: &str = "disconnect";
/// An empty battery stays empty, whatever other faults a device is given.
const BATTERY: &str = "battery";

fn is_manual(fault: &str) -> bool {
    fault == TIMELINE || fault == HTTP
}

impl Outages {
    pub(super) fn notice(&mut self, device: u32, now: Time, notice: &DeviceNotice) {
        let target = OutageTarget::Device(device);
        match notice {
            // Nothing mends a line before its time, not even the end of the fault that cut it.
            DeviceNotice::FaultBegan(id, DISCONNECT, until) => {
                self.begin(target, id, DISCONNECT, now);
                self.all.last_mut().into_iter().for_each(|it| it.to = Some(*until));
            }
            DeviceNotice::FaultBegan(id, kind, _) => self.begin(target, id, kind, now),
            DeviceNotice::FaultEnded(id, kind) => {
                self.end(target, now, |it| *it.fault == **id && it.kind == *kind)
            }
            DeviceNotice::Crashed(_) => {
                // A fault that crashes a device has told of itself just before.
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

    /// The broker itself fails, or is itself again.
    pub(super) fn broker_fault(&mut self, now: Time, transition: &BrokerTransition) {
        let kind = transition.failure.kind();
        match transition.until {
            Some(_) => self.begin(OutageTarget::Broker, &transition.fault, kind, now),
            None => {
                self.end(OutageTarget::Broker, now, |it| *it.fault == *transition.fault && it.kind == kind)
            }
        }
    }

    /// A timeline's partition begins for a device, which has nothing to tell of it.
    pub(super) fn partition_started(&mut self, device: u32, fault: &str, now: Time) {
        self.begin(OutageTarget::Device(device), fault, PARTITION, now);
    }

    /// A timeline's partition ends.
    pub(super) fn partition_ended(&mut self, fault: &str, now: Time) {
        let is_open = |it: &&mut Outage| it.fault == fault && it.kind == PARTITION && it.to.is_none();
        self.all.iter_mut().filter(is_open).for_each(|it| it.to = Some(now));
    }

    /// A user is about to switch this device.
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

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Outage> {
        self.all.iter()
    }
}
