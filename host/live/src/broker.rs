//! The embedded broker, so that a laptop needs nothing but this program.
//!
//! It is the broker of the crate `mqtt5`, behind this one type so that another can take its place. It
//! speaks MQTT 3.1.1 and 5 on one port. What matters about it here, read in its source and measured:
//!
//! * By default it writes sessions and retained messages to files; here it keeps them in memory. Its
//!   switch `persistence` has to stay on even so: without it no session outlives its connection.
//! * QoS 0 messages for a client wait in a queue; what does not fit is dropped without a word. The queue
//!   holds 10,000 messages for every client, which is also the default, and takes memory only when used.
//! * QoS 1 and 2 messages that do not fit there go to a backlog of 10,000 messages and 64 MiB a client,
//!   whose oldest are dropped.
//! * 10,000 connections from one address, and 10,000 new ones a second, are limits that cannot be
//!   configured, only lifted from outside once it is built; so they are lifted.
//! * It adds a user property to every message, `x-mqtt-client-id`, which cannot be switched off. Devices do
//!   not see it (see `stamp`), other clients do.
//! * It limits nobody's rate by default, and answers with `TCP_NODELAY`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mqtt5::broker::config::{BrokerConfig, StorageBackend, StorageConfig};
use mqtt5::broker::resource_monitor::ResourceLimits;
use mqtt5::broker::{BrokerShutdownHandle, MqttBroker};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Ports tried from the one that was asked for.
const PORTS: u16 = 100;
/// Connections at one time; the machine's file descriptors are the real limit.
const CLIENTS: usize = 1_000_000;
/// QoS 0 messages that may wait for one client.
const QUEUE: usize = 10_000;
/// How long it may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// A broker in this process, on loopback. It ends when it is dropped or shut down.
pub struct EmbeddedBroker {
    address: SocketAddr,
    handle: BrokerShutdownHandle,
    task: Option<JoinHandle<()>>,
}

/// The broker could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the embedded broker could not start: {0}")]
pub struct BrokerError(pub String);

impl EmbeddedBroker {
    /// Listen on loopback at `port`, or the next free one above it; at any free one if it is 0.
    pub async fn start(port: u16) -> Result<Self, BrokerError> {
        let address = free_port(port).await?;
        let mut broker = MqttBroker::with_config(config(address))
            .await
            .map_err(|error| BrokerError(format!("{address}: {error}")))?;
        broker.resource_monitor().update_limits(limits());
        let address = broker.local_addr().unwrap_or(address);
        let handle = broker.shutdown_handle();
        let mut ready = broker.ready_receiver();
        let task = tokio::spawn(async move {
            if let Err(error) = broker.run().await {
                tracing::error!("the embedded broker ended: {error}");
            }
        });
        ready.wait_for(|ready| *ready).await.map_err(|_| BrokerError("it ended at once".into()))?;
        Ok(Self { address, handle, task: Some(task) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// End it.
    pub async fn shutdown(mut self) {
        self.handle.shutdown();
        if let Some(task) = self.task.take() {
            let _ = tokio::time::timeout(GRACE, task).await;
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

/// The port that was asked for, or the next free one. It is let go again for the broker to take.
async fn free_port(port: u16) -> Result<SocketAddr, BrokerError> {
    let mut refused = String::new();
    for candidate in port..=port.saturating_add(PORTS) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, candidate)).await.and_then(|found| found.local_addr()) {
            Ok(address) => return Ok(address),
            Err(error) => refused = error.to_string(),
        }
    }
    Err(BrokerError(format!("no port from {port} to {} is free: {refused}", port.saturating_add(PORTS))))
}

fn config(address: SocketAddr) -> BrokerConfig {
    BrokerConfig::default()
        .with_bind_address(address)
        .with_max_clients(CLIENTS)
        .with_client_channel_capacity(QUEUE)
        .with_storage(StorageConfig::default().with_backend(StorageBackend::Memory))
}

fn limits() -> ResourceLimits {
    ResourceLimits {
        max_connections: CLIENTS,
        max_connections_per_ip: CLIENTS,
        max_message_rate_per_client: 0,
        max_bandwidth_per_client: 0,
        max_connection_rate: u32::MAX,
        rate_limit_window: Duration::from_secs(1),
    }
}
