//! Start of a live fleet: its broker and its HTTP listener, and the reasons why a run fails.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wasmote_engine::EngineError;
use wasmote_live::broker::{BrokerError, EmbeddedBroker};
use wasmote_live::config::BrokerUrl;

use crate::blueprints::BlueprintError;
use crate::config::Settings;
use crate::config::values::{BrokerChoice, HttpAddress};
use crate::http_access::HttpAccess;
use crate::preflight::{PreflightError, TooFewThreads};

/// Reason why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The fleet does not fit on this machine, or to its network.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// The system refuses the threads that a run needs.
    #[error(transparent)]
    Threads(#[from] TooFewThreads),
    /// The Wasm engine does not work on this machine.
    #[error("the Wasm engine could not start: {0}")]
    Engine(#[from] EngineError),
    /// A behaviour cannot be used.
    #[error(transparent)]
    Blueprints(#[from] BlueprintError),
    /// The operating system refused threads or signals.
    #[error("the runtime could not start: {0}")]
    Runtime(#[source] io::Error),
    /// The address of the HTTP API is in use, or not available.
    #[error(
        "the HTTP API cannot listen on {address}: {problem}; choose another address with --http ADDR:PORT"
    )]
    Http {
        /// The configured address.
        address: SocketAddr,
        /// The error of the system.
        problem: io::Error,
    },
    /// The embedded broker could not start.
    #[error("{0}; use a broker of your own with --broker mqtt://HOST[:PORT]")]
    Broker(#[from] BrokerError),
    /// The behaviours of devices failed, so that the run shows nothing; with the reasons.
    #[error("{}", .0.join("; "))]
    DevicesFailed(Vec<String>),
    /// Messages were published, and the broker took none.
    #[error("the broker accepted no message: {0}")]
    NothingAccepted(String),
    /// No device ever connected to the broker.
    #[error("no device was ever connected: {0}")]
    NeverConnected(String),
}

/// Binds the HTTP API. Returns the listener and its address.
pub fn listen(address: HttpAddress) -> Result<(std::net::TcpListener, SocketAddr), RunError> {
    let HttpAddress(address) = address;
    let bind = || {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bind().map_err(|problem| RunError::Http { address, problem })
}

/// The consequences of the address and the token of the HTTP API that a user may not expect.
pub fn access_notice(address: SocketAddr, access: &HttpAccess) -> Option<String> {
    if address.ip().is_loopback() || access.token.is_some() {
        return None;
    }
    Some(match access.open {
        true => format!(
            "the HTTP API has no token: every machine that reaches {address} can change this fleet (--http-open)"
        ),
        false => "the HTTP API has no token, so other machines can read, but change nothing; set one with \
            --http-token-file FILE (`wasmote token` makes one)"
            .to_owned(),
    })
}

/// Starts the embedded broker if it is chosen. Returns the URL for the devices, and the broker if it is embedded.
pub async fn start_broker(settings: &Settings) -> Result<(BrokerUrl, Option<EmbeddedBroker>), BrokerError> {
    match &settings.broker {
        BrokerChoice::Remote(url) => Ok((url.clone(), None)),
        BrokerChoice::Embedded(port) => {
            let broker = EmbeddedBroker::start_with(*port, settings.broker_limits.clone()).await?;
            let address = broker.address();
            if *port != 0 && address.port() != *port {
                tracing::warn!("port {port} is taken; the embedded broker listens on {}", address.port());
            }
            let url = BrokerUrl::mqtt(address.ip().to_string(), address.port());
            Ok((url, Some(broker)))
        }
    }
}

/// An address that a browser on this machine can use.
pub fn browsable_address(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    SocketAddr::new(ip, address.port())
}
