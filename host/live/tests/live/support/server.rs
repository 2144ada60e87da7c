//! A broker of either kind.

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
    /// A Mosquitto that devices reach over TLS.
    Tls,
    /// The embedded one, through its door.
    Embedded,
    /// The embedded one, by links within the process.
    Local,
}

impl Kind {
    pub fn is_mosquitto(self) -> bool {
        matches!(self, Self::Mosquitto | Self::Tls)
    }
}

pub enum Server {
    Mosquitto(Mosquitto),
    Tls(Mosquitto),
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
            Kind::Embedded => Self::Embedded(EmbeddedBroker::start(port).await.unwrap()),
            Kind::Local => Self::Local(EmbeddedBroker::start(port).await.unwrap()),
        }
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Mosquitto(broker) | Self::Tls(broker) => broker.port,
            Self::Embedded(broker) | Self::Local(broker) => broker.address().port(),
        }
    }

    /// Leave to use it without sockets, if that is how it is to be used.
    pub fn handle(&self) -> Option<BrokerHandle> {
        match self {
            Self::Mosquitto(_) | Self::Tls(_) | Self::Embedded(_) => None,
            Self::Local(broker) => Some(broker.handle()),
        }
    }

    /// Where devices reach it.
    pub fn device_port(&self) -> u16 {
        match self {
            Self::Tls(broker) => tls_port(broker.port),
            _ => self.port(),
        }
    }

    pub fn url(&self) -> BrokerUrl {
        self.url_at(self.device_port())
    }

    /// The same broker, reached at another port.
    pub fn url_at(&self, port: u16) -> BrokerUrl {
        BrokerUrl { tls: matches!(self, Self::Tls(_)), ..at_port(port) }
    }

    /// These options, with the authority that signed the broker's certificate.
    pub fn trusted(&self, options: ConnectionOptions) -> ConnectionOptions {
        match self {
            Self::Tls(_) => ConnectionOptions { tls: Some(AUTHORITY.material()), ..options },
            _ => options,
        }
    }

    /// What the broker wrote into its log; nothing for the embedded one.
    pub fn log(&self) -> Vec<String> {
        match self {
            Self::Mosquitto(broker) | Self::Tls(broker) => broker.log(),
            Self::Embedded(_) | Self::Local(_) => Vec::new(),
        }
    }

    pub async fn stop(self) {
        if let Self::Embedded(broker) | Self::Local(broker) = self {
            broker.shutdown().await;
        }
    }
}

/// The port for TLS beside another one, which stays the same when the broker is started again.
fn tls_port(port: u16) -> u16 {
    static PORTS: Mutex<BTreeMap<u16, u16>> = Mutex::new(BTreeMap::new());
    *PORTS.lock().unwrap().entry(port).or_insert_with(free_port)
}

/// In the clear at one port, and with TLS at another.
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
    BrokerUrl { host: "127.0.0.1".into(), port, tls: false }
}

/// Clean starts, and a keepalive that nobody waits for.
pub fn patient() -> ConnectionOptions {
    ConnectionOptions { keepalive: Duration::from_secs(60), ..options() }
}

/// Clean starts, and the shortest keepalive there is.
pub fn options() -> ConnectionOptions {
    ConnectionOptions {
        keepalive: Duration::from_secs(5),
        session_expiry: Duration::ZERO,
        username: None,
        password: None,
        sources: Vec::new(),
        tls: None,
    }
}
