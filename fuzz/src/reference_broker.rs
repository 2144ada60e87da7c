//! Reference broker: the simplest broker that behaves as the model is documented to.
//!
//! It searches lists from one end to the other, has no tree of filters, no schedule of wakeups and no keys of sessions.
//! Times are nanoseconds. It shares types with the model, and none of its code.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use wasmote_mqtt::broker::limits::{BrokerLimits, MAX_FILTER_LEVELS};
use wasmote_mqtt::broker::packet::{
    Ack, AckStep, ConnAck, Connect, Disconnect, NEVER, PacketId, Publish, Reply, Request, RetainHandling,
    SubAck, Subscribe, SubscribeOptions, Unsubscribe,
};
use wasmote_mqtt::broker::reason::{AckReason, CloseReason, ConnectRefusal, SubscribeRefusal};
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::TopicFilter;

use crate::targets::is_match;

/// Replies in order, each with its connection.
pub type Replies = Vec<(u32, Reply)>;

/// The broker.
#[derive(Debug)]
pub struct ReferenceBroker {
    limits: BrokerLimits,
    sessions: Vec<Session>,
    /// Shared subscriptions in the order of their first member.
    shared: Vec<Shared>,
    retained: BTreeMap<String, Stored>,
    assigned: u64,
}

#[derive(Debug)]
struct Session {
    client: String,
    protocol: Protocol,
    connection: Option<Connection>,
    expiry: u32,
    ends_at: Option<Time>,
    will: Option<(Message, Time)>,
    subscriptions: Vec<Subscription>,
    in_flight: Vec<InFlight>,
    queue: VecDeque<Stored>,
    window: usize,
    last_id: u16,
    received: BTreeSet<PacketId>,
}

#[derive(Debug)]
struct Connection {
    id: u32,
    will: Option<wasmote_mqtt::message::Will>,
    timeout: Option<Duration>,
    heard: Time,
}

#[derive(Clone, Debug)]
struct Subscription {
    filter: String,
    options: SubscribeOptions,
    identifier: Option<u32>,
}

#[derive(Debug)]
struct Shared {
    group: String,
    pattern: String,
    /// The member whose turn is next comes first.
    members: VecDeque<(String, Subscription)>,
}

#[derive(Clone, Debug)]
struct Stored {
    message: Message,
    expires_at: Option<Time>,
    identifier: Option<u32>,
}

#[derive(Debug)]
struct InFlight {
    id: PacketId,
    stored: Stored,
    state: State,
    in_window: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Resend,
    Published,
    Released,
}

impl Stored {
    fn new(message: Message, now: Time) -> Self {
        let expiry = message.properties.as_ref().and_then(|it| it.message_expiry);
        let expires_at = expiry.map(|seconds| now + Duration::from_secs(seconds.into()));
        Self { message, expires_at, identifier: None }
    }

    fn is_expired(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// PUBLISH of this copy, with the rest of its expiry interval in whole seconds, rounded up.
    fn publish(
        &self,
        protocol: Protocol,
        id: Option<PacketId>,
        duplicate: bool,
        now: Option<Time>,
    ) -> Publish {
        let mut message = self.message.clone();
        if let (Some(at), Some(now), Some(properties)) = (self.expires_at, now, &mut message.properties) {
            properties.message_expiry = Some(at.since(now).as_nanos().div_ceil(1_000_000_000) as u32);
        }
        let mut subscription_ids: Vec<u32> = self.identifier.into_iter().collect();
        if protocol == Protocol::V4 {
            message.properties = None;
            subscription_ids.clear();
        }
        Publish { packet_id: id, duplicate, message, subscription_ids }
    }
}

impl ReferenceBroker {
    /// A broker without sessions.
    pub fn new(limits: BrokerLimits) -> Self {
        Self { limits, sessions: Vec::new(), shared: Vec::new(), retained: BTreeMap::new(), assigned: 0 }
    }

    /// Copies that are queued or in flight.
    pub fn waiting(&self) -> u64 {
        self.sessions.iter().map(|session| (session.in_flight.len() + session.queue.len()) as u64).sum()
    }

