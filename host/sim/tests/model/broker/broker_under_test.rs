//! What a broker has to offer to be put under test.

use std::time::Duration;

use wasmote_mqtt::broker::packet::{Reply, Request};

/// A broker, seen through connections that bear the names of clients.
pub trait BrokerUnderTest {
    /// Send a packet on a client's connection. One that begins with CONNECT is a new connection, even if
    /// the client had another; `Lost` breaks the connection.
    fn send(&mut self, client: &str, request: Request);

    /// What came for a client on its newest connection since the last call, once it has fallen quiet.
    fn receive(&mut self, client: &str) -> Vec<Reply>;

    /// Whether the broker still has a client's newest connection (0), or the one before it (1).
    fn is_open(&mut self, client: &str, age: usize) -> bool;

    /// Let time pass.
    fn wait(&mut self, span: Duration);

    /// How much has passed since it began.
    fn passed(&self) -> Duration;
}
