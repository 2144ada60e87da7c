//! Test broker of any kind.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use wasmote_live::broker::{BrokerHandle, EmbeddedBroker};
use wasmote_live::config::{BrokerUrl, ConnectionOptions};

use super::authority::AUTHORITY;
use super::mosquitto::{Mosquitto, free_port};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Mosquitto,
    /// Mosquitto, which devices connect to over TLS.
    Tls,
    /// Mosquitto, which devices connect to over WebSocket and TLS.
    Wss,
    /// Embedded broker over TCP.
    Embedded,
    /// Embedded broker without sockets.
    Local,
}

impl Kind {
    pub fn is_mosquitto(self) -> bool {
        matches!(self, Self::Mosquitto | Self::Tls | Self::Wss)
    }

    /// Whether the broker's log names clients whose keepalive ran out. That of Mosquitto does not for WebSocket.
    pub fn logs_timeouts(self) -> bool {
        matches!(self, Self::Mosquitto | Self::Tls)
    }
}

pub enum Server {
    Mosquitto(Mosquitto),
    Tls(Mosquitto),
    Wss(Mosquitto),
    Embedded(EmbeddedBroker),
    Local(EmbeddedBroker),
}

impl Server {
    pub async fn start(kind: Kind) -> Self {
        Self::at(kind, free_port()).await
    }

    pub async fn at(kind: Kind, port: u16) -> Self {
        match kind {
            Kind::Mosquitto => Self::Mosquitto(Mosquitto::with(port, "allow_anonymous true", &[])),
            Kind::Tls => Self::Tls(with_tls(port, "allow_anonymous true", &[])),
            Kind::Wss => Self::Wss(with_wss(port, "allow_anonymous true")),
            Kind::Embedded => Self::Embedded(EmbeddedBroker::start(port).await.unwrap()),
            Kind::Local => Self::Local(EmbeddedBroker::start(port).await.unwrap()),
        }
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Mosquitto(broker) | Self::Tls(broker) | Self::Wss(broker) => broker.port,
            Self::Embedded(broker) | Self::Local(broker) => broker.address().port(),
        }
    }

    /// Handle for devices without sockets, if the kind is `Local`.
    pub fn handle(&self) -> Option<BrokerHandle> {
        match self {
            Self::Mosquitto(_) | Self::Tls(_) | Self::Wss(_) | Self::Embedded(_) => None,
            Self::Local(broker) => Some(broker.handle()),
        }
    }

    /// Port that devices connect to.
    pub fn device_port(&self) -> u16 {
        match self {
            Self::Tls(broker) | Self::Wss(broker) => tls_port(broker.port),
            _ => self.port(),
        }
    }

    pub fn url(&self) -> BrokerUrl {
        self.url_at(self.device_port())
    }

    /// URL of the broker at another port.
    pub fn url_at(&self, port: u16) -> BrokerUrl {
        let websocket = matches!(self, Self::Wss(_)).then(|| "/mqtt".parse().unwrap());
        BrokerUrl { tls: matches!(self, Self::Tls(_) | Self::Wss(_)), websocket, ..at_port(port) }
    }

    /// These options, with the authority that signed the broker's certificate.
    pub fn trusted(&self, options: ConnectionOptions) -> ConnectionOptions {
        match self {
            Self::Tls(_) | Self::Wss(_) => ConnectionOptions { tls: Some(AUTHORITY.material()), ..options },
            _ => options,
        }
    }

    /// Mosquitto's log; empty for the embedded broker.
    pub fn log(&self) -> Vec<String> {
        match self {
            Self::Mosquitto(broker) | Self::Tls(broker) | Self::Wss(broker) => broker.log(),
            Self::Embedded(_) | Self::Local(_) => Vec::new(),
        }
    }

    pub async fn stop(self) {
        if let Self::Embedded(broker) | Self::Local(broker) = self {
            broker.shutdown().await;
        }
    }
}

/// TLS port that belongs to a plain port; it stays the same across restarts.
fn tls_port(port: u16) -> u16 {
    static PORTS: Mutex<BTreeMap<u16, u16>> = Mutex::new(BTreeMap::new());
    *PORTS.lock().unwrap().entry(port).or_insert_with(free_port)
}

/// Starts a Mosquitto with one plain port and one for WebSocket over TLS.
fn with_wss(port: u16, lines: &str) -> Mosquitto {
    let lines = format!(
        "{lines}\nlistener {} 127.0.0.1\nprotocol websockets\ncertfile @/server.pem\nkeyfile @/server.key",
        tls_port(port)
    );
    let (certificate, key) = AUTHORITY.sign("127.0.0.1");
    let broker = Mosquitto::with(port, &lines, &[("server.pem", &certificate), ("server.key", &key)]);
    broker.wait_until_it_listens_at(tls_port(port));
    broker
}

/// Starts a Mosquitto with one plain and one TLS port.
pub fn with_tls(port: u16, lines: &str, files: &[(&str, &[u8])]) -> Mosquitto {
    let lines = format!(
        "{lines}\nlistener {} 127.0.0.1\ncertfile @/server.pem\nkeyfile @/server.key",
        tls_port(port)
    );
    let (certificate, key) = AUTHORITY.sign("127.0.0.1");
    let own: [(&str, &[u8]); 2] = [("server.pem", &certificate), ("server.key", &key)];
    Mosquitto::with(port, &lines, &[&own, files].concat())
}

pub fn at_port(port: u16) -> BrokerUrl {
    BrokerUrl::mqtt("127.0.0.1", port)
}

/// Clean starts, and a keepalive that does not expire during a test.
pub fn long_keepalive() -> ConnectionOptions {
    ConnectionOptions { keepalive: Duration::from_secs(60), ..options() }
}

/// Clean starts, and the shortest keepalive.
pub fn options() -> ConnectionOptions {
    ConnectionOptions::plain(Duration::from_secs(5))
}
