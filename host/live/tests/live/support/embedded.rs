//! The embedded broker and its clients from other programs.

use std::io::Read;
use std::net::TcpStream;

use wasmote_live::broker::{BrokerReport, EmbeddedBroker};

use super::eventually;

/// Waits until the broker's report satisfies `matches`.
pub async fn until(
    broker: &EmbeddedBroker,
    what: &str,
    matches: impl Fn(&BrokerReport) -> bool,
) -> BrokerReport {
    eventually(what, async || broker.report().await.filter(|report| matches(report))).await
}

/// All bytes until the broker closes.
pub fn rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset also ends the connection.
    let _ = stream.read_to_end(&mut rest);
    rest
}
