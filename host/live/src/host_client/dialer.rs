//! TCP connections for the library, with fail-over between the broker's addresses.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::config::{BrokerUrl, ConnectionOptions};
use crate::dial::Dialer;
use crate::reason_text;
use crate::socket::SocketControl;
use crate::stream::websocket::Endpoint;
use crate::stream::{ByteStream, Phase};
use crate::tls::TlsClient;
use crate::tls::sessions::DeviceSessions;

/// Opens the library's TCP connections and knows their addresses, for messages.
#[derive(Clone, Debug)]
pub(super) struct HostDialer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    broker: BrokerUrl,
    options: ConnectionOptions,
    /// TLS below WebSocket; the library has its own for `mqtts://`.
    tls: Option<TlsClient>,
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
    /// Whether the broker has accepted the connection.
    is_accepted: bool,
    /// Whether TCP is connected.
    is_connected: bool,
    /// Handshake of a WebSocket that is not complete.
    phase: Option<Phase>,
    /// Reason text for first bytes of the broker that are no MQTT.
    answered_otherwise: Option<String>,
    /// Reason text for the end of a WebSocket.
    reason: Option<String>,
    /// Error of the TCP connection, which the library hides in a text.
    tcp_error: Option<io::Error>,
}

impl HostDialer {
    /// `tls` is for TLS below WebSocket.
    pub(super) fn new(broker: &BrokerUrl, options: &ConnectionOptions, tls: Option<TlsClient>) -> Self {
        Self(Arc::new(Shared {
            broker: broker.clone(),
            options: options.clone(),
            tls,
            dialer: Dialer::new(broker, options),
            attempt: Mutex::default(),
        }))
    }

    fn attempt(&self) -> MutexGuard<'_, Attempt> {
        self.0.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects to the broker, or through the proxy.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let retries = {
            let mut attempt = self.attempt();
            let retries = attempt.retries;
            *attempt = Attempt { retries: retries.wrapping_add(1), ..Attempt::default() };
            retries
        };
        let pairs = self.0.dialer.address_pairs(0, retries).await?;
        self.attempt().addresses = pairs.iter().map(|(to, _)| to.ip()).collect();
        let connected = self.0.dialer.race(pairs).await;
        let peer = connected.as_ref().ok().and_then(|stream| stream.peer_addr().ok());
        // The error of a failed attempt names the addresses itself.
        let mut attempt = self.attempt();
        attempt.addresses = peer.map(|peer| peer.ip()).into_iter().collect();
        attempt.is_connected = connected.is_ok();
        connected
    }

    /// WebSocket on a new connection; `None` if the library speaks MQTT on the connection itself.
    pub(super) fn websocket(&self) -> Option<impl FnOnce(TcpStream) -> io::Result<ByteStream>> {
        let Shared { broker, options, tls, .. } = &*self.0;
        let endpoint = Endpoint::new(broker, options)?;
        Some(move |stream| {
            let mut sessions = DeviceSessions::default();
            let tls = tls.as_ref().map(|tls| (tls, &mut sessions));
            let stream = ByteStream::new(SocketControl::default().attach(stream), tls, Some(endpoint));
            stream.map_err(|error| self.ended(reason_text::stream(&self.address(), &error)))
        })
    }

    /// Notes the handshake that a WebSocket is in.
    pub(super) fn enter(&self, phase: Option<Phase>) {
        self.attempt().phase = phase;
    }

    /// Notes the reason for the end of a WebSocket, and returns it as an error for the library.
    pub(super) fn ended(&self, reason: String) -> io::Error {
        self.attempt().reason.get_or_insert(reason.clone());
        io::Error::other(reason)
    }

    /// Notes an error of TCP.
    pub(super) fn note_tcp_error(&self, error: &io::Error) {
        // An error of the system can be made again from its code.
        self.attempt().tcp_error = error.raw_os_error().map(io::Error::from_raw_os_error);
    }

    /// Notes the first bytes of the broker: the library would report another protocol as a malformed packet.
    pub(super) fn note_first_bytes(&self, bytes: &[u8]) {
        // With TLS they are records.
        if !self.0.broker.tls {
            let otherwise = reason_text::speaks_other(&self.address(), &self.0.broker, bytes);
            self.attempt().answered_otherwise = otherwise;
        }
    }

    /// Notes that the broker has accepted the connection.
    pub(super) fn accepted(&self) {
        let mut attempt = self.attempt();
        attempt.retries = 0;
        attempt.is_accepted = true;
    }

    /// Reason for the end of the newest connection, if the library does not know it. `is_closed` means that the
    /// broker closed the connection.
    pub(super) fn reason(&self, is_closed: bool) -> Option<String> {
        let address = self.address();
        let (is_accepted, known, tcp_error) = {
            let mut attempt = self.attempt();
            let known = attempt.reason.take().or_else(|| attempt.answered_otherwise.take());
            (attempt.is_accepted, known, attempt.tcp_error.take())
        };
        if known.is_some() {
            return known;
        }
        let is_closed = is_closed || tcp_error.as_ref().is_some_and(reason_text::is_close_by_peer);
        if !is_accepted && is_closed {
            return Some(reason_text::closed_before_connack(&address, &self.0.broker));
        }
        tcp_error.map(|error| reason_text::io_error(&address, &error))
    }

    /// Broker, with the addresses of the newest attempt, for messages.
    pub(super) fn address(&self) -> String {
        self.0.broker.address_through(self.0.options.proxy.as_ref(), &self.attempt().addresses)
    }

    /// Text for a broker that did not respond in time.
    pub(super) fn no_answer(&self, within: Duration) -> String {
        let address = self.address();
        let (phase, is_connected) = {
            let attempt = self.attempt();
            (attempt.phase, attempt.is_connected)
        };
        match (phase, is_connected) {
            (Some(phase), _) => reason_text::no_handshake(&address, phase, within),
            // It also answers the TLS handshake.
            (None, true) => reason_text::no_connack(&address, within),
            (None, false) => reason_text::no_answer(&address, within),
        }
    }
}
