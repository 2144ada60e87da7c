//! TCP connections for the library, with fail-over between the broker's addresses.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::config::{BrokerUrl, ConnectionOptions};
use crate::dial::Dialer;
use crate::reason_text;

/// Opens the library's TCP connections and knows their addresses, for messages.
#[derive(Clone, Debug)]
pub(super) struct HostDialer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    broker: BrokerUrl,
    dialer: Dialer,
    attempt: Mutex<Attempt>,
}

/// The newest connection attempt.
#[derive(Debug, Default)]
struct Attempt {
    /// Attempts since the broker last accepted a connection, which decides where the next one begins.
    retries: u32,
    /// Addresses that may still answer: all of a TCP attempt, then the one that is connected.
    addresses: Vec<IpAddr>,
}

impl HostDialer {
    pub(super) fn new(broker: &BrokerUrl, options: &ConnectionOptions) -> Self {
        let dialer = Dialer::new(broker, options);
        Self(Arc::new(Shared { broker: broker.clone(), dialer, attempt: Mutex::default() }))
    }

    fn attempt(&self) -> MutexGuard<'_, Attempt> {
        self.0.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let retries = {
            let mut attempt = self.attempt();
            attempt.addresses.clear();
            let retries = attempt.retries;
            attempt.retries = retries.wrapping_add(1);
            retries
        };
        let pairs = self.0.dialer.address_pairs(0, retries).await?;
        self.attempt().addresses = pairs.iter().map(|(to, _)| to.ip()).collect();
        let connected = self.0.dialer.race(pairs).await;
        let peer = connected.as_ref().ok().and_then(|stream| stream.peer_addr().ok());
        // The error of a failed attempt names the addresses itself.
        self.attempt().addresses = peer.map(|peer| peer.ip()).into_iter().collect();
        connected
    }

    /// Notes that the broker has accepted the connection.
    pub(super) fn accepted(&self) {
        self.attempt().retries = 0;
    }

    /// Broker, with the addresses of the newest attempt, for messages.
    pub(super) fn address(&self) -> String {
        self.0.broker.address_at(&self.attempt().addresses)
    }

    /// Text for a broker that did not respond in time.
    pub(super) fn no_answer(&self, within: Duration) -> String {
        reason_text::no_answer(&self.address(), within)
    }
}