    /// Sessions, with or without a connection.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Handles a packet.
    pub fn handle(&mut self, from: u32, request: Request, now: Time, out: &mut Replies) {
        let Some(at) = self.connected(from) else {
            return match request {
                Request::Connect(connect) => self.connect(from, *connect, now, out),
                Request::Lost => {}
                _ => out.push((from, Reply::Close(CloseReason::ProtocolError))),
            };
        };
        if let Some(connection) = &mut self.sessions[at].connection {
            connection.heard = now;
        }
        match request {
            Request::Connect(_) => self.close(at, CloseReason::ProtocolError, now, out),
            Request::Publish(publish) => self.publish_from(at, publish, now, out),
            Request::Ack(ack) => self.acknowledge(at, ack, now, out),
            Request::Subscribe(subscribe) => self.subscribe(at, subscribe, now, out),
            Request::Unsubscribe(unsubscribe) => self.unsubscribe(at, &unsubscribe, out),
            Request::PingReq => out.push((from, Reply::PingResp)),
            Request::Disconnect(disconnect) => self.disconnect(at, disconnect, now, out),
            Request::Lost => self.detach(at, now, out),
        }
    }

    /// Publishes a message of the host.
    pub fn publish(&mut self, message: Message, now: Time, out: &mut Replies) {
        self.distribute(message, None, now, out);
    }

    /// Does what is due at `now`: keepalives, wills and ends of sessions.
    pub fn tick(&mut self, now: Time, out: &mut Replies) {
        let due = |session: &Session| {
            let silent = session.connection.as_ref().and_then(|it| Some(it.heard + it.timeout?));
            [silent, session.will.as_ref().map(|will| will.1), session.ends_at].into_iter().flatten().min()
        };
        while let Some(at) =
            self.sessions.iter().position(|session| due(session).is_some_and(|due| due <= now))
        {
            let session = &self.sessions[at];
            if session.connection.is_some() {
                self.close(at, CloseReason::KeepAliveTimeout, now, out);
            } else {
                self.run_due(at, now, out);
            }
        }
    }

    fn connected(&self, id: u32) -> Option<usize> {
        self.sessions
            .iter()
            .position(|it| it.connection.as_ref().is_some_and(|connection| connection.id == id))
    }

    fn session(&self, client: &str) -> Option<usize> {
        self.sessions.iter().position(|session| session.client == client)
    }

    fn connect(&mut self, from: u32, mut connect: Connect, now: Time, out: &mut Replies) {
        let is_v5 = connect.protocol == Protocol::V5;
        if !is_v5 {
            connect.session_expiry = if connect.clean_start { 0 } else { NEVER };
            connect.receive_maximum = None;
            if let Some(will) = &mut connect.will {
                will.delay = 0;
            }
        }
        let assigned = connect.client_id.is_empty();
        if assigned && !is_v5 && !connect.clean_start {
            return out.push((from, Reply::Refused(ConnectRefusal::ClientIdInvalid)));
        }
        if assigned {
            self.assigned += 1;
            connect.client_id = format!("auto-{}", self.assigned).into();
        }
        let longest = self.limits.keep_alive.map(u16::from).filter(|_| is_v5);
        let server_keep_alive = longest.filter(|most| connect.keep_alive == 0 || connect.keep_alive > *most);
        let keep_alive = server_keep_alive.unwrap_or(connect.keep_alive);
        if let Some(at) = self.session(&connect.client_id)
            && self.sessions[at].connection.is_some()
        {
            self.close(at, CloseReason::SessionTakenOver, now, out);
        }
        if connect.clean_start
            && let Some(at) = self.session(&connect.client_id)
        {
            self.end(at, now, out);
        }
        let found = self.session(&connect.client_id);
        let at = found.unwrap_or_else(|| {
            self.sessions.push(Session {
                client: connect.client_id.to_string(),
                protocol: connect.protocol,
                connection: None,
                expiry: 0,
                ends_at: None,
                will: None,
                subscriptions: Vec::new(),
                in_flight: Vec::new(),
                queue: VecDeque::new(),
                window: 0,
                last_id: 0,
                received: BTreeSet::new(),
            });
            self.sessions.len() - 1
        });
        let accepted = ConnAck {
            session_present: found.is_some(),
            assigned_client_id: assigned.then(|| connect.client_id.clone()),
            receive_maximum: self.limits.receive_maximum,
            server_keep_alive,
        };
        out.push((from, Reply::ConnAck(accepted)));
        let session = &mut self.sessions[at];
        session.protocol = connect.protocol;
        session.expiry = connect.session_expiry;
        (session.will, session.ends_at) = (None, None);
        session.window = connect.receive_maximum.unwrap_or(self.limits.inflight).get().into();
        let timeout = (keep_alive > 0).then(|| Duration::from_millis(u64::from(keep_alive) * 1_500));
        session.connection = Some(Connection { id: from, will: connect.will, timeout, heard: now });
        for entry in &mut session.in_flight {
            entry.in_window = false;
            if entry.state == State::Released {
                out.push((from, Reply::Ack(Ack::new(AckStep::PubRel, entry.id))));
            } else {
                entry.state = State::Resend;
            }
        }
        self.pump(at, now, out);
    }

