//! Network link between a device's client and the broker, below MQTT, as a state machine.
//!
//! The link forwards packets in order, with their length on the wire, and applies the faults of the byte
//! stream: stalls, throttles, resets and half-open connections. Without faults it forwards everything at
//! once. The driver passes in packets with the current time, and takes forwarded packets at
//! [`NetworkLink::next_deadline`].
//!
//! * `queue`: packets of one direction. [`size`]: lengths of packets.

mod queue;
pub mod size;

use std::collections::VecDeque;

use wasmote_mqtt::broker::packet::{Publish, Reply, Request};
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;

use crate::faults::byte_stream::{LinkBreak, LinkConditions};
use crate::faults::{Direction, Directions, FaultId};
use queue::LinkQueue;

/// Link of one device. It outlives the connections over it.
#[derive(Debug)]
pub struct NetworkLink {
    up: LinkQueue<(ConnectionId, Request)>,
    down: LinkQueue<(ConnectionId, Reply)>,
    /// The most recently broken connection.
    broken: Option<BrokenConnection>,
}

#[derive(Debug)]
struct BrokenConnection {
    connection: ConnectionId,
    link_break: LinkBreak,
    fault: FaultId,
}

/// Result of sending a packet.
#[derive(Debug, PartialEq)]
pub enum SendOutcome<T> {
    /// The packet is forwarded at once.
    Passed(T),
    /// The packet is queued.
    Queued,
    /// A message at QoS 0 is rejected: the buffer and the sender's queue are full.
    Full(T),
    /// This fault drops the packet.
    Dropped(T, FaultId),
}

/// Access to messages at QoS 0, which are not retransmitted.
pub trait AtMostOnce {
    /// The packet's message, if it is at QoS 0.
    fn into_qos_0_message(self) -> Option<Message>;
    /// Whether the packet carries a message at QoS 0.
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
    /// A link without faults. When its buffer is full, these numbers of messages at QoS 0 can wait at the
    /// client and at the broker. Packets that must be acknowledged are always accepted.
    pub fn new(client_capacity: usize, broker_capacity: usize) -> Self {
        Self { up: LinkQueue::new(client_capacity), down: LinkQueue::new(broker_capacity), broken: None }
    }

    /// Sets the conditions of the link.
    pub fn set_conditions(&mut self, conditions: LinkConditions, now: Time) {
        self.up.set_conditions(conditions.outbound, now);
        self.down.set_conditions(conditions.inbound, now);
    }

    /// Sends a packet of the client.
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
            // A connection that was never established leaves no packets.
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

    /// Sends a packet of the broker.
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

    /// Time at which the next packet arrives.
    pub fn next_deadline(&self) -> Option<Time> {
        [self.up.next_due(), self.down.next_due()].into_iter().flatten().min()
    }

    /// Returns a packet that has arrived at the broker, if any.
    pub fn take_up(&mut self, now: Time) -> Option<(ConnectionId, Request)> {
        self.up.take_due(now)
    }

    /// Returns a packet that has arrived at the client, if any.
    pub fn take_down(&mut self, now: Time) -> Option<(ConnectionId, Reply)> {
        self.down.take_due(now)
    }

    /// Breaks a connection. Returns the lost messages that would not be retransmitted.
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

    /// The fault that drops packets of a connection in this direction, if any.
    fn dropping_fault(&self, connection: ConnectionId, direction: Direction) -> Option<&FaultId> {
        let broken = self.broken.as_ref().filter(|broken| broken.connection == connection)?;
        let takes = match broken.link_break {
            LinkBreak::Reset => true,
            LinkBreak::HalfOpen(directions) => directions.include(direction),
        };
        takes.then_some(&broken.fault)
    }

    /// The fault that reset this connection, if any. It drops packets that had already left the link.
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
