//! Looking on while virtual time passes.

use crate::device::{Input, Now};
use crate::faults::broker::BrokerTransition;
use crate::http::HttpResponse;
use crate::notice::DeviceNotice;
use wasmote_mqtt::broker::packet::{Reply, Request};

pub use wasmote_mqtt::client::ids::{ConnectionId, DeviceIndex};

/// One thing that happens. Nothing in a run happens without one of these.
#[derive(Debug)]
pub enum TraceEvent<'a> {
    /// A device is about to deal with this.
    Input(DeviceIndex, &'a Input),
    /// A device has something to tell.
    Notice(DeviceIndex, &'a DeviceNotice),
    /// A device answers the HTTP request with this ticket.
    HttpResponse(DeviceIndex, u64, &'a HttpResponse),
    /// A packet reaches the broker.
    Up(ConnectionId, &'a Request),
    /// A packet reaches a device's client.
    Down(ConnectionId, &'a Reply),
    /// The broker is woken.
    BrokerWake,
    /// A fault of the broker begins or ends.
    BrokerFault(&'a BrokerTransition),
    /// The host itself publishes, under no client's name.
    HostPublish(&'a wasmote_mqtt::message::Message),
}

/// Sees every step of a run, in order. It cannot change anything.
pub trait Observer {
    /// See one step.
    fn observe(&mut self, at: Now, event: &TraceEvent<'_>);
}

/// Nobody looks on.
impl Observer for () {
    fn observe(&mut self, _at: Now, _step: &TraceEvent<'_>) {}
}

/// Two look on, one after the other.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn observe(&mut self, at: Now, event: &TraceEvent<'_>) {
        self.0.observe(at, event);
        self.1.observe(at, event);
    }
}
