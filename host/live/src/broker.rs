//! Embedded MQTT broker. It runs in the process of the fleet, so that no broker has to be installed.
//!
//! It runs the broker model of `wasmote_mqtt` in real time, so that live runs and virtual time use one broker
//! implementation. The scenarios of the model's tests also run against it over TCP, with the same
//! expectations.
//!
//! * [`BrokerTask`]: the task that owns the model. [`reply_channel`]: its replies to one client.
//! * `listener`: the TCP listener on loopback. `connection`: one TCP client, with MQTT 3.1.1 or 5, directly or in a
//!   WebSocket at the same port (`websocket`). `admission`: the limits of all these clients together.
//! * `handle`: devices in this process, without sockets. Shards send batches of packets over one shared channel,
//!   and each shard has one channel for replies.
//! * [`BrokerHandle`] takes the broker's own [faults](wasmote_sim::faults::broker), pauses and restarts.
//! * `sys_topics`: statistics under `$SYS`. [`observer`]: trace of all packets.
//!
//! # Limits
//!
//! * Unread messages of one client: 10,000, or 16 MiB. Beyond that, messages at QoS 0 for it are dropped as for a [slow
//!   consumer](wasmote_mqtt::broker::counters::DropReason::SlowConsumer). At QoS 1 and 2 the client's receive
//!   maximum limits the messages in flight, and its queue holds 1,000 more.
//! * Clients from other programs: 10,000, of which 1,000 may be without a CONNECT, each for ten seconds; the oldest of these
//!   makes room for a new one. Beyond 64 KiB for each, the bytes of incomplete packets and of packets that wait for the broker
//!   come from a budget of 256 MiB for all, and those of unread packets from another. A client that exceeds one is closed with
//!   0x97; an unread message at QoS 0 is dropped instead. A packet may take 30 s, and a second more for each 64 KiB.
//! * Unread messages of all devices of one shard: 100,000, or 64 MiB, with the same rule.
//! * The broker stops reading from a client that sends faster than the broker works. A device's client
//!   refuses messages at QoS 0 while 100,000 packets, or 64 MiB, of its shard wait for the broker, as if its socket were
//!   full.
//!
//! The broker's [`BrokerCounters`](wasmote_mqtt::broker::counters::BrokerCounters) count all dropped
//! messages.
//!
//! # Why not a library's broker
//!
//! The first version used the broker of the crate `mqtt5` 0.49. Both were run on the same tests:
//!
//! | | this broker | `mqtt5` 0.49 |
//! |---|---|---|
//! | devices in the process | linked, no file descriptor | two file descriptors each |
//! | slow consumer at QoS 0 | dropped and counted | dropped silently |
//! | user properties | unchanged | adds `x-mqtt-client-id` to every message |
//! | `$SYS` | yes | yes |
//! | authentication, TLS, QUIC, files | no | yes, unused here |

mod admission;
mod connection;
mod handle;
mod listener;
pub mod observer;
mod reply_channel;
mod report;
mod shard_channel;
mod sys_topics;
mod task;
mod websocket;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_sim::faults::FaultId;
use wasmote_sim::faults::broker::Failure;

use self::admission::Admission;
use self::task::{BrokerTask, Job};
pub use handle::BrokerHandle;
pub(crate) use handle::{ShardReplyReceiver, ShardRequestSender};
pub(crate) use reply_channel::request_bytes;
pub use report::{BrokerReport, ClientRefusals, ClientReport};

/// Longest time that a shutdown may take.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A device of this process.
    Device {
        /// Number of the device's shard.
        shard: u32,
        /// The connection within the shard.
        link: ConnectionId,
    },
    /// A TCP client, by the number of its connection.
    Client(u64),
}

/// Broker in this process, with a TCP listener on loopback. It shuts down when it is dropped.
pub struct EmbeddedBroker {
    address: SocketAddr,
    jobs: mpsc::UnboundedSender<Job>,
    handle: BrokerHandle,
    accept_task: JoinHandle<()>,
    broker_task: Option<JoinHandle<()>>,
}

/// Start or end of a broker failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerFaultEvent {
    /// Fault that causes the failure.
    pub fault: FaultId,
    /// Kind of failure.
    pub failure: Failure,
    /// Duration of the failure; `None` when it ends.
    pub lasting: Option<Duration>,
}

impl fmt::Display for BrokerFaultEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match (self.failure, self.lasting.is_some()) {
            (Failure::Pause, true) => "is paused",
            (Failure::Pause, false) => "resumes",
            (Failure::Restart { .. }, true) => "is down",
            (Failure::Restart { persistent: true }, false) => "runs again with its stored state",
            (Failure::Restart { persistent: false }, false) => "runs again without its earlier state",
        };
        write!(f, "the embedded broker {text}: fault `{}`", self.fault)?;
        match self.lasting {
            Some(lasting) => write!(f, ", for {:.1} s", lasting.as_secs_f64()),
            None => Ok(()),
        }
    }
}

/// Failure to start the broker.
#[derive(Debug, thiserror::Error)]
#[error("the embedded broker could not start: {0}")]
pub struct BrokerError(pub String);

impl EmbeddedBroker {
    /// Listens on loopback at `port` or the next free port above it; at any free port if `port` is 0.
    pub async fn start(port: u16) -> Result<Self, BrokerError> {
        Self::start_with(port, BrokerLimits::default()).await
    }

    /// Does the same with other limits.
    pub async fn start_with(port: u16, limits: BrokerLimits) -> Result<Self, BrokerError> {
        let listener = listener::bind(port).await?;
        let address = listener.local_addr().map_err(|error| BrokerError(error.to_string()))?;
        let admission = Admission::new(&limits);
        let (task, senders) = BrokerTask::new(limits, admission.clone());
        let accept_task = tokio::spawn(listener::accept_loop(listener, senders.clients, admission));
        let handle = BrokerHandle::new(senders.shards, senders.jobs.clone());
        Ok(Self {
            address,
            jobs: senders.jobs,
            handle,
            accept_task,
            broker_task: Some(tokio::spawn(task.run())),
        })
    }

    /// Handle that links devices in this process to the broker without sockets.
    pub fn handle(&self) -> BrokerHandle {
        self.handle.clone()
    }

    /// Address of the TCP listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Current report; `None` after the broker has ended.
    pub async fn report(&self) -> Option<BrokerReport> {
        self.handle.report().await
    }

    fn send_job(&self, job: impl FnOnce(&mut BrokerTask) + Send + 'static) {
        // Sending fails only after the broker task has ended.
        let _ = self.jobs.send(Box::new(job));
    }

    /// Sends DISCONNECT to all clients and ends the broker.
    pub async fn shutdown(mut self) {
        self.accept_task.abort();
        self.send_job(BrokerTask::shut_down);
        if let Some(task) = self.broker_task.take() {
            let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, task).await;
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.accept_task.abort();
        self.send_job(BrokerTask::shut_down);
    }
}
