//! Limits of the broker.

use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::packet::Connect;
use crate::protocol::Protocol;

/// Maximum number of levels of a topic filter, as in Mosquitto. It limits the depth of the filter tree.
pub const MAX_FILTER_LEVELS: usize = 200;

/// A mebibyte.
const MIB: u64 = 1 << 20;

/// Limits of the broker, most of them for one client. The defaults are those of Mosquitto 2, so that both can be compared,
/// except that Mosquitto does not limit bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BrokerLimits {
    /// Maximum number of messages at QoS 1 and 2 in flight to a client without a receive maximum; default 20.
    pub inflight: NonZeroU16,
    /// Maximum number of messages at QoS 1 and 2 queued for one client in addition to those in flight;
    /// default 1,000, at least 1.
    pub queued: usize,
    /// Whether messages at QoS 0 are queued for a disconnected client; by default they are dropped.
    pub queue_qos_0: bool,
    /// Receive maximum of the broker: most messages at QoS 2 in flight from one client; default 20. Clients
    /// of 3.1.1 are not limited, because the protocol cannot announce it.
    pub receive_maximum: NonZeroU16,
    /// Longest keepalive in seconds; without a limit if it is `None`, the default. A client with a longer
    /// keepalive, or with none, gets this one as Server Keep Alive. Clients of 3.1.1 keep theirs, because the
    /// protocol has no such property.
    pub keep_alive: Option<NonZeroU16>,
    /// Bytes of the messages at QoS 1 and 2 in flight to one client and queued for it; default 16 MiB. An empty queue
    /// takes a message of any size.
    pub queued_bytes: u64,
    /// Bytes of all messages that are in flight to clients or queued for them, each counted once; default 256 MiB.
    pub stored_bytes: u64,
    /// Bytes of all retained messages; default 64 MiB.
    pub retained_bytes: u64,
    /// Bytes of the retained messages that one client published; default 16 MiB.
    pub client_retained_bytes: u64,
    /// Bytes of all subscriptions; default 256 MiB.
    pub subscription_bytes: u64,
    /// Bytes of the subscriptions of one client; default 16 MiB.
    pub client_subscription_bytes: u64,
    /// Bytes of all sessions, with their client identifiers and wills; default 128 MiB.
    pub session_bytes: u64,
    /// In real time: maximum number of connections from other programs; default 10,000. Each may take 64 KiB for its
    /// buffers.
    pub clients: u32,
    /// In real time: bytes of incomplete packets of these connections, and of packets that wait for the broker, beyond that;
    /// default 256 MiB.
    pub client_bytes: u64,
    /// In real time: bytes of packets that these clients have not read; default 256 MiB.
    pub client_unread_bytes: u64,
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
            queued_bytes: 16 * MIB,
            stored_bytes: 256 * MIB,
            retained_bytes: 64 * MIB,
            client_retained_bytes: 16 * MIB,
            subscription_bytes: 256 * MIB,
            client_subscription_bytes: 16 * MIB,
            session_bytes: 128 * MIB,
            clients: 10_000,
            client_bytes: 256 * MIB,
            client_unread_bytes: 256 * MIB,
        }
    }
}

impl BrokerLimits {
    /// Server Keep Alive for a client, in seconds.
    pub(super) fn keep_alive_for(&self, connect: &Connect) -> Option<u16> {
        let longest = self.keep_alive.filter(|_| connect.protocol == Protocol::V5)?.get();
        (connect.keep_alive == 0 || connect.keep_alive > longest).then_some(longest)
    }
}
