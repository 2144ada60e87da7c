//! States of devices, each with a reason.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use wasmote_live::status::DeviceStatus;
use wasmote_mqtt::time::Time;
use wasmote_page::recording::State;
use wasmote_sim::device::{ConnectionState, PowerState};
use wasmote_sim::faults::ActiveFault;

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

/// State of a device, with the reason if it is not connected.
pub fn state_of(status: &DeviceStatus) -> (State, Option<String>) {
    match &status.power {
        PowerState::Failed(reason) => return (State::Failed, Some(reason.clone())),
        PowerState::Dead(reason) => return (State::Stopped, Some(reason.clone())),
        PowerState::Off(reason) => return (State::Stopped, Some(reason.to_string())),
        PowerState::New => return (State::Stopped, Some("not started yet".into())),
        PowerState::Down { reason, .. } => return (State::Crashed, Some(reason.to_string())),
        PowerState::On => {}
    }
    if let Some(silence) = status.active_faults.iter().find(|fault| matches!(fault.kind, "silence" | "hang"))
    {
        return (State::Silent, Some(format!("fault `{}`", silence.id)));
    }
    match &status.link {
        ConnectionState::Up => (State::Connected, None),
        ConnectionState::Connecting => (State::Offline, Some("connecting".into())),
        ConnectionState::Resuming => {
            (State::Offline, Some("a silence is over; waiting for the broker to answer".into()))
        }
        ConnectionState::Down(reason) => (State::Offline, Some(reason.clone())),
    }
}

/// The same, with the time until a device starts again.
pub fn state_at(status: &DeviceStatus, now: Duration) -> (State, Option<String>) {
    let (state, reason) = state_of(status);
    let reason = match &status.power {
        PowerState::Down { until, .. } => {
            reason.map(|why| format!("{why}; starts again in {:.1} s", seconds_until(*until, now)))
        }
        _ => reason,
    };
    (state, reason)
}

/// Seconds until a time on the run's clock, rounded down to milliseconds.
fn seconds_until(until: Time, now: Duration) -> f64 {
    until.elapsed().saturating_sub(now).as_millis() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wasmote_live::status::Totals;
    use wasmote_mqtt::device_id::{DeviceId, Identity};
    use wasmote_sim::behaviour::Version;

    use super::*;

    #[test]
    fn only_the_state_at_a_time_has_a_countdown() {
        let identity = Identity {
            id: DeviceId::new("a-0").unwrap(),
            client_id: None,
            group: "a".into(),
            index: 0,
            count: 1,
            topic_root: "wasmote".into(),
            peers: None,
        };
        let until = Time::ZERO + Duration::from_millis(2_500);
        let status = DeviceStatus {
            identity: Arc::new(identity),
            behaviour: "a".into(),
            version: Version { name: "a".into(), sha256: "".into() },
            power: PowerState::Down { reason: "trap".into(), until },
            link: ConnectionState::Connecting,
            uptime: None,
            joules: None,
            clock_error_s: 0.0,
            active_faults: Vec::new(),
            totals: Totals::default(),
        };
        assert_eq!(state_of(&status), (State::Crashed, Some("trap".to_owned())));
        let reason = state_at(&status, Duration::from_secs(1)).1;
        assert_eq!(reason.as_deref(), Some("trap; starts again in 1.5 s"));
    }
}
