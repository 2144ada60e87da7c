//! Observer of all packets of the broker.

use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::broker::steps::BrokerStep;
use wasmote_sim::device::Now;

use super::Peer;

/// Observer of every packet, in the broker's order. The broker task calls it synchronously, so a slow
/// observer delays all clients. Without an observer nothing is recorded, at no cost.
pub trait BrokerObserver: Send + Sync {
    /// Called before the broker handles a request.
    fn on_request(&self, from: Peer, request: &Request);

    /// Called for each reply that the broker sends.
    fn on_reply(&self, to: Peer, reply: &Reply);

    /// Whether it gets the steps of single messages, too. Asked before each request.
    fn follows_messages(&self) -> bool {
        false
    }

    /// Called for each step of a message, if it follows them. The run's time is that of the broker.
    fn on_step(&self, _at: Now, _step: &BrokerStep) {}
}
