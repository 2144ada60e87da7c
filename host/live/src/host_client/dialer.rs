//! TCP connections for the library, with fail-over between the broker's addresses.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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
    /// Whether the broker has accepted the connection.
    is_accepted: bool,
    /// Whether the broker's first bytes were a TLS alert.
    answered_with_tls: bool,
    /// Error of the TCP connection, which the library hides in a text.
    tcp_error: Option<io::Error>,
}

/// TCP stream that inspects the first bytes of the broker: the library would report a TLS alert as a malformed
/// packet.
pub(super) struct InspectedStream {
    stream: TcpStream,
    is_first_read: bool,
    dialer: HostDialer,
}

impl HostDialer {
    pub(super) fn new(broker: &BrokerUrl, options: &ConnectionOptions) -> Self {
        let dialer = Dialer::new(broker, options);
        Self(Arc::new(Shared { broker: broker.clone(), dialer, attempt: Mutex::default() }))
    }

    fn attempt(&self) -> MutexGuard<'_, Attempt> {
        self.0.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn connect(&self) -> io::Result<InspectedStream> {
        let retries = {
            let mut attempt = self.attempt();
            attempt.addresses.clear();
            (attempt.is_accepted, attempt.answered_with_tls, attempt.tcp_error) = (false, false, None);
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
        Ok(InspectedStream { stream: connected?, is_first_read: true, dialer: self.clone() })
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
        let (is_accepted, answered_with_tls, tcp_error) = {
            let mut attempt = self.attempt();
            (attempt.is_accepted, attempt.answered_with_tls, attempt.tcp_error.take())
        };
        let (address, is_tls) = (self.address(), self.0.broker.tls);
        if !is_accepted && !is_tls && answered_with_tls {
            return Some(reason_text::speaks_tls(&address));
        }
        let is_closed = is_closed || tcp_error.as_ref().is_some_and(reason_text::is_close_by_peer);
        if !is_accepted && is_closed {
            return Some(reason_text::closed_before_connack(&address, is_tls));
        }
        tcp_error.map(|error| reason_text::io_error(&address, &error))
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

impl AsyncRead for InspectedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        if let Err(error) = ready!(Pin::new(&mut this.stream).poll_read(cx, into)) {
            // An error of the system can be made again from its code.
            this.dialer.attempt().tcp_error = error.raw_os_error().map(io::Error::from_raw_os_error);
            return Poll::Ready(Err(error));
        }
        if std::mem::take(&mut this.is_first_read) && reason_text::is_tls_alert(&into.filled()[before..]) {
            this.dialer.attempt().answered_with_tls = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for InspectedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
