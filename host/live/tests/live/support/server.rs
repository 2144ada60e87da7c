//! A broker of either kind.

use std::time::Duration;

use wasmote_live::broker::{BrokerHandle, EmbeddedBroker};
use wasmote_live::config::{BrokerUrl, ConnectionOptions};

use super::mosquitto::{Mosquitto, free_port};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Mosquitto,
    /// The embedded one, through its door.
    Embedded,
    /// The embedded one, by links within the process.
    Local,
}

pub enum Server {
    Mosquitto(Mosquitto),
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
            Kind::Embedded => Self::Embedded(EmbeddedBroker::start(port).await.unwrap()),
            Kind::Local => Self::Local(EmbeddedBroker::start(port).await.unwrap()),
        }
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Mosquitto(broker) => broker.port,
            Self::Embedded(broker) | Self::Local(broker) => broker.address().port(),
        }
    }

    /// Leave to use it without sockets, if that is how it is to be used.
    pub fn handle(&self) -> Option<BrokerHandle> {
        match self {
            Self::Mosquitto(_) | Self::Embedded(_) => None,
            Self::Local(broker) => Some(broker.handle()),
        }
    }

    pub fn url(&self) -> BrokerUrl {
        at_port(self.port())
    }

    /// What the broker wrote into its log; nothing for the embedded one.
    pub fn log(&self) -> Vec<String> {
        match self {
            Self::Mosquitto(broker) => broker.log(),
            Self::Embedded(_) | Self::Local(_) => Vec::new(),
        }
    }

    pub async fn stop(self) {
        if let Self::Embedded(broker) | Self::Local(broker) = self {
            broker.shutdown().await;
        }
    }
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
