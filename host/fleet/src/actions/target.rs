//! The fleet that steps are applied to.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use wasmote_live::credentials::DeviceCredentials;
use wasmote_live::fleet::PowerCommand;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_sim::faults::FaultId;
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::http::HttpRequest;

use super::scope::Scope;
use super::selector::Devices;
use crate::config::Group;
use crate::fault_registry::TemporaryFault;
use crate::fault_set::FaultSet;

/// Outcome of a change to a fleet. The error is the target's own type, boxed.
pub type ApplyResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Function that returns the new credentials of a device, or `None` if it keeps its own.
pub type NewCredentials<'a> = dyn Fn(&Identity) -> Option<Arc<DeviceCredentials>> + 'a;

/// Interface of actions to a running fleet. Devices are addressed by position. The orchestrator of a run
/// implements it for virtual and for real time.
pub trait Target {
    /// All devices, and the seed by which some of them are drawn.
    fn devices(&self) -> Devices<'_>;

    /// Replaces the faults of a scope. `None` resets them to the inherited ones, and for the fleet to the initial ones.
    fn set_faults(&mut self, scope: &Scope, set: Option<&FaultSet>) -> ApplyResult;

    /// Starts a temporary fault with this number, in addition to the other faults.
    fn begin_fault(&mut self, number: usize, fault: TemporaryFault) -> ApplyResult;

    /// Ends the fault with this number.
    fn end_fault(&mut self, number: usize) -> ApplyResult;

    /// Switches devices on or off, or crashes them.
    fn power(&mut self, devices: &[usize], command: PowerCommand) -> ApplyResult;

    /// Makes the embedded broker fail for a while; the ledger names this fault.
    fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) -> ApplyResult;

    /// Publishes a message as the host.
    fn publish(&mut self, message: Message) -> ApplyResult;

    /// Publishes a message on behalf of a device, through its faults.
    fn publish_as(&mut self, device: usize, message: Message) -> ApplyResult;

    /// Sends an HTTP request to a device's behaviour and ignores the response.
    fn request(&mut self, device: usize, request: HttpRequest) -> ApplyResult;

    /// Gives a device the credentials that `new` returns, from its next connection on. Virtual time has no credentials and
    /// does not call it.
    fn set_credentials(&mut self, device: usize, new: &NewCredentials<'_>) -> ApplyResult;

    /// Adds devices to a group.
    fn add(&mut self, group: &str, count: u32) -> ApplyResult;

    /// Restarts the running devices of a group with this configuration and behaviour.
    fn configure(&mut self, group: &Group) -> ApplyResult;

    /// Gives a group, or only these devices of it, another version of the behaviour while they run. A trap
    /// within the trial restores the old version.
    fn swap(&mut self, group: &Group, trial: Duration, devices: Option<&[usize]>) -> ApplyResult;
}
