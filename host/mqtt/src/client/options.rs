//! What a client is told once and for all.

use std::num::NonZeroU16;

/// How a client connects, and how much it holds. Clients of one kind share one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// Seconds after which a client that has sent nothing sends a ping; default 10. Zero means never.
    pub keep_alive: u16,
    /// Seconds that the broker keeps the session of a client that is gone; default 0, which also makes
    /// every connection a clean start.
    pub session_expiry: u32,
    /// Messages that can be on their way into a client that does not read, as the buffers of a socket
    /// can hold them; default 1,000. Later ones at QoS 0 are lost.
    pub unread: usize,
    /// Messages at QoS 1 and 2 that a client has under way at one time; default 20.
    pub inflight: NonZeroU16,
    /// Messages at QoS 1 and 2 that wait in a client beside these; default 100, and at least 1.
    /// Further ones are refused.
    pub queued: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        let inflight = NonZeroU16::MIN.saturating_add(19);
        Self { keep_alive: 10, session_expiry: 0, unread: 1_000, inflight, queued: 100 }
    }
}
