//! TCP listener of the embedded broker.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use super::BrokerError;
use super::admission::Admission;
use super::connection;
use super::task::InboundSender;

/// Ports tried after the requested one.
const PORT_ATTEMPTS: u16 = 100;
/// Pause after a failed accept, such as for lack of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Time between two warnings about failed accepts.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Listens at the requested port or the next free one.
pub(super) async fn bind(port: u16) -> Result<TcpListener, BrokerError> {
    let mut last_error = String::new();
    let last = port.saturating_add(PORT_ATTEMPTS);
    for candidate in port..=last {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, candidate)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last_error = error.to_string(),
        }
    }
    Err(BrokerError(format!("no port from {port} to {last} is free: {last_error}")))
}

/// Accepts clients until the task is aborted.
pub(super) async fn accept_loop(listener: TcpListener, inbound: InboundSender, admission: Admission) {
    let mut number = 0;
    let mut warned: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                number += 1;
                // A client that is not admitted is closed.
                if let Some(admitted) = admission.admit(number) {
                    tokio::spawn(connection::serve(stream, admitted, inbound.clone()));
                }
            }
            Err(error) => {
                if warned.is_none_or(|last| last.elapsed() > WARNING_INTERVAL) {
                    warned = Some(Instant::now());
                    tracing::warn!("the embedded broker could not accept a client: {error}");
                }
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}
