//! An MQTT 5 broker as a state machine, without a clock, a socket or a thread.
//!
//! The driver passes in packets with the current time and sends the replies in order. It calls
//! [`Broker::wake`] at [`Broker::next_deadline`]. The broker never blocks. `C` is the driver's connection
//! identifier. Requests of MQTT 3.1.1 clients are converted to MQTT 5, and replies to them are reduced to the
//! features of 3.1.1, so that there is one implementation.
//!
//! Code that implements a rule of the standard cites it, as `[MQTT-x.y.z-n]`. Where the standard leaves a
//! choice, the broker follows the defaults of Mosquitto 2:
//!
//! * Overlapping subscriptions of one client give one copy each on MQTT 5, and a single copy on 3.1.1
//!   [MQTT-3.3.4-2].
//! * The client's receive maximum limits the messages in flight to it; without one, the broker's limit
//!   applies.
//! * Messages at QoS 0 are not queued for disconnected clients.
//! * The members of a shared subscription take turns, including disconnected ones.
//!
//! Where Mosquitto 2.0 violates the standard, this broker follows the standard; the test scenarios list these
//! cases. A message at QoS 2 is delivered on arrival, as in figure 4.3 of the standard, while Mosquitto waits
//! for PUBREL.
//!
//! Modules:
//!
//! * [`packet`]: requests and replies. [`reason`]: reason codes.
//! * [`limits`]: limits of one client. [`counters`]: message counts.
//! * `crash`: a crash of the broker process. [`steps`]: what becomes of single messages.
//! * `connect`: connections and session ends, with `session`, `sessions` and `will`.
//! * `publish`: exchanges at QoS 1 and 2. `delivery`: routing to subscribers. `inflight` and `queue`: flow
//!   control.
//! * `subscribe`: subscriptions, with the tree of `subscriptions`, `filter` and `retained`.

mod connect;
pub mod counters;
mod crash;
mod delivery;
mod filter;
pub(crate) mod inflight;
pub mod limits;
pub mod packet;
mod publish;
mod queue;
pub mod reason;
mod retained;
mod session;
mod sessions;
pub mod steps;
pub(crate) mod stored;
mod subscribe;
mod subscriptions;
mod will;

use std::collections::BTreeMap;

use crate::budget::{BudgetReport, ByteBudget};
use crate::message::Message;
use crate::time::Time;
use crate::topic::{Topic, TopicFilter};
use counters::{BrokerCounters, DropReason};
use limits::BrokerLimits;
use packet::{Reply, Request};
use reason::CloseReason;
use retained::Retained;
use session::SessionKey;
use sessions::Sessions;
use steps::{BrokerStep, Steps};
use subscriptions::{Match, Subscriptions};

/// Replies in order, each with its connection.
pub type Replies<C> = Vec<(C, Reply)>;

/// An MQTT broker. `C` identifies connections; an identifier may be reused after its connection has ended.
#[derive(Debug)]
pub struct Broker<C> {
    limits: BrokerLimits,
    sessions: Sessions<C>,
    connections: BTreeMap<C, SessionKey>,
    subscriptions: Subscriptions,
    retained: Retained,
    /// Messages in flight to clients or queued for them.
    stored_budget: ByteBudget,
    subscription_budget: ByteBudget,
    /// Sessions and wills.
    session_budget: ByteBudget,
    counters: BrokerCounters,
    assigned_ids: u64,
    matches: Vec<Match>,
    steps: Steps,
}

/// Sizes of the broker's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrokerStats {
    /// Sessions, with or without a connection.
    pub sessions: usize,
    /// Sessions with a connection.
    pub connected: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Topics with a retained message.
    pub retained: usize,
    /// Copies that are queued, or in flight without an acknowledgement.
    pub waiting: u64,
    /// Bytes of the stores.
    pub bytes: StoreBytes,
}

/// State of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionReport {
    /// Whether it has a connection.
    pub connected: bool,
    /// Seconds that it outlives its connection.
    pub expiry_s: u32,
    /// Its end while it has no connection.
    pub ends_at: Option<Time>,
    /// Subscribed topic filters.
    pub filters: Vec<TopicFilter>,
    /// Messages that are queued for the client, or in flight without an acknowledgement.
    pub waiting: u64,
}

/// Bytes of the broker's stores, with their limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreBytes {
    /// Retained messages.
    pub retained: BudgetReport,
    /// Messages in flight to clients or queued for them.
    pub stored: BudgetReport,
    /// Subscriptions.
    pub subscriptions: BudgetReport,
    /// Sessions and wills.
    pub sessions: BudgetReport,
}

impl<C: Copy + Ord> Broker<C> {
    /// Creates a broker without sessions.
    pub fn new(limits: BrokerLimits) -> Self {
        Self {
            sessions: Sessions::default(),
            connections: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            retained: Retained::new(&limits),
            stored_budget: ByteBudget::new(limits.stored_bytes),
            subscription_budget: ByteBudget::new(limits.subscription_bytes),
            session_budget: ByteBudget::new(limits.session_bytes),
            limits,
            counters: BrokerCounters::default(),
            assigned_ids: 0,
            matches: Vec::new(),
            steps: Steps::default(),
        }
    }

