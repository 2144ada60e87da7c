//! The embedded broker, so that a laptop needs nothing but this program.
//!
//! It is the broker model of `wasmote_sim`, turned by real time: what a user sees live is what virtual time
//! computes, and there is one broker and not two. The scenarios of the model's tests are run against it over TCP
//! too, with the same expectations.
//!
//! * [`BrokerTask`]: the task that owns the model and alone turns it, with the [`reply_channel`] for what comes out.
//! * `listener`: the TCP listener, on loopback. `connection`: one client that came through it, speaking MQTT 3.1.1 or 5.
//! * `handle`: devices in this process, without sockets. Their packets go in and come out in batches, one way in
//!   and one way out for each shard.
//! * Its own [faults](wasmote_sim::faults::broker), pauses and restarts, are given to its [`BrokerHandle`].
//! * `sys_topics`: what it tells of itself under `$SYS`. [`observer`]: seeing all of it.
//!
//! # What is bounded, and what becomes of the rest
//!
//! * What one client has not read yet: 10,000 messages. Then messages at QoS 0 for it are dropped, as for a
//!   [slow consumer](wasmote_mqtt::broker::counters::DropReason::SlowConsumer); at QoS 1 and 2 there are never more than the
//!   client's receive maximum on the way, and 1,000 more in its queue.
//! * What the devices of one shard have not dealt with yet: 100,000 messages, likewise.
//! * A client that sends faster than the broker works is not read from for that time. A device's client is
//!   refused, at QoS 0, when 100,000 packets of its shard wait for the broker, as if its socket were full.
//!
//! All that is dropped is in the broker's [`Tally`].
//!
//! # Why not a library's broker
//!
//! The broker of the crate `mqtt5` 0.49 stood here before. The two, on the same tests:
//!
//! | | this broker | `mqtt5` 0.49 |
//! |---|---|---|
//! | devices in the process | linked, no descriptor | two descriptors each |
//! | a slow consumer at QoS 0 | counted | dropped without a word |
//! | user properties | as they came | adds `x-mqtt-client-id` to every message |
//! | `$SYS` | yes | yes |
//! | authentication, TLS, WebSockets, QUIC, files | no | yes, unused here |

mod connection;
mod handle;
mod listener;
pub mod observer;
mod reply_channel;
mod report;
mod shard_channel;
mod sys_topics;
mod task;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_sim::faults::FaultId;
use wasmote_sim::faults::broker::Failure;

use self::task::{BrokerTask, Job};
pub use handle::BrokerHandle;
pub(crate) use handle::{ShardReplyReceiver, ShardRequestSender};
pub use report::BrokerReport;

/// How long it may take to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A device of this process.
    Device {
        /// The number of its shard.
        shard: u32,
        /// The connection within the shard.
        link: ConnectionId,
    },
    /// A client that came through the door; they are numbered.
    Client(u64),
}

/// A broker in this process, with a door on loopback. It ends when it is dropped or shut down.
pub struct EmbeddedBroker {
    address: SocketAddr,
    jobs: mpsc::UnboundedSender<Job>,
    handle: BrokerHandle,
    accept_task: JoinHandle<()>,
    broker_task: Option<JoinHandle<()>>,
}

/// The broker has begun to fail, or is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerFaultEvent {
    /// In whose name.
    pub fault: FaultId,
    /// How it fails.
    pub failure: Failure,
    /// For how long; `None` if it is over.
    pub lasting: Option<Duration>,
}

impl fmt::Display for BrokerFaultEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match (self.failure, self.lasting.is_some()) {
            (Failure::Pause, true) => "stands still",
            (Failure::Pause, false) => "goes on",
            (Failure::Restart { .. }, true) => "is down",
            (Failure::Restart { persistent: true }, false) => "is back, with what it had written down",
            (Failure::Restart { persistent: false }, false) => "is back, and remembers nothing",
        };
        write!(f, "the embedded broker {text}: fault `{}`", self.fault)?;
        match self.lasting {
            Some(lasting) => write!(f, ", for {:.1} s", lasting.as_secs_f64()),
            None => Ok(()),
        }
    }
}

/// The broker could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the embedded broker could not start: {0}")]
pub struct BrokerError(pub String);

impl EmbeddedBroker {
    /// Listen on loopback at `port`, or the next free one above it; at any free one if it is 0.
    pub async fn start(port: u16) -> Result<Self, BrokerError> {
        let listener = listener::bind(port).await?;
        let address = listener.local_addr().map_err(|error| BrokerError(error.to_string()))?;
        let (task, senders) = BrokerTask::new(BrokerLimits::default());
        let accept_task = tokio::spawn(listener::accept_loop(listener, senders.clients));
        let handle = BrokerHandle::new(senders.shards, senders.jobs.clone());
        Ok(Self {
            address,
            jobs: senders.jobs,
            handle,
            accept_task,
            broker_task: Some(tokio::spawn(task.run())),
        })
    }

    /// Leave for devices in this process to use it without sockets.
    pub fn handle(&self) -> BrokerHandle {
        self.handle.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it holds and what became of its messages; `None` when it has ended.
    pub async fn report(&self) -> Option<BrokerReport> {
        self.handle.report().await
    }

    fn send_job(&self, job: impl FnOnce(&mut BrokerTask) + Send + 'static) {
        // It has ended if nobody listens.
        let _ = self.jobs.send(Box::new(job));
    }

    /// End it, and tell its clients so.
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
