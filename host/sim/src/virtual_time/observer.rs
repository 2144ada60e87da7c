//! Observers of a simulation run.

use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::broker::steps::BrokerStep;

use crate::device::{Input, Now};
use crate::faults::broker::BrokerTransition;
use crate::http::HttpResponse;
use crate::journey::DeviceStep;
use crate::notice::DeviceNotice;
pub use wasmote_mqtt::client::ids::{ConnectionId, DeviceIndex};

/// A step of a run. Every change in a run belongs to one of these.
#[derive(Debug)]
pub enum TraceEvent<'a> {
    /// A device is about to handle this input.
    Input(DeviceIndex, &'a Input),
    /// A device sends a notice.
    Notice(DeviceIndex, &'a DeviceNotice),
    /// A device answers the HTTP request with this ticket.
    HttpResponse(DeviceIndex, u64, &'a HttpResponse),
    /// A packet reaches the broker.
    Up(ConnectionId, &'a Request),
    /// A packet reaches a device's client.
    Down(ConnectionId, &'a Reply),
    /// The broker is woken.
    BrokerWake,
    /// A failure of the broker begins or ends.
    BrokerFault(&'a BrokerTransition),
    /// The host publishes a message.
    HostPublish(&'a wasmote_mqtt::message::Message),
    /// A step in the journey of a message at a device, if messages are followed. The digest of the run leaves it out.
    Journey(DeviceIndex, &'a DeviceStep),
    /// A step in the journey of a message at the broker, if messages are followed. The digest of the run leaves it out.
    AtBroker(&'a BrokerStep),
}

impl TraceEvent<'_> {
    /// Whether the event describes the journey of a message. Digests and counts of steps leave such events out.
    pub fn is_journey(&self) -> bool {
        matches!(self, Self::Journey(..) | Self::AtBroker(_))
    }
}

/// Receives every step of a run, in order. It cannot affect the run.
pub trait Observer {
    /// Receives one step.
    fn observe(&mut self, at: Now, event: &TraceEvent<'_>);
}

/// Ignores all steps.
impl Observer for () {
    fn observe(&mut self, _at: Now, _step: &TraceEvent<'_>) {}
}

/// Passes each step to both observers.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn observe(&mut self, at: Now, event: &TraceEvent<'_>) {
        self.0.observe(at, event);
        self.1.observe(at, event);
    }
}
