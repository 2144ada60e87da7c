//! Audit of a fleet: the actions that users take over HTTP, for a record of the run.

use std::time::Duration;

use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::time::Time;

use super::Action;

/// Another version of a behaviour, which a user sent for all devices of the behaviour.
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
    /// When the first devices got it.
    pub began: Time,
    /// Devices that had it before the others, for the time of the trial.
    pub canaries: Vec<DeviceId>,
    /// How long a trap brings the old version back.
    pub trial: Duration,
}

/// Keeps a record of the changes that users make.
pub trait AuditLog: Send + Sync {
    /// Records an action that is about to be applied, or has just been.
    fn record(&self, action: Action);

    /// Records another version of a behaviour that has just been rolled out. A plan needs several `swap` actions for it, and
    /// the component as a file.
    fn record_update(&self, update: BehaviourUpdate);
}

/// Keeps no record.
impl AuditLog for () {
    fn record(&self, _action: Action) {}

    fn record_update(&self, _update: BehaviourUpdate) {}
}
