//! The line between a device's client and the broker, below MQTT, as a state machine.
//!
//! It carries packets in their order, each with the length that it has on the wire, and obeys the faults of the
//! byte stream: a stall, a throttle, a reset, a connection that is half open. While nothing of the kind holds
//! it hands everything on at once. It sees no clock: a driver sends packets with the time, and asks at
//! [`NetworkLink::next_deadline`] for those that have come through.
//!
//! * `queue`: the packets that go one way. [`size`]: how long they are.

mod queue;
pub mod size;

use std::collections::VecDeque;

use crate::faults::byte_stream::{LinkBreak, LinkConditions};
use crate::faults::{Direction, Directions, FaultId};
use queue::LinkQueue;
use wasmote_mqtt::broker::packet::{Publish, Reply, Request};
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;

/// A device's line. It outlives the connections that are made over it.
#[derive(Debug)]
pub struct NetworkLink {
    up: LinkQueue<(ConnectionId, Request)>,
    down: LinkQueue<(ConnectionId, Reply)>,
    /// The connection that was struck last.
    broken: Option<BrokenConnection>,
}

#[derive(Debug)]
struct BrokenConnection {
    connection: ConnectionId,
    link_break: LinkBreak,
    fault: FaultId,
}

/// What becomes of a packet that is sent.
#[derive(Debug, PartialEq)]
pub enum SendOutcome<T> {
    /// It goes on at once.
    Passed(T),
    /// It waits for its turn.
    Queued,
    /// There is no room for it, not even with its sender: a message at QoS 0.
    Full(T),
    /// It leads nowhere, for this fault.
    Dropped(T, FaultId),
}

/// Whether a packet carries a message that nobody would send again.
pub trait AtMostOnce {
    /// That message.
    fn into_qos_0_message(self) -> Option<Message>;
    /// Whether there is one.
    fn is_qos_0(&self) -> bool;
}

impl AtMostOnce for Request {
    fn into_qos_0_message(self) -> Option<Message> {
        match self {
            Self::Publish(Publish { packet_id: None, message, .. }) => Some(message),
            _ => None,
        }
    }

    fn is_qos_0(&self) -> bool {
        matches!(self, Self::Publish(publish) if publish.packet_id.is_none())
    }
}

impl AtMostOnce for Reply {
    fn into_qos_0_message(self) -> Option<Message> {
        match self {
            Self::Publish(Publish { packet_id: None, message, .. }) => Some(message),
            _ => None,
        }
    }

    fn is_qos_0(&self) -> bool {
        matches!(self, Self::Publish(publish) if publish.packet_id.is_none())
    }
}

impl NetworkLink {
    /// A line in calm weather. When its buffer is full, this many messages at QoS 0 can wait with the
    /// client, and this many with the broker; what has to be acknowledged always can.
    pub fn new(client_capacity: usize, broker_capacity: usize) -> Self {
        Self { up: LinkQueue::new(client_capacity), down: LinkQueue::new(broker_capacity), broken: None }
    }

    /// What it does with bytes from now on.
    pub fn set_conditions(&mut self, conditions: LinkConditions, now: Time) {
        self.up.set_conditions(conditions.outbound, now);
        self.down.set_conditions(conditions.inbound, now);
    }

    /// The client sends a packet.
    pub fn send_up(
        &mut self,
        connection: ConnectionId,
        request: Request,
        protocol: Protocol,
        now: Time,
    ) -> SendOutcome<Request> {
        if let Some(fault) = self.dropping_fault(connection, Direction::Out) {
            return SendOutcome::Dropped(request, fault.clone());
        }
        if request == Request::Lost && self.up.contains(|it| is_connect_of(connection, it)) {
            // A connection that never came about leaves nothing behind.
            self.up.remove(|it| it.0 == connection);
            return SendOutcome::Queued;
        }
        let droppable = request.is_qos_0();
        outcome(self.up.enqueue(
            (connection, request),
            |it| size::of_request(&it.1, protocol),
            droppable,
            now,
        ))
    }

