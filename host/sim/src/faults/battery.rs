//! Battery of a device.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::{Time, nanos};

use super::Fault;
use super::bandwidth::bytes;
use super::checks::{CheckContext, FieldError, amount, positive};
use super::kind::{KindModel, KindSpec};
use super::span::Span;
use crate::digest::{Digest, Encode};

/// A battery: the device dies when it is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "battery", "capacity_joules": 100, "send_joules": 0.1}]))]
#[serde(deny_unknown_fields)]
pub struct BatterySpec {
    /// Capacity of the full battery, in joules; 1 mAh at 3 V is 10.8 J.
    #[schemars(required, extend("exclusiveMinimum" = 0))]
    pub capacity_joules: Option<f64>,
    /// Power drawn while the device is on, in watts, keepalives included.
    #[schemars(range(min = 0), extend("default" = 0))]
    pub idle_watts: Option<f64>,
    /// Joules for each message that is handed to the connection.
    #[schemars(range(min = 0), extend("default" = 0))]
    pub send_joules: Option<f64>,
    /// Joules for each byte of topic and payload that is sent.
    #[schemars(range(min = 0), extend("default" = 0))]
    pub send_joules_per_byte: Option<f64>,
    /// Joules for each message that arrives, even if it is then dropped.
    #[schemars(range(min = 0), extend("default" = 0))]
    pub receive_joules: Option<f64>,
    /// Joules for each byte of topic and payload that arrives.
    #[schemars(range(min = 0), extend("default" = 0))]
    pub receive_joules_per_byte: Option<f64>,
    /// Joules for each event that the behaviour handles.
    #[schemars(range(min = 0), extend("default" = 0))]
    pub event_joules: Option<f64>,
    /// Time until a device with an empty battery comes back with a full one, 10 ms or more; never by default.
    pub recharge: Option<Span>,
}

impl KindSpec for BatterySpec {
    type Model = Battery;

    fn check(&self, context: &CheckContext<'_>) -> Result<Battery, FieldError> {
        let capacity = context.require("capacity_joules", self.capacity_joules)?;
        let recharge = self.recharge.map(|span| context.required_period("recharge", Some(span)));
        Ok(Battery {
            capacity_joules: positive("capacity_joules", capacity)?,
            idle_watts: amount("idle_watts", self.idle_watts)?,
            send_joules: amount("send_joules", self.send_joules)?,
            send_joules_per_byte: amount("send_joules_per_byte", self.send_joules_per_byte)?,
            receive_joules: amount("receive_joules", self.receive_joules)?,
            receive_joules_per_byte: amount("receive_joules_per_byte", self.receive_joules_per_byte)?,
            event_joules: amount("event_joules", self.event_joules)?,
            recharge: recharge.transpose()?,
        })
    }
}

impl KindModel for Battery {}

impl Encode for Battery {
    fn encode(&self, into: &mut Digest) {
        let Self {
            capacity_joules,
            idle_watts,
            send_joules,
            send_joules_per_byte,
            receive_joules,
            receive_joules_per_byte,
            event_joules,
            recharge,
        } = self;
        into.write_variant(0, &[capacity_joules, idle_watts, send_joules, send_joules_per_byte]);
        into.write_variant(0, &[receive_joules, receive_joules_per_byte, event_joules, recharge]);
    }
}

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
