//! Events that a shard receives from the tasks it spawns.

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use wasmote_sim::http::{HttpFailure, HttpResponse};

pub(crate) enum ShardEvent {
    /// Outcome of an outbound HTTP request.
    HttpReply(u64, Result<HttpResponse, HttpFailure>),
    /// Outcome of a TCP connection attempt, with the number of the attempt. The error is a readable reason.
    Dialled(u32, Result<TcpStream, String>),
    /// A connection was closed after its DISCONNECT.
    Closed,
    /// Marker whose sender waits until all earlier events have been handled.
    Barrier(oneshot::Sender<()>),
}

/// Sender of events to a shard, each with the device's index in the shard.
pub(crate) type ShardEventSender = mpsc::Sender<(u32, ShardEvent)>;