    /// The broker sends a packet.
    pub fn send_down(
        &mut self,
        connection: ConnectionId,
        reply: Reply,
        protocol: Protocol,
        now: Time,
    ) -> SendOutcome<Reply> {
        if let Some(fault) = self.dropping_fault(connection, Direction::In) {
            return SendOutcome::Dropped(reply, fault.clone());
        }
        let droppable = reply.is_qos_0();
        outcome(self.down.enqueue((connection, reply), |it| size::of_reply(&it.1, protocol), droppable, now))
    }

    /// When the next packet will have come through.
    pub fn next_deadline(&self) -> Option<Time> {
        [self.up.next_due(), self.down.next_due()].into_iter().flatten().min()
    }

    /// Take a packet that has come through to the broker, if one has.
    pub fn take_up(&mut self, now: Time) -> Option<(ConnectionId, Request)> {
        self.up.take_due(now)
    }

    /// Take a packet that has come through to the client, if one has.
    pub fn take_down(&mut self, now: Time) -> Option<(ConnectionId, Reply)> {
        self.down.take_due(now)
    }

    /// Strike a connection. What it takes of what waited here and would not be sent again is returned.
    pub fn break_link(
        &mut self,
        connection: ConnectionId,
        link_break: LinkBreak,
        fault: FaultId,
    ) -> Vec<(Direction, Message)> {
        let link_break = match (&self.broken, link_break) {
            (
                Some(BrokenConnection { connection: before, link_break: LinkBreak::HalfOpen(old), .. }),
                LinkBreak::HalfOpen(new),
            ) if *before == connection && *old != new => LinkBreak::HalfOpen(Directions::Both),
            (Some(BrokenConnection { connection: before, link_break: LinkBreak::Reset, .. }), _)
                if *before == connection =>
            {
                return Vec::new();
            }
            (_, link_break) => link_break,
        };
        self.broken = Some(BrokenConnection { connection, link_break, fault });
        let mut taken = Vec::new();
        if self.dropping_fault(connection, Direction::Out).is_some() {
            let up = messages(self.up.remove(|it| it.0 == connection));
            taken.extend(up.map(|message| (Direction::Out, message)));
        }
        if self.dropping_fault(connection, Direction::In).is_some() {
            let down = messages(self.down.remove(|it| it.0 == connection));
            taken.extend(down.map(|message| (Direction::In, message)));
        }
        taken
    }

    /// The fault that takes what is sent this way on a connection, if one does.
    fn dropping_fault(&self, connection: ConnectionId, direction: Direction) -> Option<&FaultId> {
        let broken = self.broken.as_ref().filter(|broken| broken.connection == connection)?;
        let takes = match broken.link_break {
            LinkBreak::Reset => true,
            LinkBreak::HalfOpen(directions) => directions.include(direction),
        };
        takes.then_some(&broken.fault)
    }

    /// The fault that takes what had already left the line, if the connection was reset since.
    pub fn reset_fault(&self, connection: ConnectionId) -> Option<&FaultId> {
        let broken = self.broken.as_ref().filter(|broken| broken.connection == connection)?;
        (broken.link_break == LinkBreak::Reset).then_some(&broken.fault)
    }
}

fn is_connect_of(connection: ConnectionId, (of, request): &(ConnectionId, Request)) -> bool {
    *of == connection && matches!(request, Request::Connect(_))
}

fn outcome<T>(offered: Result<Option<(ConnectionId, T)>, (ConnectionId, T)>) -> SendOutcome<T> {
    match offered {
        Ok(Some((_, packet))) => SendOutcome::Passed(packet),
        Ok(None) => SendOutcome::Queued,
        Err((_, packet)) => SendOutcome::Full(packet),
    }
}

fn messages<T: AtMostOnce>(packets: VecDeque<(ConnectionId, T)>) -> impl Iterator<Item = Message> {
    packets.into_iter().filter_map(|(_, packet)| packet.into_qos_0_message())
}