    fn disconnect(&mut self, at: usize, disconnect: Disconnect, now: Time, out: &mut Replies) {
        let session = &mut self.sessions[at];
        match disconnect.session_expiry {
            Some(1..) if session.expiry == 0 => return self.close(at, CloseReason::ProtocolError, now, out),
            Some(seconds) => session.expiry = seconds,
            None => {}
        }
        if !disconnect.with_will
            && let Some(connection) = &mut session.connection
        {
            connection.will = None;
        }
        self.detach(at, now, out);
    }

    fn close(&mut self, at: usize, reason: CloseReason, now: Time, out: &mut Replies) {
        out.extend(self.sessions[at].connection.as_ref().map(|it| (it.id, Reply::Close(reason))));
        self.detach(at, now, out);
    }

    fn detach(&mut self, at: usize, now: Time, out: &mut Replies) {
        let session = &mut self.sessions[at];
        if let Some(connection) = session.connection.take() {
            session.will =
                connection.will.map(|will| (will.message, now + Duration::from_secs(will.delay.into())));
            session.ends_at =
                (session.expiry != NEVER).then(|| now + Duration::from_secs(session.expiry.into()));
        }
        self.run_due(at, now, out);
    }

    fn run_due(&mut self, at: usize, now: Time, out: &mut Replies) {
        if self.sessions[at].ends_at.is_some_and(|end| end <= now) {
            return self.end(at, now, out);
        }
        if let Some((message, _)) = self.sessions[at].will.take_if(|will| will.1 <= now) {
            self.distribute(message, Some(at), now, out);
        }
    }

    fn end(&mut self, at: usize, now: Time, out: &mut Replies) {
        let session = self.sessions.remove(at);
        for shared in &mut self.shared {
            shared.members.retain(|(member, _)| *member != session.client);
        }
        self.shared.retain(|shared| !shared.members.is_empty());
        if let Some((message, _)) = session.will {
            self.distribute(message, None, now, out);
        }
    }

