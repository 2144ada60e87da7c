//! A device lives on a battery.

use std::sync::Arc;
use std::time::Duration;

use super::Fault;
use super::bandwidth::bytes;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::{Time, nanos};

/// What a battery holds and what takes from it. The radio costs by the message and by the byte, as in the
/// first-order radio model (Heinzelman, Chandrakasan and Balakrishnan, "Energy-efficient communication
/// protocol for wireless microsensor networks", HICSS 2000) at a fixed distance; keepalives and
/// acknowledgements are part of the idle power.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Battery {
    /// What it holds when it is full, in joules; 1 mAh at 3 V is 10.8 J.
    pub capacity_joules: f64,
    /// Drawn while the device is on.
    pub idle_watts: f64,
    /// For each message that is handed to the connection.
    pub send_joules: f64,
    /// For each byte of its topic and payload.
    pub send_joules_per_byte: f64,
    /// For each message that arrives, whatever becomes of it then.
    pub receive_joules: f64,
    /// For each byte of its topic and payload.
    pub receive_joules_per_byte: f64,
    /// For each event that the behaviour deals with.
    pub event_joules: f64,
    /// How long the device is off until it comes back with a full battery; `None`: it does not.
    pub recharge: Option<Duration>,
}

/// What one device does with its battery.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EnergyUse<'a> {
    /// A message was handed to the connection.
    Sent(&'a Message),
    /// A message arrived.
    Received(&'a Message),
    /// The behaviour dealt with an event.
    Event,
}

impl Battery {
    fn cost(&self, usage: EnergyUse<'_>) -> f64 {
        match usage {
            EnergyUse::Sent(message) => self.send_joules + self.send_joules_per_byte * bytes(message) as f64,
            EnergyUse::Received(message) => {
                self.receive_joules + self.receive_joules_per_byte * bytes(message) as f64
            }
            EnergyUse::Event => self.event_joules,
        }
    }
}

/// The battery of one device.
///
/// What idling costs is reckoned from when the device was switched on, and not added up step by step, so
/// that it does not depend on how often somebody looks.
#[derive(Clone, Debug)]
pub(super) struct BatteryState {
    pub(super) fault: Arc<Fault>,
    battery: Battery,
    spent_joules: f64,
    on_since: Option<Time>,
}

impl BatteryState {
    pub(super) fn full(fault: Arc<Fault>, battery: Battery) -> Self {
        Self { fault, battery, spent_joules: 0.0, on_since: None }
    }

    pub(super) fn spend(&mut self, usage: EnergyUse<'_>) {
        self.spent_joules += self.battery.cost(usage);
    }

    pub(super) fn switch_on(&mut self, now: Time) {
        self.on_since.get_or_insert(now);
    }

    pub(super) fn switch_off(&mut self, now: Time) {
        self.spent_joules += self.idle_joules(now);
        self.on_since = None;
    }

    pub(super) fn recharge(&mut self) {
        self.spent_joules = 0.0;
    }

    /// What is left by rounding is nothing.
    pub(super) fn drain(&mut self) {
        self.spent_joules = self.battery.capacity_joules;
    }

    /// Go on where the one before was.
    pub(super) fn inherit_state(&mut self, before: &Self, now: Time) {
        self.spent_joules = before.spent_joules + before.idle_joules(now);
    }

    fn idle_joules(&self, now: Time) -> f64 {
        let idle = self.on_since.map_or(0, |since| nanos(now.since(since)));
        self.battery.idle_watts * (idle as f64 / 1e9)
    }

    /// Joules left.
    pub(super) fn remaining_joules(&self, now: Time) -> f64 {
        (self.battery.capacity_joules - self.spent_joules - self.idle_joules(now)).max(0.0)
    }

    /// When it is empty, if the device goes on idling. Never while it is off.
    pub(super) fn empty_at(&self) -> Option<Time> {
        let since = self.on_since?;
        let left = self.battery.capacity_joules - self.spent_joules;
        if left <= 0.0 {
            return Some(since);
        }
        let idle = (self.battery.idle_watts > 0.0).then(|| left / self.battery.idle_watts * 1e9)?;
        // Rounded up: it is empty then, and not a moment before.
        Some(since + Duration::from_nanos((idle as u64).saturating_add(1)))
    }
}
