//! Audit log of a fleet: records the actions that users take over HTTP.

use std::time::Duration;

use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::time::Time;

use super::Action;

/// Update of a behaviour over HTTP, for all of its devices.
#[derive(Clone, Debug)]
pub struct BehaviourUpdate {
    /// The behaviour's name.
    pub behaviour: String,
    /// The groups that run it.
    pub groups: Vec<String>,
    /// The component.
    pub bytes: Vec<u8>,
    /// SHA-256 of the component.
    pub sha256: String,
    /// Time at which the first devices got it.
    pub began: Time,
    /// Devices that got it before the others, for the time of the trial.
    pub canaries: Vec<DeviceId>,
    /// Time during which a trap restores the old version.
    pub trial: Duration,
}

/// Recorder of the changes that users make.
pub trait AuditLog: Send + Sync {
    /// Records an action that is about to be applied, or has just been.
    fn record(&self, action: Action);

    /// Records an update that has just been rolled out. A plan needs several `swap` actions for it, and the component as a
    /// file.
    fn record_update(&self, update: BehaviourUpdate);
}

/// Audit log that records nothing.
impl AuditLog for () {
    fn record(&self, _action: Action) {}

    fn record_update(&self, _update: BehaviourUpdate) {}
}
