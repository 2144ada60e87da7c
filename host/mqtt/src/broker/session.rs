//! Session state of one client, which may outlive its connections [MQTT-4.1].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::inflight::{Incoming, Outgoing};
use super::limits::BrokerLimits;
use super::packet::{Connect, NEVER};
use super::will::PendingWill;
use crate::budget::{ByteBudget, Lease};
use crate::message::Will;
use crate::protocol::Protocol;
use crate::time::Time;
use crate::topic::TopicFilter;

/// Key of a session within the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionKey(u32);

impl SessionKey {
    pub(super) fn new(position: u32) -> Self {
        Self(position)
    }

    pub(super) fn position(self) -> usize {
        self.0 as usize
    }
}

/// A session, with or without a connection.
#[derive(Debug)]
pub(super) struct Session<C> {
    pub(super) client_id: Arc<str>,
    pub(super) protocol: Protocol,
    pub(super) connection: Option<Connection<C>>,
    /// Seconds that the session outlives its connection.
    pub(super) expiry: u32,
    /// End of the session while it has no connection.
    pub(super) ends_at: Option<Time>,
    /// The will of the connection that ended last.
    pub(super) pending_will: Option<PendingWill>,
    /// Filters as sent by the client, needed to remove them from the tree.
    pub(super) filters: BTreeMap<TopicFilter, SubscriptionLease>,
    /// Bytes of the filters.
    pub(super) filter_budget: ByteBudget,
    /// Bytes of the session and of its will in the budget of all sessions.
    _lease: Lease,
    pub(super) will_lease: Option<Lease>,
    pub(super) outgoing: Outgoing,
    pub(super) incoming: Incoming,
    /// Time of the scheduled wakeup.
    pub(super) wake_at: Option<Time>,
}

/// Bytes of a subscription in the budgets of its client and of all clients.
#[derive(Debug)]
pub(super) struct SubscriptionLease {
    pub(super) _of_client: Lease,
    pub(super) _of_all: Lease,
}

/// Bytes of a session without its client identifier.
const SESSION_BYTES: usize = 1_024;

/// Bytes of a session with this client identifier.
pub(super) fn session_bytes(client_id: &str) -> usize {
    SESSION_BYTES + client_id.len()
}

/// Present connection of a session.
#[derive(Debug)]
pub(super) struct Connection<C> {
    pub(super) id: C,
    pub(super) will: Option<Will>,
    /// Longest time without a packet from the client; `None` for no limit.
    timeout: Option<Duration>,
    pub(super) last_heard: Time,
}

impl<C: Copy> Session<C> {
    pub(super) fn new(client_id: Arc<str>, limits: &BrokerLimits, lease: Lease) -> Self {
        Self {
            client_id,
            protocol: Protocol::default(),
            connection: None,
            expiry: 0,
            ends_at: None,
            pending_will: None,
            filters: BTreeMap::new(),
            filter_budget: ByteBudget::new(limits.client_subscription_bytes),
            _lease: lease,
            will_lease: None,
            outgoing: Outgoing::new(limits.queued, limits.queued_bytes),
            incoming: Incoming::default(),
            wake_at: None,
        }
    }

    /// Attaches a new connection to the session.
    pub(super) fn attach(&mut self, id: C, connect: Connect, now: Time) {
        // A connection before the end of the will delay cancels the will [MQTT-3.1.3-9].
        self.pending_will = None;
        self.ends_at = None;
        self.protocol = connect.protocol;
        self.expiry = connect.session_expiry;
        let keep_alive = Duration::from_secs(u64::from(connect.keep_alive));
        // One and a half times the keepalive [MQTT-3.1.2-22].
        let timeout = (!keep_alive.is_zero()).then_some(keep_alive * 3 / 2);
        self.connection = Some(Connection { id, will: connect.will, timeout, last_heard: now });
    }

    /// Ends the connection, and starts the will delay and the session expiry.
    pub(super) fn detach(&mut self, now: Time) -> Option<C> {
        let connection = self.connection.take()?;
        self.pending_will = connection.will.map(|will| PendingWill::new(will, now));
        // [MQTT-3.1.2-23]: the session is kept for its expiry interval.
        let lasting = Duration::from_secs(u64::from(self.expiry));
        self.ends_at = (self.expiry != NEVER).then(|| now + lasting);
        Some(connection.id)
    }

    /// Identifier of the present connection.
    pub(super) fn connection_id(&self) -> Option<C> {
        self.connection.as_ref().map(|connection| connection.id)
    }

    /// Next keepalive timeout, will or session end.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let silence = self.connection.as_ref().and_then(Connection::times_out_at);
        let will = self.pending_will.as_ref().map(|will| will.due);
        [silence, will, self.ends_at].into_iter().flatten().min()
    }
}

impl<C> Connection<C> {
    /// Time of the keepalive timeout.
    pub(super) fn times_out_at(&self) -> Option<Time> {
        self.timeout.map(|timeout| self.last_heard + timeout)
    }
}
