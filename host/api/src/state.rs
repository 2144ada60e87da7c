//! States of devices, each with a reason.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_live::status::DeviceStatus;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::{ConnectionState, PowerState};
use wasmote_sim::faults::ActiveFault;

/// State of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "State")]
pub enum DeviceState {
    /// The device runs and is connected.
    Connected,
    /// The device runs and is not connected.
    Offline,
    /// A fault pauses the MQTT loop of the device.
    Silent,
    /// The device lost power, or its behaviour trapped; it restarts automatically.
    Crashed,
    /// The device was stopped, or has not been started yet.
    Stopped,
    /// The behaviour of the device refused to start.
    Failed,
}

impl From<DeviceState> for wasmote_page::recording::State {
    fn from(state: DeviceState) -> Self {
        match state {
            DeviceState::Connected => Self::Connected,
            DeviceState::Offline => Self::Offline,
            DeviceState::Silent => Self::Silent,
            DeviceState::Crashed => Self::Crashed,
            DeviceState::Stopped => Self::Stopped,
            DeviceState::Failed => Self::Failed,
        }
    }
}

/// A fault that acts on a device now.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ActiveFaultView {
    /// Name of the fault.
    pub id: String,
    /// Kind of the fault.
    pub kind: &'static str,
    /// Seconds until it ends; absent for a permanent fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_in_s: Option<f64>,
}

impl ActiveFaultView {
    /// Creates the view of a fault at this time.
    pub fn new(fault: &ActiveFault, now: Duration) -> Self {
        let ends_in_s = fault.until.map(|until| seconds_until(until, now));
        Self { id: fault.id.to_string(), kind: fault.kind, ends_in_s }
    }
}

impl DeviceState {
    /// State of a device, with the reason if it is not connected.
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

/// Seconds until a time on the run's clock, rounded down to milliseconds.
fn seconds_until(until: Time, now: Duration) -> f64 {
    until.elapsed().saturating_sub(now).as_millis() as f64 / 1_000.0
}
