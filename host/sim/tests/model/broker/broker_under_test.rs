//! Interface of a broker under test.

use std::time::Duration;

use wasmote_mqtt::broker::packet::{Reply, Request};

/// A broker with connections that are named after clients.
pub trait BrokerUnderTest {
    /// Sends a packet on a client's connection. CONNECT opens a new connection, even if the client has one;
    /// `Lost` breaks the connection.
    fn send(&mut self, client: &str, request: Request);

    /// Packets for a client on its newest connection since the last call, once the connection is quiet.
    fn receive(&mut self, client: &str) -> Vec<Reply>;

    /// Whether a client's newest connection (age 0) or the previous one (age 1) is open.
    fn is_open(&mut self, client: &str, age: usize) -> bool;

    /// Lets time pass.
    fn wait(&mut self, span: Duration);

    /// Time since the start.
    fn passed(&self) -> Duration;
}
