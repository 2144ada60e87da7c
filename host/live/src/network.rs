//! Broker endpoint and connection options, shared by all shards of a fleet.

use std::net::IpAddr;

use tokio::net::TcpStream;

use crate::clock::Clock;
use crate::config::{BrokerUrl, ConnectionOptions};
use crate::dial::Dialer;
use crate::reason_text;
use crate::socket::Socket;
use crate::stream::ByteStream;
use crate::stream::websocket::Endpoint;
use crate::tls::sessions::DeviceSessions;
use crate::tls::{TlsClient, TlsError};

/// Concurrent connection attempts of a fleet. More would overflow a broker's accept backlog, and each lost
/// SYN costs a second.
pub(crate) const MAX_DIALS: usize = 256;

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) broker: BrokerUrl,
    pub(crate) options: ConnectionOptions,
    pub(crate) clock: Clock,
    dialer: Dialer,
    /// TLS configuration for `mqtts://`. An error, such as an unusable certificate, fails every connection
    /// attempt.
    tls: Result<Option<TlsClient>, TlsError>,
}

impl Network {
    /// Parses the certificates once. The fleet starts with this number of devices.
    pub(crate) fn new(broker: BrokerUrl, options: ConnectionOptions, clock: Clock, devices: usize) -> Self {
        let tls = TlsClient::for_broker(&broker, &options);
        let dialer = Dialer::new(&broker, &options).for_connections(devices);
        Self { broker, options, clock, dialer, tls }
    }

    /// Opens a TCP connection for the device with this number, after `retries` attempts that reached no MQTT
    /// connection. The error is a readable reason.
    pub(crate) async fn connect(&self, device: u32, retries: u32) -> Result<TcpStream, String> {
        if let Err(problem) = &self.tls {
            return Err(problem.to_string());
        }
        let connected = self.dialer.connect(device, retries).await;
        connected.map_err(|error| reason_text::io_error(&self.address_at(None), &error))
    }

    /// Byte stream for MQTT over a connected socket of the device with these TLS sessions.
    pub(crate) fn stream(
        &self,
        socket: Socket,
        peer: Option<IpAddr>,
        sessions: &mut DeviceSessions,
    ) -> Result<ByteStream, String> {
        let tls = self.tls.as_ref().ok().and_then(Option::as_ref).map(|tls| (tls, sessions));
        ByteStream::new(socket, tls, Endpoint::new(&self.broker, &self.options))
            .map_err(|error| reason_text::stream(&self.address_at(peer), &error))
    }

    /// Broker, with the address that a connection has reached, for messages.
    pub(crate) fn address_at(&self, peer: Option<IpAddr>) -> String {
        self.broker.address_through(self.options.proxy.as_ref(), peer.as_slice())
    }
}
