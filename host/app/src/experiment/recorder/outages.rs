//! What came over devices and the broker, and for how long.

use std::collections::BTreeSet;

use wasmote_sim::action::Notice;
use wasmote_sim::event::StopReason;
use wasmote_sim::faults::broker::Turn;
use wasmote_sim::time::Time;

/// All outages of a run, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub struct Outages {
    all: Vec<Outage>,
    /// Devices that a user is about to switch.
    edits: BTreeSet<u32>,
}

/// Whose outage it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Struck {
    /// A device's, by its position.
    Device(u32),
    /// The broker's, and so everybody's.
    Broker,
}

/// One outage of one device, or of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Whose.
    pub struck: Struck,
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

fn is_by_hand(fault: &str) -> bool {
    fault == TIMELINE || fault == HTTP
}

impl Outages {
    pub(super) fn notice(&mut self, device: u32, now: Time, notice: &Notice) {
        let struck = Struck::Device(device);
        match notice {
            // Nothing mends a line before its time, not even the end of the fault that cut it.
            Notice::FaultBegan(id, DISCONNECT, until) => {
                self.begin(struck, id, DISCONNECT, now);
                self.all.last_mut().into_iter().for_each(|it| it.to = Some(*until));
            }
            Notice::FaultBegan(id, kind, _) => self.begin(struck, id, kind, now),
            Notice::FaultEnded(id, kind) => self.end(struck, now, |it| *it.fault == **id && it.kind == *kind),
            Notice::Crashed(_) => {
                // A fault that crashes a device has told of itself just before.
                let told = |it: &Outage| it.struck == struck && it.kind == "crash" && it.to.is_none();
                if !self.all.iter().any(told) {
                    self.begin_by_hand(device, "crash", now);
                }
            }
            Notice::Died(id, _) => self.begin(struck, id, BATTERY, now),
            Notice::Stopped(StopReason::Requested) => self.begin_by_hand(device, "stop", now),
            Notice::Started(_) => {
                self.edits.remove(&device);
                self.end(struck, now, |it| is_by_hand(&it.fault) || it.kind == BATTERY);
            }
            _ => {}
        }
    }

    /// The broker itself fails, or is itself again.
    pub(super) fn broker(&mut self, now: Time, turn: &Turn) {
        let kind = turn.failure.kind();
        match turn.until {
            Some(_) => self.begin(Struck::Broker, &turn.fault, kind, now),
            None => self.end(Struck::Broker, now, |it| *it.fault == *turn.fault && it.kind == kind),
        }
    }

    /// A timeline's partition begins for a device, which has nothing to tell of it.
    pub(super) fn parted(&mut self, device: u32, fault: &str, now: Time) {
        self.begin(Struck::Device(device), fault, PARTITION, now);
    }

    /// A timeline's partition ends.
    pub(super) fn mended(&mut self, fault: &str, now: Time) {
        let of_it = |it: &&mut Outage| it.fault == fault && it.kind == PARTITION && it.to.is_none();
        self.all.iter_mut().filter(of_it).for_each(|it| it.to = Some(now));
    }

    /// A user is about to switch this device.
    pub(super) fn about_to_switch(&mut self, device: u32) {
        self.edits.insert(device);
    }

    fn begin_by_hand(&mut self, device: u32, kind: &'static str, from: Time) {
        let whose = if self.edits.remove(&device) { HTTP } else { TIMELINE };
        self.begin(Struck::Device(device), whose, kind, from);
    }

    fn begin(&mut self, struck: Struck, fault: &str, kind: &'static str, from: Time) {
        self.all.push(Outage { struck, fault: fault.to_owned(), kind, from, to: None });
    }

    fn end(&mut self, struck: Struck, now: Time, which: impl Fn(&Outage) -> bool) {
        let open = self.all.iter_mut().filter(|it| it.struck == struck && it.to.is_none());
        open.filter(|it| which(it)).for_each(|it| it.to = Some(now));
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Outage> {
        self.all.iter()
    }
}
