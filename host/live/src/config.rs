//! Configuration of a live fleet.
//!
//! * `websocket`: path and header fields of the WebSocket handshake. `proxy`: URL of a proxy.

mod proxy;
mod websocket;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use wasmote_sim::device::Blueprint;

use crate::broker::BrokerHandle;
use crate::broker_state::CleanUp;
use crate::credentials::{CredentialStore, Secret};
pub use proxy::{ProxyKind, ProxyUrl};
pub use websocket::{HeaderField, WebSocketPath};

/// Configuration of a fleet: its devices and their broker.
pub struct FleetConfig {
    /// The devices, in the order in which they start.
    pub devices: Vec<Blueprint>,
    /// The broker.
    pub broker: BrokerUrl,
    /// Handle of the embedded broker, if devices use it without sockets.
    pub embedded_broker: Option<BrokerHandle>,
    /// Connection options of all devices.
    pub connection: ConnectionOptions,
    /// Devices started per second; `None` starts all at once.
    pub start_rate: Option<f64>,
}

/// Endpoint of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Host name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether the endpoint uses TLS (`mqtts://` or `wss://`).
    pub tls: bool,
    /// Path of a WebSocket (`ws://` or `wss://`); `None` for MQTT directly over TCP or TLS.
    pub websocket: Option<WebSocketPath>,
}

impl BrokerUrl {
    /// Endpoint of MQTT over TCP.
    pub fn mqtt(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, tls: false, websocket: None }
    }

    /// Scheme of the URL.
    pub fn scheme(&self) -> &'static str {
        match (&self.websocket, self.tls) {
            (None, false) => "mqtt",
            (None, true) => "mqtts",
            (Some(_), false) => "ws",
            (Some(_), true) => "wss",
        }
    }

    /// Default port of a scheme.
    pub fn default_port(is_websocket: bool, tls: bool) -> u16 {
        match (is_websocket, tls) {
            (false, false) => 1883,
            (false, true) => 8883,
            (true, false) => 80,
            (true, true) => 443,
        }
    }

    /// Host and port for the header `Host`, without the default port.
    pub(crate) fn authority(&self) -> String {
        match self.port == Self::default_port(self.websocket.is_some(), self.tls) {
            true => bracketed(&self.host).into_owned(),
            false => self.address(),
        }
    }

    /// Host and port, for messages.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }

    /// Host, port and the addresses behind the host name, for messages.
    pub(crate) fn address_at(&self, addresses: &[IpAddr]) -> String {
        match addresses {
            [] => self.address(),
            [address] if self.is_at(*address) => self.address(),
            _ => {
                let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
                format!("{} ({})", self.address(), addresses.join(", "))
            }
        }
    }

    /// Host, port, the addresses behind the host name, and the proxy in between, for messages.
    pub(crate) fn address_through(&self, proxy: Option<&ProxyUrl>, addresses: &[IpAddr]) -> String {
        match proxy {
            None => self.address_at(addresses),
            // The addresses are those of the proxy.
            Some(proxy) => format!("{} through the proxy {proxy}", self.address()),
        }
    }

    /// Whether the URL names this address itself, and not a host name.
    pub(crate) fn is_at(&self, address: IpAddr) -> bool {
        self.host.parse() == Ok(address)
    }
}

/// Host name or IP address that a colon may follow: an IPv6 address is in brackets.
pub(crate) fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { format!("[{host}]").into() } else { host.into() }
}

/// Connection options of devices.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// Keepalive interval; the broker closes a connection that is silent for one and a half times as long
    /// [MQTT-3.1.2-22]. At least 5 s.
    pub keepalive: Duration,
    /// Session expiry after a lost connection. Zero ends the session with the connection and requests a clean
    /// start. Otherwise, on MQTT 5, only a device's first connection of a run requests a clean start. On
    /// 3.1.1 any value but zero keeps the session for as long as the broker does, unless it is
    /// [cleaned up](Self::clean_up).
    pub session_expiry: Duration,
    /// Broker state that an orderly end clears, and whether sessions of earlier runs are discarded. It has no
    /// effect on the embedded broker, which ends with the run.
    pub clean_up: CleanUp,
    /// User name, if the broker requires one.
    pub username: Option<String>,
    /// Password of the user.
    pub password: Option<Secret>,
    /// Credentials of single devices, instead of these and of the certificate in [`Self::tls`].
    pub devices: Arc<CredentialStore>,
    /// Local source addresses, used in rotation; if empty, the system chooses.
    pub sources: Vec<IpAddr>,
    /// Addresses and ports of the broker, instead of those that its host name resolves to; if empty, the
    /// name is resolved.
    pub broker_addresses: Vec<SocketAddr>,
    /// Network interface to connect through; `None` for the one that the system's routes choose.
    pub interface: Option<String>,
    /// Proxy between the devices and the broker.
    pub proxy: Option<ProxyUrl>,
    /// Certificates for `mqtts://`; `None` for the system's authorities and no client certificate.
    pub tls: Option<Arc<TlsMaterial>>,
    /// Further options of `mqtts://` and `wss://`.
    pub tls_options: TlsOptions,
    /// Header fields of the WebSocket handshake, besides those that the handshake needs.
    pub websocket_fields: Vec<HeaderField>,
}

impl ConnectionOptions {
    /// Options without credentials, certificates and lasting sessions.
    pub fn plain(keepalive: Duration) -> Self {
        Self {
            keepalive,
            session_expiry: Duration::ZERO,
            clean_up: CleanUp::Off,
            username: None,
            password: None,
            devices: Arc::default(),
            sources: Vec::new(),
            broker_addresses: Vec::new(),
            interface: None,
            proxy: None,
            tls: None,
            tls_options: TlsOptions::default(),
            websocket_fields: Vec::new(),
        }
    }
}

/// Options of TLS connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// Name that the broker's certificate must contain, and that the handshake announces (SNI); `None` for the host
    /// of the URL.
    pub server_name: Option<String>,
    /// Whether the handshake announces the server name (RFC 6066, section 3).
    pub sends_server_name: bool,
    /// Protocols offered by ALPN (RFC 7301), the preferred one first; if empty, the extension is not sent.
    pub alpn: Vec<String>,
    /// Whether a device resumes its last TLS session when it connects again. Otherwise every handshake is a full one.
    pub resumption: bool,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self { server_name: None, sends_server_name: true, alpn: Vec::new(), resumption: true }
    }
}

/// TLS certificates in PEM format. The debug form shows no key.
#[derive(Clone, Default)]
pub struct TlsMaterial {
    /// Trusted certificate authorities; `None` for those of the system.
    pub ca: Option<Vec<u8>>,
    /// Client certificate and key of the devices, for brokers that require one.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (ca, client) = (self.ca.as_ref().map(Vec::len), self.client.is_some());
        f.debug_struct("TlsMaterial").field("ca_bytes", &ca).field("client", &client).finish()
    }
}
