//! The broker that a fleet connects to, and how: shared by all of its shards.

use tokio::net::TcpStream;

use crate::clock::Clock;
use crate::config::{BrokerUrl, ConnectionOptions};
use crate::socket::Socket;
use crate::stream::ByteStream;
use crate::tls::{TlsClient, TlsError};
use crate::{dial, reason_text};

/// Connection attempts of a fleet at one time. More would overrun a broker's backlog, and each lost SYN costs a second.
pub(crate) const MAX_DIALS: usize = 256;

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) broker: BrokerUrl,
    pub(crate) options: ConnectionOptions,
    pub(crate) clock: Clock,
    /// If the broker speaks TLS. Certificates that cannot be used are the error of every attempt to connect.
    tls: Result<Option<TlsClient>, TlsError>,
}

impl Network {
    /// Certificates are read once.
    pub(crate) fn new(broker: BrokerUrl, options: ConnectionOptions, clock: Clock) -> Self {
        let tls = broker.tls.then(|| TlsClient::new(&broker.host, options.tls.as_deref())).transpose();
        Self { broker, options, clock, tls }
    }

    /// Connect the device with this number over TCP. The error is for people.
    pub(crate) async fn connect(&self, device: u32) -> Result<TcpStream, String> {
        if let Err(problem) = &self.tls {
            return Err(problem.to_string());
        }
        let connected = dial::connect(&self.broker, &self.options.sources, device).await;
        connected.map_err(|error| reason_text::io_error(&self.broker.address(), &error))
    }

    /// The stream that MQTT is spoken on, over a connected socket.
    pub(crate) fn stream(&self, socket: Socket) -> Result<ByteStream, String> {
        let tls = self.tls.as_ref().ok().and_then(Option::as_ref);
        ByteStream::new(socket, tls).map_err(|error| reason_text::stream(&self.broker.address(), &error))
    }
}
