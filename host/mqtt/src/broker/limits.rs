//! What the broker allows one client.

use std::num::NonZeroU16;

use super::packet::Connect;
use crate::protocol::Protocol;

/// Levels that a topic filter may have, as in Mosquitto. It bounds how deep the tree of filters grows.
pub const MAX_FILTER_LEVELS: usize = 200;

/// What the broker allows one client. The defaults are those of Mosquitto 2, so that both can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerLimits {
    /// Messages at QoS 1 and 2 under way to a client that does not say how many it takes; default 20.
    pub inflight: NonZeroU16,
    /// Messages at QoS 1 and 2 that wait for one client beside those under way; default 1,000,
    /// and at least 1.
    pub queued: usize,
    /// Whether messages at QoS 0 wait for an absent client too; by default they are dropped.
    pub queue_qos_0: bool,
    /// Messages at QoS 2 that one client may have under way to the broker; default 20. 3.1.1 has no word
    /// for it, so clients that speak it are not held to it.
    pub receive_maximum: NonZeroU16,
    /// The longest keepalive in seconds; `None`, the default, for as long as the client says. One who wants
    /// a longer one, or none, is told to use this one. 3.1.1 has no word for that: its clients keep theirs.
    pub keep_alive: Option<NonZeroU16>,
}

impl Default for BrokerLimits {
    fn default() -> Self {
        let twenty = NonZeroU16::MIN.saturating_add(19);
        Self {
            inflight: twenty,
            queued: 1_000,
            queue_qos_0: false,
            receive_maximum: twenty,
            keep_alive: None,
        }
    }
}

impl BrokerLimits {
    /// The keepalive in seconds that a client has to use instead of its own.
    pub(super) fn keep_alive_for(&self, connect: &Connect) -> Option<u16> {
        let longest = self.keep_alive.filter(|_| connect.protocol == Protocol::V5)?.get();
        (connect.keep_alive == 0 || connect.keep_alive > longest).then_some(longest)
    }
}
