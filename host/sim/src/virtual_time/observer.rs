//! Looking on while virtual time passes.

use crate::action::Notice;
use crate::broker::packet::{Reply, Request};
use crate::device::{Input, Now};
use crate::faults::broker::Turn;
use crate::http::HttpResponse;

pub use crate::client::link::{DeviceIndex, LinkId};

/// One thing that happens. Nothing in a run happens without one of these.
#[derive(Debug)]
pub enum Step<'a> {
    /// A device is about to deal with this.
    Input(DeviceIndex, &'a Input),
    /// A device has something to tell.
    Notice(DeviceIndex, &'a Notice),
    /// A device answers the HTTP request with this ticket.
    HttpResponse(DeviceIndex, u64, &'a HttpResponse),
    /// A packet reaches the broker.
    Up(LinkId, &'a Request),
    /// A packet reaches a device's client.
    Down(LinkId, &'a Reply),
    /// The broker is woken.
    BrokerWake,
    /// A fault of the broker begins or ends.
    BrokerFault(&'a Turn),
    /// The host itself publishes, under no client's name.
    HostPublish(&'a crate::message::Message),
}

/// Sees every step of a run, in order. It cannot change anything.
pub trait Observer {
    /// See one step.
    fn observe(&mut self, at: Now, step: &Step<'_>);
}

/// Nobody looks on.
impl Observer for () {
    fn observe(&mut self, _at: Now, _step: &Step<'_>) {}
}

/// Two look on, one after the other.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn observe(&mut self, at: Now, step: &Step<'_>) {
        self.0.observe(at, step);
        self.1.observe(at, step);
    }
}
