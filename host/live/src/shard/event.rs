//! Events that a shard receives from the tasks it spawns.

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use wasmote_sim::http::{HttpFailure, HttpResponse};

pub(crate) enum ShardEvent {
    /// An outbound HTTP request has its outcome.
    HttpReply(u64, Result<HttpResponse, HttpFailure>),
    /// An attempt to connect over TCP has its outcome: the error is for people. The number is that of the connection.
    Dialled(u32, Result<TcpStream, String>),
    /// A connection is closed after its DISCONNECT.
    Closed,
    /// All events before it have been handled, which its sender waits for.
    Barrier(oneshot::Sender<()>),
}

/// Takes events to a shard, each with the number of its device in the shard.
pub(crate) type ShardEventSender = mpsc::Sender<(u32, ShardEvent)>;