    fn publish_from(&mut self, at: usize, publish: Publish, now: Time, out: &mut Replies) {
        let Some(from) = self.sessions[at].connection.as_ref().map(|it| it.id) else { return };
        let answer = |step, packet_id, reason| (from, Reply::Ack(Ack { step, packet_id, reason }));
        let wanted = |any| if any { AckReason::Success } else { AckReason::NoMatchingSubscribers };
        let is_reserved = publish.message.topic.as_str().starts_with("$SYS/");
        match (publish.message.qos, publish.packet_id) {
            (Qos::AtMostOnce, _) if is_reserved => {}
            (Qos::AtMostOnce, _) => drop(self.distribute(publish.message, Some(at), now, out)),
            (_, None) if !is_reserved => self.close(at, CloseReason::ProtocolError, now, out),
            (_, None) => {}
            (qos, Some(id)) if is_reserved => {
                let step = if qos == Qos::AtLeastOnce { AckStep::PubAck } else { AckStep::PubRec };
                out.push(answer(step, id, AckReason::NotAuthorized));
            }
            (Qos::AtLeastOnce, Some(id)) => {
                let any = self.distribute(publish.message, Some(at), now, out);
                out.push(answer(AckStep::PubAck, id, wanted(any)));
            }
            (Qos::ExactlyOnce, Some(id)) => {
                let session = &mut self.sessions[at];
                let is_new = session.received.insert(id);
                let most = usize::from(self.limits.receive_maximum.get());
                if session.received.len() > most && session.protocol == Protocol::V5 {
                    return self.close(at, CloseReason::ReceiveMaximumExceeded, now, out);
                }
                let any = !is_new || self.distribute(publish.message, Some(at), now, out);
                out.push(answer(AckStep::PubRec, id, wanted(any)));
            }
        }
    }

    fn acknowledge(&mut self, at: usize, ack: Ack, now: Time, out: &mut Replies) {
        let session = &mut self.sessions[at];
        let Some(from) = session.connection.as_ref().map(|it| it.id) else { return };
        let answer = |step, reason| (from, Reply::Ack(Ack { step, packet_id: ack.packet_id, reason }));
        let known = if session.received.contains(&ack.packet_id) {
            AckReason::Success
        } else {
            AckReason::PacketIdNotFound
        };
        let found = session.in_flight.iter().position(|entry| entry.id == ack.packet_id);
        let qos_and_state =
            found.map(|at| (session.in_flight[at].stored.message.qos, session.in_flight[at].state));
        match (ack.step, qos_and_state, found) {
            (AckStep::PubRel, _, _) => {
                session.received.remove(&ack.packet_id);
                return out.push(answer(AckStep::PubComp, known));
            }
            (AckStep::PubAck, Some((Qos::AtLeastOnce, State::Published)), Some(found))
            | (AckStep::PubComp, Some((Qos::ExactlyOnce, State::Released)), Some(found)) => {
                session.in_flight.remove(found);
            }
            (AckStep::PubRec, Some((Qos::ExactlyOnce, State::Published | State::Released)), Some(found)) => {
                if ack.reason.is_error() {
                    session.in_flight.remove(found);
                } else {
                    session.in_flight[found].state = State::Released;
                    out.push(answer(AckStep::PubRel, AckReason::Success));
                }
            }
            (AckStep::PubRec, _, _) => out.push(answer(AckStep::PubRel, AckReason::PacketIdNotFound)),
            _ => {}
        }
        self.pump(at, now, out);
    }

    fn subscribe(&mut self, at: usize, subscribe: Subscribe, now: Time, out: &mut Replies) {
        let Some(from) = self.sessions[at].connection.as_ref().map(|it| it.id) else { return };
        if subscribe
            .filters
            .iter()
            .any(|(it, options)| it.as_str().starts_with("$share/") && options.no_local)
        {
            return self.close(at, CloseReason::ProtocolError, now, out);
        }
        let (mut granted, mut retained) = (Vec::new(), Vec::new());
        for (filter, options) in subscribe.filters {
            let added = Subscription {
                filter: filter.as_str().to_owned(),
                options,
                identifier: subscribe.identifier,
            };
            granted.push(self.add(at, &filter, added, now, &mut retained));
        }
        out.push((from, Reply::SubAck(SubAck { packet_id: subscribe.packet_id, granted })));
        for stored in retained {
            self.deliver(at, stored, now, out);
        }
    }

