//! What users change over HTTP, for whoever keeps a record of it.

use std::time::Duration;

use wasmote_live::fleet::PowerCommand;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_sim::http::HttpRequest;

use super::faults::registry::FaultScope;
use crate::fault_set::FaultSet;

/// One change. Devices go by their position.
#[derive(Clone, Debug)]
pub enum AuditEntry {
    /// A scope has other faults; `None` for those that it inherits, and for the fleet those of the beginning.
    Faults(FaultScope, Option<FaultSet>),
    /// A device was switched.
    Power(usize, PowerCommand),
    /// A device was made to publish.
    Publish(usize, Message),
    /// A device's behaviour was asked for something that may have changed it.
    Request(usize, HttpRequest),
    /// All devices of a behaviour have another version of it.
    Swap(BehaviourSwap),
}

/// Another version of a behaviour, for all its devices.
#[derive(Clone, Debug)]
pub struct BehaviourSwap {
    /// The behaviour's name.
    pub behaviour: String,
    /// The groups that run it.
    pub groups: Vec<String>,
    /// The component.
    pub bytes: Vec<u8>,
    /// Of the component.
    pub sha256: String,
    /// When it was first given to devices.
    pub began: Time,
    /// Those that had it before the others did, for the time of the trial.
    pub canaries: Vec<DeviceId>,
    /// How long a trap brings the old version back.
    pub trial: Duration,
}

/// Keeps a record of what users change.
pub trait AuditLog: Send + Sync {
    /// This is about to happen, or has just happened.
    fn record(&self, entry: AuditEntry);
}

/// Nobody keeps a record.
impl AuditLog for () {
    fn record(&self, _entry: AuditEntry) {}
}