    /// Handles a packet from a connection. Appends the broker's packets to `replies`.
    pub fn handle(&mut self, from: C, request: Request, now: Time, replies: &mut Replies<C>) {
        let Some(&key) = self.connections.get(&from) else {
            return self.handle_unconnected(from, request, now, replies);
        };
        self.record_activity(key, now);
        match request {
            // A second CONNECT [MQTT-3.1.0-2].
            Request::Connect(_) => self.close(key, CloseReason::ProtocolError, now, replies),
            Request::Publish(publish) => self.publish_from(key, publish, now, replies),
            Request::Ack(ack) => self.acknowledge(key, ack, now, replies),
            Request::Subscribe(subscribe) => self.subscribe(key, subscribe, now, replies),
            Request::Unsubscribe(unsubscribe) => self.unsubscribe(key, unsubscribe, replies),
            // [MQTT-3.12.4-1]
            Request::PingReq => replies.push((from, Reply::PingResp)),
            Request::Disconnect(disconnect) => self.disconnect(key, disconnect, now, replies),
            Request::Lost => self.detach(key, now, replies),
        }
    }

    /// Sets whether steps of single messages are collected.
    pub fn follow_messages(&mut self, follow: bool) {
        self.steps.is_followed = follow;
    }

    /// Whether steps of single messages are collected.
    pub fn follows_messages(&self) -> bool {
        self.steps.is_followed
    }

    /// Notes for the steps of a message that the transport dropped its copy for this connection.
    pub fn note_unsent(&mut self, connection: C, message: Option<&Message>, reason: DropReason) {
        if let (Some(message), Some(&key)) = (message, self.connections.get(&connection)) {
            self.dropped(key, message, reason);
        }
    }

    /// Returns and clears the collected steps of messages.
    pub fn drain_steps(&mut self) -> impl Iterator<Item = BrokerStep> + '_ {
        self.steps.drain()
    }

    /// Publishes a message on behalf of the host.
    pub fn publish(&mut self, message: Message, now: Time, replies: &mut Replies<C>) {
        self.counters.own += 1;
        // The broker never refuses a message of the host.
        let _ = self.distribute(message, None, now, replies);
    }

    /// Counts copies at QoS 0 from earlier replies as dropped. The transport reports them when its send
    /// buffer is full or when the packet exceeds the client's maximum packet size.
    pub fn record_unsent(&mut self, reason: DropReason, copies: u64) {
        self.counters.undo_delivery(reason, copies);
    }

    /// Time of the next [`wake`](Self::wake). It may be earlier than the next due work.
    pub fn next_deadline(&self) -> Option<Time> {
        self.sessions.next_wakeup()
    }

    /// Runs the due work: closes silent connections, publishes wills and ends sessions.
    pub fn wake(&mut self, now: Time, replies: &mut Replies<C>) {
        while let Some(key) = self.sessions.take_due(now) {
            self.check_session(key, now, replies);
        }
    }

    /// Closes all connections with a reason. Pending wills are discarded.
    pub fn shut_down(self, replies: &mut Replies<C>) {
        replies.extend(self.connections.keys().map(|&id| (id, Reply::Close(CloseReason::ShuttingDown))));
    }

    /// Whether a connection exists.
    pub fn is_connected(&self, connection: C) -> bool {
        self.connections.contains_key(&connection)
    }

    /// All connections in ascending order.
    pub fn connections(&self) -> impl Iterator<Item = C> {
        self.connections.keys().copied()
    }

    /// Message counts.
    pub fn counters(&self) -> &BrokerCounters {
        &self.counters
    }

    /// The retained message of a topic.
    pub fn retained(&self, topic: &Topic) -> Option<&Message> {
        self.retained.get(topic)
    }

    /// All retained messages in the order of their topics, also those that have expired.
    pub fn retained_messages(&self) -> impl Iterator<Item = &Message> {
        self.retained.iter()
    }

    /// The session of a client; `None` if there is none.
    pub fn session(&self, client_id: &str) -> Option<SessionReport> {
        let session = self.sessions.get(self.sessions.find(client_id)?)?;
        Some(SessionReport {
            connected: session.connection.is_some(),
            expiry_s: session.expiry,
            ends_at: session.ends_at,
            filters: session.filters.keys().cloned().collect(),
            waiting: session.outgoing.len() as u64,
        })
    }

    /// Sizes of the state. The cost is linear in the number of sessions.
    pub fn stats(&self) -> BrokerStats {
        let empty = BrokerStats {
            connected: self.connections.len(),
            retained: self.retained.len(),
            bytes: StoreBytes {
                retained: self.retained.report(),
                stored: self.stored_budget.report(),
                subscriptions: self.subscription_budget.report(),
                sessions: self.session_budget.report(),
            },
            ..BrokerStats::default()
        };
        self.sessions.iter().fold(empty, |stats, session| BrokerStats {
            sessions: stats.sessions + 1,
            subscriptions: stats.subscriptions + session.filters.len(),
            waiting: stats.waiting + session.outgoing.len() as u64,
            ..stats
        })
    }
}
