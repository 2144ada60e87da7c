//! Observer of all packets of the broker.

use wasmote_mqtt::broker::packet::{Reply, Request};

use super::Peer;

/// Observer of every packet, in the broker's order. The broker task calls it synchronously, so a slow
/// observer delays all clients. Without an observer nothing is recorded, at no cost.
pub trait BrokerObserver: Send + Sync {
    /// Called before the broker handles a request.
    fn on_request(&self, from: Peer, request: &Request);

    /// Called for each reply that the broker sends.
    fn on_reply(&self, to: Peer, reply: &Reply);
}
