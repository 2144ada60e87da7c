//! What a live fleet is made of.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use wasmote_sim::device::Blueprint;

use crate::broker::BrokerHandle;

/// Devices, and how they reach their broker.
pub struct FleetConfig {
    /// The devices, in the order in which they start.
    pub devices: Vec<Blueprint>,
    /// The broker.
    pub broker: BrokerUrl,
    /// If the broker is embedded in this process: leave to use it without sockets.
    pub embedded_broker: Option<BrokerHandle>,
    /// How every device connects.
    pub connection: ConnectionOptions,
    /// Devices started per second; `None` for as fast as it goes.
    pub start_rate: Option<f64>,
}

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Name or address.
    pub host: String,
    /// 1883, or 8883 with TLS, unless the URL says otherwise.
    pub port: u16,
    /// Whether TLS is spoken (`mqtts://`).
    pub tls: bool,
}

impl BrokerUrl {
    /// Host and port, for people.
    pub(crate) fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// How devices connect.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// Longest silence that the broker accepts, by half again [MQTT-3.1.2-22]. At least 5 s.
    pub keepalive: Duration,
    /// How long the broker keeps the session of a lost connection; zero ends it with the connection, and
    /// is a clean start. With a session that lasts, only a device's first connection of a run is a clean
    /// start, on MQTT 5. On 3.1.1 anything but zero is for as long as the broker likes.
    pub session_expiry: Duration,
    /// User name, if the broker wants one.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// Addresses of this machine that devices connect from, in turn; without any the system chooses.
    pub sources: Vec<IpAddr>,
    /// Certificates for `mqtts://`.
    pub tls: Option<Arc<TlsMaterial>>,
}

/// Certificates, as PEM.
#[derive(Clone, Debug, Default)]
pub struct TlsMaterial {
    /// Authorities to trust; `None` for those of the system.
    pub ca: Option<Vec<u8>>,
    /// The devices' certificate and key, for brokers that ask for one.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}
