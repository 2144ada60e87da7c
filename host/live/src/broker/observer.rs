//! Looking over the broker's shoulder.

use wasmote_mqtt::broker::packet::{Reply, Request};

use super::Peer;

/// Sees every packet as the broker does, in its order. It is called in the task that turns the broker, so that nobody is
/// served until it is done; without one it costs nothing.
pub trait BrokerObserver: Send + Sync {
    /// The broker is about to deal with this.
    fn on_request(&self, from: Peer, request: &Request);

    /// The broker sends this.
    fn on_reply(&self, to: Peer, reply: &Reply);
}
