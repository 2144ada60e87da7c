//! An MQTT broker as a state machine: faithful to MQTT 5, without a clock, a socket or a thread.
//!
//! It never waits. A driver hands it what a connection sent, with the time; what it has to say to any
//! connection comes out in order; and it wants to be woken at [`Broker::next_deadline`]. Connections are
//! whatever the driver calls them, `C`. Clients of MQTT 3.1.1 are understood in terms of MQTT 5 as they
//! come in, and served within what 3.1.1 knows as they go out; there is one core.
//!
//! Rules of the standard stand beside the code that keeps them, as `[MQTT-x.y.z-n]`. Where the standard
//! leaves a choice, the broker does as Mosquitto 2 does by default:
//!
//! * Overlapping subscriptions of one client give one copy each on MQTT 5, and one copy in all on 3.1.1
//!   [MQTT-3.3.4-2].
//! * How many messages are under way to a client is for the client to say; otherwise a limit holds.
//! * Messages at QoS 0 do not wait for an absent client.
//! * The members of a shared subscription take turns, the absent ones included.
//!
//! Where Mosquitto 2.0 does not keep to the standard, this broker does; the scenarios in the tests say which
//! those are. And a message at QoS 2 goes on its way when it arrives, as in figure 4.3 of the standard, while
//! Mosquitto waits for its release.
//!
//! The map:
//!
//! * What comes in and goes out: [`packet`], with its [`reason`] codes.
//! * What a client may use: [`limits`]. What became of the messages: [`counters`].
//! * Its own end: `crash`.
//! * Coming and going: `connect`, with `session` and `sessions`, and their `will`.
//! * Publishing: `publish` (QoS 1 and 2), `delivery` (to whom), `inflight` and `queue` (when).
//! * Asking for messages: `subscribe`, with the tree of `subscriptions`, `filter` and `retained`.

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
pub(crate) mod stored;
mod subscribe;
mod subscriptions;
mod will;

use std::collections::BTreeMap;

use crate::message::Message;
use crate::time::Time;
use crate::topic::Topic;
use counters::{BrokerCounters, DropReason};
use limits::BrokerLimits;
use packet::{Reply, Request};
use reason::CloseReason;
use retained::Retained;
use session::SessionKey;
use sessions::Sessions;
use subscriptions::{Match, Subscriptions};

/// What the broker has to say, and to which connection, in order.
pub type Replies<C> = Vec<(C, Reply)>;

/// A broker. `C` names connections; a name may be used again once its connection is over.
#[derive(Debug)]
pub struct Broker<C> {
    limits: BrokerLimits,
    sessions: Sessions<C>,
    connections: BTreeMap<C, SessionKey>,
    subscriptions: Subscriptions,
    retained: Retained,
    counters: BrokerCounters,
    assigned_ids: u64,
    matches: Vec<Match>,
}

/// How much the broker holds.
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
    /// Copies that are queued, or under way without an acknowledgement.
    pub waiting: u64,
}

impl<C: Copy + Ord> Broker<C> {
    /// A broker that nobody has connected to.
    pub fn new(limits: BrokerLimits) -> Self {
        Self {
            limits,
            sessions: Sessions::default(),
            connections: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            retained: Retained::default(),
            counters: BrokerCounters::default(),
            assigned_ids: 0,
            matches: Vec::new(),
        }
    }

    /// Deal with what a connection sent. What the broker has to say is added to `replies`.
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

    /// Publish a message of the host's own.
    pub fn publish(&mut self, message: Message, now: Time, replies: &mut Replies<C>) {
        self.counters.own += 1;
        self.distribute(message, None, now, replies);
    }

    /// Copies at QoS 0 that were among the replies could not be sent: the door had no room for them, or the
    /// client takes no packet so large. They count as dropped.
    pub fn record_unsent(&mut self, reason: DropReason, copies: u64) {
        self.counters.undo_delivery(reason, copies);
    }

    /// When it wants to be woken. It may turn out then that there is nothing to do.
    pub fn next_deadline(&self) -> Option<Time> {
        self.sessions.next_wakeup()
    }

    /// Do what is due: give up silent clients, publish wills, end sessions.
    pub fn wake(&mut self, now: Time, replies: &mut Replies<C>) {
        while let Some(key) = self.sessions.take_due(now) {
            self.check_session(key, now, replies);
        }
    }

    /// End, and say so to everyone. Wills go with the broker.
    pub fn shut_down(self, replies: &mut Replies<C>) {
        replies.extend(self.connections.keys().map(|&id| (id, Reply::Close(CloseReason::ShuttingDown))));
    }

    /// Whether a connection is known.
    pub fn is_connected(&self, connection: C) -> bool {
        self.connections.contains_key(&connection)
    }

    /// All connections, in their order.
    pub fn connections(&self) -> impl Iterator<Item = C> {
        self.connections.keys().copied()
    }

    /// The account of its messages.
    pub fn counters(&self) -> &BrokerCounters {
        &self.counters
    }

    /// The retained message of a topic.
    pub fn retained(&self, topic: &Topic) -> Option<&Message> {
        self.retained.get(topic)
    }

    /// Count what it holds. This goes through all sessions.
    pub fn stats(&self) -> BrokerStats {
        let empty = BrokerStats {
            connected: self.connections.len(),
            retained: self.retained.len(),
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
