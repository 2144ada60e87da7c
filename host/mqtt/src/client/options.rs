//! Configuration of a client.

use std::num::NonZeroU16;

/// Configuration of clients. Clients of one kind share a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// Keepalive in seconds: a client that has sent nothing for this long sends a ping; default 10. Zero
    /// means none.
    pub keep_alive: u16,
    /// Seconds that the broker keeps the session of a disconnected client; default 0, which also makes every
    /// connection a clean start.
    pub session_expiry: u32,
    /// Whether a session of an earlier run is discarded before the first connection, also on 3.1.1, and the own
    /// session at a clean disconnect; default false, which suits a broker without earlier or later runs.
    pub discard_sessions: bool,
    /// Maximum number of unread messages of a client that does not read, as in the buffers of a socket;
    /// default 1,000. Later messages at QoS 0 are lost.
    pub unread: usize,
    /// Maximum number of messages at QoS 1 and 2 in flight from a client; default 20.
    pub inflight: NonZeroU16,
    /// Maximum number of messages at QoS 1 and 2 queued in a client in addition to those in flight; at least 1,
    /// default 100. Further messages are refused.
    pub queued: usize,
    /// Bytes of the messages at QoS 1 and 2 in flight and queued; default 8 MiB. Further messages are refused, but an
    /// empty queue takes a message of any size.
    pub queued_bytes: u64,
    /// Bytes of the unread messages; default 8 MiB. Later messages at QoS 0 are lost.
    pub unread_bytes: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        let inflight = NonZeroU16::MIN.saturating_add(19);
        Self {
            keep_alive: 10,
            session_expiry: 0,
            discard_sessions: false,
            unread: 1_000,
            inflight,
            queued: 100,
            queued_bytes: 8 << 20,
            unread_bytes: 8 << 20,
        }
    }
}
