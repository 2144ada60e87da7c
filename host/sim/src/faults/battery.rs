//! Battery of a device.

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::{Time, nanos};

use super::Fault;
use super::bandwidth::bytes;

/// Capacity and consumption of a battery. The radio consumes energy for each message and byte, as in the
/// first-order radio model (Heinzelman, Chandrakasan and Balakrishnan, "Energy-efficient communication
/// protocol for wireless microsensor networks", HICSS 2000) at a fixed distance; keepalives and
/// acknowledgements are part of the idle power.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Battery {
    /// Capacity in joules; 1 mAh at 3 V is 10.8 J.
    pub capacity_joules: f64,
    /// Idle power in watts while the device is on.
    pub idle_watts: f64,
    /// Energy for each message passed to the connection.
    pub send_joules: f64,
    /// Energy for each byte of its topic and payload.
    pub send_joules_per_byte: f64,
    /// Energy for each message that arrives, even if it is then lost.
    pub receive_joules: f64,
    /// Energy for each byte of its topic and payload.
    pub receive_joules_per_byte: f64,
    /// Energy for each event that the behaviour handles.
    pub event_joules: f64,
    /// Time from empty until the restart with a full battery; `None` for no restart.
    pub recharge: Option<Duration>,
}

/// An energy use of a device.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EnergyUse<'a> {
    /// A message was passed to the connection.
    Sent(&'a Message),
    /// A message arrived.
    Received(&'a Message),
    /// The behaviour handled an event.
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

/// Battery of one device.
///
/// Idle energy is computed from the time of power-on, not accumulated in steps, so that it does not depend on
/// how often it is read.
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

    /// Empties the battery, including a rounding remainder.
    pub(super) fn drain(&mut self) {
        self.spent_joules = self.battery.capacity_joules;
    }

    /// Takes over the state of the same fault in the earlier document.
    pub(super) fn inherit_state(&mut self, before: &Self, now: Time) {
        self.spent_joules = before.spent_joules + before.idle_joules(now);
    }

    fn idle_joules(&self, now: Time) -> f64 {
        let idle = self.on_since.map_or(0, |since| nanos(now.since(since)));
        self.battery.idle_watts * (idle as f64 / 1e9)
    }

    /// Remaining energy in joules.
    pub(super) fn remaining_joules(&self, now: Time) -> f64 {
        (self.battery.capacity_joules - self.spent_joules - self.idle_joules(now)).max(0.0)
    }

    /// Time at which an idle device empties the battery. `None` while the device is off.
    pub(super) fn empty_at(&self) -> Option<Time> {
        let since = self.on_since?;
        let left = self.battery.capacity_joules - self.spent_joules;
        if left <= 0.0 {
            return Some(since);
        }
        let idle = (self.battery.idle_watts > 0.0).then(|| left / self.battery.idle_watts * 1e9)?;
        // Rounded up, so that the battery is empty at that time.
        Some(since + Duration::from_nanos((idle as u64).saturating_add(1)))
    }
}
