//! The line between a device's client and the broker, below MQTT, as a state machine.
//!
//! It carries packets in their order, each with the length that it has on the wire, and obeys the faults of the
//! byte stream: a stall, a throttle, a reset, a connection that is half open. While nothing of the kind holds
//! it hands everything on at once. It sees no clock: a driver sends packets with the time, and asks at
//! [`Line::next_deadline`] for those that have come through.
//!
//! * `way`: the packets that go one way. [`size`]: how long they are.

pub mod size;
mod way;

use std::collections::VecDeque;

use crate::broker::packet::{Publish, Reply, Request};
use crate::client::link::LinkId;
use crate::context::Protocol;
use crate::faults::byte_stream::{Blow, Weather};
use crate::faults::{Direction, Directions, FaultId};
use crate::message::Message;
use crate::time::Time;
use way::Way;

/// A device's line. It outlives the connections that are made over it.
#[derive(Debug)]
pub struct Line {
    up: Way<(LinkId, Request)>,
    down: Way<(LinkId, Reply)>,
    /// The connection that was struck last.
    struck: Option<Struck>,
}

#[derive(Debug)]
struct Struck {
    link: LinkId,
    blow: Blow,
    fault: FaultId,
}

/// What becomes of a packet that is sent.
#[derive(Debug, PartialEq)]
pub enum Fate<T> {
    /// It goes on at once.
    Passes(T),
    /// It waits for its turn.
    Waits,
    /// There is no room for it, not even with its sender: a message at QoS 0.
    NoRoom(T),
    /// It leads nowhere, for this fault.
    Swallowed(T, FaultId),
}

/// Whether a packet carries a message that nobody would send again.
pub trait Fleeting {
    /// That message.
    fn fleeting(self) -> Option<Message>;
    /// Whether there is one.
    fn is_fleeting(&self) -> bool;
}

impl Fleeting for Request {
    fn fleeting(self) -> Option<Message> {
        match self {
            Self::Publish(Publish { packet_id: None, message, .. }) => Some(message),
            _ => None,
        }
    }

    fn is_fleeting(&self) -> bool {
        matches!(self, Self::Publish(publish) if publish.packet_id.is_none())
    }
}

impl Fleeting for Reply {
    fn fleeting(self) -> Option<Message> {
        match self {
            Self::Publish(Publish { packet_id: None, message, .. }) => Some(message),
            _ => None,
        }
    }

    fn is_fleeting(&self) -> bool {
        matches!(self, Self::Publish(publish) if publish.packet_id.is_none())
    }
}

impl Line {
    /// A line in calm weather. When its buffer is full, this many messages at QoS 0 can wait with the
    /// client, and this many with the broker; what has to be acknowledged always can.
    pub fn new(with_client: usize, with_broker: usize) -> Self {
        Self { up: Way::new(with_client), down: Way::new(with_broker), struck: None }
    }

    /// What it does with bytes from now on.
    pub fn set_weather(&mut self, weather: Weather, now: Time) {
        self.up.set_flow(weather.out, now);
        self.down.set_flow(weather.inward, now);
    }

    /// The client sends a packet.
    pub fn send_up(
        &mut self,
        link: LinkId,
        request: Request,
        protocol: Protocol,
        now: Time,
    ) -> Fate<Request> {
        if let Some(fault) = self.leads_nowhere(link, Direction::Out) {
            return Fate::Swallowed(request, fault.clone());
        }
        if request == Request::Lost && self.up.holds(|it| is_connect_of(link, it)) {
            // A connection that never came about leaves nothing behind.
            self.up.remove(|it| it.0 == link);
            return Fate::Waits;
        }
        let yields = request.is_fleeting();
        fate(self.up.offer((link, request), |it| size::of_request(&it.1, protocol), yields, now))
    }

    /// The broker sends a packet.
    pub fn send_down(&mut self, link: LinkId, reply: Reply, protocol: Protocol, now: Time) -> Fate<Reply> {
        if let Some(fault) = self.leads_nowhere(link, Direction::In) {
            return Fate::Swallowed(reply, fault.clone());
        }
        let yields = reply.is_fleeting();
        fate(self.down.offer((link, reply), |it| size::of_reply(&it.1, protocol), yields, now))
    }

    /// When the next packet will have come through.
    pub fn next_deadline(&self) -> Option<Time> {
        [self.up.next_due(), self.down.next_due()].into_iter().flatten().min()
    }

    /// Take a packet that has come through to the broker, if one has.
    pub fn take_up(&mut self, now: Time) -> Option<(LinkId, Request)> {
        self.up.take_due(now)
    }

    /// Take a packet that has come through to the client, if one has.
    pub fn take_down(&mut self, now: Time) -> Option<(LinkId, Reply)> {
        self.down.take_due(now)
    }

    /// Strike a connection. What it takes of what waited here and would not be sent again is returned.
    pub fn strike(&mut self, link: LinkId, blow: Blow, fault: FaultId) -> Vec<(Direction, Message)> {
        let blow = match (&self.struck, blow) {
            (Some(Struck { link: before, blow: Blow::HalfOpen(old), .. }), Blow::HalfOpen(new))
                if *before == link && *old != new =>
            {
                Blow::HalfOpen(Directions::Both)
            }
            (Some(Struck { link: before, blow: Blow::Reset, .. }), _) if *before == link => {
                return Vec::new();
            }
            (_, blow) => blow,
        };
        self.struck = Some(Struck { link, blow, fault });
        let mut taken = Vec::new();
        if self.leads_nowhere(link, Direction::Out).is_some() {
            let up = messages(self.up.remove(|it| it.0 == link));
            taken.extend(up.map(|message| (Direction::Out, message)));
        }
        if self.leads_nowhere(link, Direction::In).is_some() {
            let down = messages(self.down.remove(|it| it.0 == link));
            taken.extend(down.map(|message| (Direction::In, message)));
        }
        taken
    }

    /// The fault that takes what is sent this way on a connection, if one does.
    fn leads_nowhere(&self, link: LinkId, direction: Direction) -> Option<&FaultId> {
        let struck = self.struck.as_ref().filter(|struck| struck.link == link)?;
        let takes = match struck.blow {
            Blow::Reset => true,
            Blow::HalfOpen(directions) => directions.include(direction),
        };
        takes.then_some(&struck.fault)
    }

    /// The fault that takes what had already left the line, if the connection was reset since.
    pub fn was_reset(&self, link: LinkId) -> Option<&FaultId> {
        let struck = self.struck.as_ref().filter(|struck| struck.link == link)?;
        (struck.blow == Blow::Reset).then_some(&struck.fault)
    }
}

fn is_connect_of(link: LinkId, (of, request): &(LinkId, Request)) -> bool {
    *of == link && matches!(request, Request::Connect(_))
}

fn fate<T>(offered: Result<Option<(LinkId, T)>, (LinkId, T)>) -> Fate<T> {
    match offered {
        Ok(Some((_, packet))) => Fate::Passes(packet),
        Ok(None) => Fate::Waits,
        Err((_, packet)) => Fate::NoRoom(packet),
    }
}

fn messages<T: Fleeting>(packets: VecDeque<(LinkId, T)>) -> impl Iterator<Item = Message> {
    packets.into_iter().filter_map(|(_, packet)| packet.fleeting())
}
