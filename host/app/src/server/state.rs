//! What a device's state is called, and why it is so.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmote_live::status::DeviceStatus;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::{ConnectionState, PowerState};
use wasmote_sim::faults::ActiveFault;

/// A device's state in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// It runs and has a connection.
    Connected,
    /// It runs and has none.
    Offline,
    /// A fault keeps its MQTT loop from turning.
    Silent,
    /// It lost its power, or its behaviour trapped; it starts again by itself.
    Crashed,
    /// It was told to stop, or has not been started yet.
    Stopped,
    /// Its behaviour refused to start.
    Failed,
}

/// A fault that holds a device now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActiveFaultView {
    /// The fault's name.
    pub id: String,
    /// Its kind.
    pub kind: &'static str,
    /// Seconds until it ends; nothing for one that stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_in_s: Option<f64>,
}

impl ActiveFaultView {
    /// A fault as it is at this time.
    pub fn new(fault: &ActiveFault, now: Duration) -> Self {
        let ends_in_s = fault.until.map(|until| seconds_until(until, now));
        Self { id: fault.id.to_string(), kind: fault.kind, ends_in_s }
    }
}

impl DeviceState {
    /// A device's state, and why it is not connected.
    pub fn of(status: &DeviceStatus, now: Duration) -> (Self, Option<String>) {
        match &status.power {
            PowerState::Failed(reason) => return (Self::Failed, Some(reason.clone())),
            PowerState::Dead(reason) => return (Self::Stopped, Some(reason.clone())),
            PowerState::Off(reason) => return (Self::Stopped, Some(reason.to_string())),
            PowerState::New => return (Self::Stopped, Some("not started yet".into())),
            PowerState::Down { reason, until } => {
                let why = format!("{reason}; starts again in {:.1} s", seconds_until(*until, now));
                return (Self::Crashed, Some(why));
            }
            PowerState::On => {}
        }
        if let Some(silence) =
            status.active_faults.iter().find(|fault| matches!(fault.kind, "silence" | "hang"))
        {
            return (Self::Silent, Some(format!("fault `{}`", silence.id)));
        }
        match &status.link {
            ConnectionState::Up => (Self::Connected, None),
            ConnectionState::Connecting => (Self::Offline, Some("connecting".into())),
            ConnectionState::Resuming => {
                (Self::Offline, Some("a silence is over; waiting for the broker to answer".into()))
            }
            ConnectionState::Down(reason) => (Self::Offline, Some(reason.clone())),
        }
    }
}

/// Seconds to a point on the run's clock, to the millisecond.
fn seconds_until(until: Time, now: Duration) -> f64 {
    until.elapsed().saturating_sub(now).as_millis() as f64 / 1_000.0
}