    fn add(
        &mut self,
        at: usize,
        filter: &TopicFilter,
        added: Subscription,
        now: Time,
        retained: &mut Vec<Stored>,
    ) -> Result<Qos, SubscribeRefusal> {
        let (group, pattern) = split(filter.as_str()).ok_or(SubscribeRefusal::TopicFilterInvalid)?;
        if pattern.split('/').count() > MAX_FILTER_LEVELS {
            return Err(SubscribeRefusal::TopicFilterInvalid);
        }
        let session = &mut self.sessions[at];
        let known = session.subscriptions.iter().position(|it| it.filter == added.filter);
        match known {
            Some(known) => session.subscriptions[known] = added.clone(),
            None => session.subscriptions.push(added.clone()),
        }
        let Some(group) = group else {
            let wanted = match added.options.retain_handling {
                RetainHandling::Always => true,
                RetainHandling::IfNew => known.is_none(),
                RetainHandling::Never => false,
            };
            self.retained.retain(|_, stored| !stored.is_expired(now));
            for stored in self.retained.values().filter(|_| wanted) {
                if is_match(pattern, stored.message.topic.as_str()) {
                    let mut copy = stored.clone();
                    copy.message.qos = copy.message.qos.min(added.options.qos);
                    copy.message.retain = true;
                    copy.identifier = added.identifier;
                    retained.push(copy);
                }
            }
            return Ok(added.options.qos);
        };
        let client = session.client.clone();
        let qos = added.options.qos;
        let shared = match self.shared.iter().position(|it| it.group == group && it.pattern == pattern) {
            Some(at) => &mut self.shared[at],
            None => {
                let members = VecDeque::new();
                self.shared.push(Shared { group: group.to_owned(), pattern: pattern.to_owned(), members });
                self.shared.last_mut().expect("it was just added")
            }
        };
        match shared.members.iter_mut().find(|(member, _)| *member == client) {
            Some(member) => member.1 = added,
            None => shared.members.push_back((client, added)),
        }
        Ok(qos)
    }

    fn unsubscribe(&mut self, at: usize, unsubscribe: &Unsubscribe, out: &mut Replies) {
        let session = &mut self.sessions[at];
        let Some(from) = session.connection.as_ref().map(|it| it.id) else { return };
        let mut existed = Vec::new();
        for filter in &unsubscribe.filters {
            let before = session.subscriptions.len();
            session.subscriptions.retain(|it| it.filter != filter.as_str());
            existed.push(Ok(session.subscriptions.len() < before));
            for shared in &mut self.shared {
                if split(filter.as_str()) == Some((Some(&shared.group), &shared.pattern)) {
                    shared.members.retain(|(member, _)| *member != session.client);
                }
            }
            self.shared.retain(|shared| !shared.members.is_empty());
        }
        out.push((from, Reply::UnsubAck(unsubscribe.packet_id, existed)));
    }

    /// Delivers a message to its subscribers. False if there is none.
    fn distribute(&mut self, message: Message, from: Option<usize>, now: Time, out: &mut Replies) -> bool {
        let stored = Stored::new(message, now);
        let topic = stored.message.topic.as_str().to_owned();
        if stored.message.retain && stored.message.payload.is_empty() {
            self.retained.remove(&topic);
        } else if stored.message.retain {
            self.retained.insert(topic.clone(), stored.clone());
        }
        let mut copies: Vec<(usize, Stored)> = Vec::new();
        for (at, session) in self.sessions.iter().enumerate() {
            let is_own = Some(at) == from;
            let mut direct: Vec<&Subscription> = session
                .subscriptions
                .iter()
                .filter(|it| {
                    !matches!(split(&it.filter), None | Some((Some(_), _))) && is_match(&it.filter, &topic)
                })
                .filter(|it| !(it.options.no_local && is_own))
                .collect();
            direct.sort_by_key(|it| specificity(&it.filter));
            if session.protocol == Protocol::V4 && direct.len() > 1 {
                let qos = direct.iter().map(|it| it.options.qos).max().unwrap_or_default();
                let mut merged = copy_for(&stored, direct[0]);
                merged.message.qos = stored.message.qos.min(qos);
                copies.push((at, merged));
            } else {
                copies.extend(direct.iter().map(|it| (at, copy_for(&stored, it))));
            }
        }
        let mut matching: Vec<&mut Shared> =
            self.shared.iter_mut().filter(|shared| is_match(&shared.pattern, &topic)).collect();
        matching.sort_by_key(|shared| specificity(&shared.pattern));
        for shared in matching {
            let Some(member) = shared.members.pop_front() else { continue };
            let at = self
                .sessions
                .iter()
                .position(|session| session.client == member.0)
                .expect("a member has a session");
            copies.push((at, copy_for(&stored, &member.1)));
            shared.members.push_back(member);
        }
        let any = !copies.is_empty();
        for (at, copy) in copies {
            self.deliver(at, copy, now, out);
        }
        any
    }

    fn deliver(&mut self, at: usize, stored: Stored, now: Time, out: &mut Replies) {
        let session = &mut self.sessions[at];
        match (&session.connection, stored.message.qos) {
            (Some(connection), Qos::AtMostOnce) => {
                out.push((
                    connection.id,
                    Reply::Publish(stored.publish(session.protocol, None, false, None)),
                ));
            }
            (None, Qos::AtMostOnce) if !self.limits.queue_qos_0 => {}
            _ => {
                if session.queue.len() >= self.limits.queued {
                    session.queue.retain(|stored| !stored.is_expired(now));
                }
                if session.queue.len() < self.limits.queued {
                    session.queue.push_back(stored);
                    self.pump(at, now, out);
                }
            }
        }
    }

    /// Sends waiting copies as far as the window allows.
    fn pump(&mut self, at: usize, now: Time, out: &mut Replies) {
        let session = &mut self.sessions[at];
        let Some(from) = session.connection.as_ref().map(|it| it.id) else { return };
        let protocol = session.protocol;
        let room =
            |in_flight: &[InFlight]| in_flight.iter().filter(|it| it.in_window).count() < session.window;
        for index in 0..session.in_flight.len() {
            if session.in_flight[index].state == State::Resend && room(&session.in_flight) {
                let entry = &mut session.in_flight[index];
                (entry.state, entry.in_window) = (State::Published, true);
                out.push((
                    from,
                    Reply::Publish(entry.stored.publish(protocol, Some(entry.id), true, Some(now))),
                ));
            }
        }
        while room(&session.in_flight) && session.in_flight.len() < session.window {
            let Some(stored) = session.queue.pop_front() else { break };
            if stored.is_expired(now) {
                continue;
            }
            if stored.message.qos == Qos::AtMostOnce {
                out.push((from, Reply::Publish(stored.publish(protocol, None, false, Some(now)))));
                continue;
            }
            let id = loop {
                session.last_id = session.last_id.wrapping_add(1);
                let id = PacketId::new(session.last_id);
                if let Some(id) = id.filter(|id| session.in_flight.iter().all(|entry| entry.id != *id)) {
                    break id;
                }
            };
            out.push((from, Reply::Publish(stored.publish(protocol, Some(id), false, Some(now)))));
            session.in_flight.push(InFlight { id, stored, state: State::Published, in_window: true });
        }
    }
}

/// Copy of a message for a subscription.
fn copy_for(stored: &Stored, subscription: &Subscription) -> Stored {
    let mut copy = stored.clone();
    copy.message.qos = copy.message.qos.min(subscription.options.qos);
    copy.message.retain &= subscription.options.retain_as_published;
    copy.identifier = subscription.identifier;
    copy
}

/// Group and pattern of a filter; `None` for a shared subscription without one of them.
fn split(filter: &str) -> Option<(Option<&str>, &str)> {
    let levels: Vec<&str> = filter.splitn(3, '/').collect();
    match levels[..] {
        ["$share", group, pattern]
            if !group.is_empty() && !group.contains(['+', '#']) && !pattern.is_empty() =>
        {
            Some((Some(group), pattern))
        }
        ["$share", _, ..] => None,
        _ => Some((None, filter)),
    }
}

/// Order of a client's copies of one message: at the first level that differs, `#`, then the level itself or the end of the
/// filter, then `+`.
fn specificity(filter: &str) -> Vec<u8> {
    let rank = |level| match level {
        "#" => 0,
        "+" => 2,
        _ => 1,
    };
    filter.split('/').map(rank).chain([1]).collect()
}
