//! Devices that have the client of virtual time for their connections.
//!
//! Its deadlines stand on the shard's agenda with the device's own. What it has to say goes to a broker in this
//! process once a turn of the shard, and what that broker says comes in batches; to any other broker it goes over
//! a [socket](super::wired).

use std::sync::Arc;

use tokio::sync::mpsc;
use wasmote_sim::action::Action;
use wasmote_sim::broker::packet::{PacketId, Reply, Request};
use wasmote_sim::client::link::{DeviceIndex, LinkId};
use wasmote_sim::client::options::ClientOptions;
use wasmote_sim::client::{Client, Outbox};
use wasmote_sim::context::Protocol;
use wasmote_sim::device::{Blueprint, Input};
use wasmote_sim::faults::byte_stream::{Blow, Weather};
use wasmote_sim::faults::{Direction, FaultId};
use wasmote_sim::line::{Fate, Fleeting, Line};
use wasmote_sim::time::Time;
use wasmote_sim::topic::TopicFilter;

use super::wired::{Sockets, Wired};
use crate::broker::ShardLink;
use crate::spec::ConnectionOptions;

/// A device whose connection is its own client's.
pub(super) struct Linked {
    client: Client,
    protocol: Protocol,
    road: Road,
    /// Whether it counts among the connections that there are.
    counted: bool,
}

/// How packets get to the broker.
enum Road {
    /// As they are. A line is there only where a fault of the byte stream has come over one.
    Link(Option<Box<Line>>),
    /// As bytes.
    Socket(Wired),
}

/// What such devices of a shard share.
pub(super) struct Links {
    carrier: Carrier,
    options: Arc<ClientOptions>,
    /// What is to be dealt with before the device's turn ends.
    pub(super) outbox: Outbox,
    /// Connections that there are, up or on the way there or from there.
    connections: usize,
    /// Held as long as there are any, once all devices were told to stop.
    alive: Option<mpsc::Sender<()>>,
}

/// What takes packets to the broker: all devices of a shard go the same way.
pub(super) enum Carrier {
    /// In this process.
    Link(ShardLink, Vec<(LinkId, Request)>),
    /// Over TCP.
    Sockets(Box<Sockets>),
}

impl Links {
    pub(super) fn new(
        carrier: Carrier,
        options: &ConnectionOptions,
        alive: Option<mpsc::Sender<()>>,
    ) -> Self {
        let options = ClientOptions {
            // As with the library that speaks TLS.
            keep_alive: u16::try_from(options.keepalive.as_secs()).unwrap_or(u16::MAX).max(5),
            session_expiry: u32::try_from(options.session_expiry.as_secs()).unwrap_or(u32::MAX),
            ..ClientOptions::default()
        };
        Self { carrier, options: Arc::new(options), outbox: Outbox::default(), connections: 0, alive }
    }

    pub(super) fn join(&self, index: usize, blueprint: &Blueprint) -> Box<Linked> {
        let device = DeviceIndex(u32::try_from(index).unwrap_or(u32::MAX));
        let (name, protocol) = (blueprint.identity.id.as_str().into(), blueprint.protocol);
        let client = Client::new(LinkId { device, attempt: 0 }, name, protocol, Arc::clone(&self.options));
        let road = match &self.carrier {
            Carrier::Link(..) => Road::Link(None),
            Carrier::Sockets(_) => Road::Socket(Wired::new(protocol)),
        };
        Box::new(Linked { client, protocol, road, counted: false })
    }

    /// Let go on what waits for the end of a turn. When every device was told to stop and no connection is left,
    /// that is told too.
    pub(super) fn flush(&mut self, stopping: bool) {
        match &mut self.carrier {
            Carrier::Link(link, packets) => link.send(packets),
            Carrier::Sockets(sockets) => sockets.tidy(),
        }
        if stopping && self.connections == 0 {
            self.alive = None;
        }
    }

    pub(super) fn sockets(&mut self) -> Option<&mut Sockets> {
        match &mut self.carrier {
            Carrier::Link(..) => None,
            Carrier::Sockets(sockets) => Some(sockets),
        }
    }

    fn send(&mut self, link: LinkId, request: Request) {
        let Carrier::Link(way_in, packets) = &mut self.carrier else { return };
        if request.is_fleeting() && way_in.is_crowded(packets.len()) {
            self.outbox.inputs.extend(request.fleeting().map(Input::Refused));
        } else {
            packets.push((link, request));
        }
    }

    /// What the line makes of a packet for the broker.
    fn send_on(&mut self, link: LinkId, fate: Fate<Request>) {
        match fate {
            Fate::Passes(request) => self.send(link, request),
            Fate::Waits => {}
            Fate::NoRoom(request) => self.outbox.inputs.extend(request.fleeting().map(Input::Refused)),
            Fate::Swallowed(request, fault) => {
                self.outbox.inputs.extend(swallowed(Direction::Out, request, fault));
            }
        }
    }

    /// A line on which as much can wait as with a client.
    fn line(&self) -> Box<Line> {
        Box::new(Line::new(self.options.queued, self.options.unread))
    }
}

fn swallowed(direction: Direction, packet: impl Fleeting, fault: FaultId) -> Option<Input> {
    packet.fleeting().map(|message| Input::Swallowed(direction, message, fault))
}

impl Linked {
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let (road, waits) = match &self.road {
            Road::Link(line) => (line.as_ref().and_then(|line| line.next_deadline()), false),
            Road::Socket(wired) => (wired.next_deadline(), wired.waits_to_begin()),
        };
        let client = self.client.next_deadline().filter(|_| !waits);
        [client, road].into_iter().flatten().min()
    }

    pub(super) fn perform(&mut self, action: Action, now: Time, links: &mut Links) {
        self.wake_up(now, links);
        let (client, out) = (&mut self.client, &mut links.outbox);
        let asked = match action {
            Action::Subscribe(filter, qos) => client.subscribe(filter, qos, now, out),
            Action::Unsubscribe(filter) => client.unsubscribe(filter, now, out),
            other => {
                self.act(other, now, links);
                return;
            }
        };
        if let Err(error) = asked {
            let device = self.client.client_id();
            tracing::warn!(%device, "{error}; one was not made, or not ended");
        }
    }

    fn act(&mut self, action: Action, now: Time, links: &mut Links) {
        let (client, out) = (&mut self.client, &mut links.outbox);
        match action {
            Action::Connect(will) => client.connect(will, now, out),
            Action::Disconnect(farewell) => client.disconnect(farewell, now, out),
            Action::Silence => self.silence(links),
            Action::Resume => self.resume(now, links),
            Action::Publish(message) => client.publish(message, now, out),
            Action::Weather(weather) => self.set_weather(weather, now, links),
            Action::Strike(blow, fault) => self.strike(blow, fault, now, links),
            // Those that ask are dealt with, and the others are for others.
            Action::Subscribe(..)
            | Action::Unsubscribe(..)
            | Action::HttpSend(..)
            | Action::HttpRespond(..)
            | Action::Notice(_) => {}
        }
    }

    fn silence(&mut self, links: &mut Links) {
        self.client.silence();
        if let (Road::Socket(wired), Some(sockets)) = (&mut self.road, links.sockets()) {
            wired.silence(sockets);
        }
    }

    fn resume(&mut self, now: Time, links: &mut Links) {
        if let (Road::Socket(wired), Some(sockets)) = (&mut self.road, links.sockets()) {
            wired.resume(&self.client, sockets);
            if wired.wakes_up {
                // What the broker said meanwhile is heard first.
                return;
            }
        }
        self.client.resume(now, &mut links.outbox);
    }

    /// The end of a silence comes into force, if one has come.
    pub(super) fn wake_up(&mut self, now: Time, links: &mut Links) {
        if let Road::Socket(wired) = &mut self.road
            && std::mem::take(&mut wired.wakes_up)
        {
            self.client.resume(now, &mut links.outbox);
        }
    }

    fn set_weather(&mut self, weather: Weather, now: Time, links: &Links) {
        match &mut self.road {
            Road::Link(line) => line.get_or_insert_with(|| links.line()).set_weather(weather, now),
            Road::Socket(wired) => wired.line().set_weather(weather),
        }
    }

    /// Strike the present connection. After a reset, both ends of a link are told; the ends of a socket notice.
    fn strike(&mut self, blow: Blow, fault: FaultId, now: Time, links: &mut Links) {
        let line = match &mut self.road {
            Road::Link(line) => line.get_or_insert_with(|| links.line()),
            Road::Socket(wired) => return wired.line().strike(blow, fault),
        };
        let Some(link) = self.client.link() else { return };
        let taken = line.strike(link, blow, fault.clone());
        let told = taken.into_iter().map(|(direction, it)| Input::Swallowed(direction, it, fault.clone()));
        links.outbox.inputs.extend(told);
        if blow == Blow::Reset {
            links.send(link, Request::Lost);
            self.client.broken(format!("fault `{fault}` reset the connection"), now, &mut links.outbox);
        }
    }

    /// Its deadline may have come.
    pub(super) fn wake(&mut self, now: Time, links: &mut Links) {
        match &mut self.road {
            Road::Link(None) => {}
            Road::Link(Some(line)) => {
                while let Some((link, request)) = line.take_up(now) {
                    links.send(link, request);
                }
                while let Some((link, reply)) = line.take_down(now) {
                    self.client.receive(link, reply, now, &mut links.outbox);
                }
            }
            Road::Socket(wired) => {
                let Carrier::Sockets(sockets) = &mut links.carrier else { return };
                wired.wake(&self.client, now, sockets, &mut links.outbox);
                if wired.waits_to_begin() {
                    return;
                }
            }
        }
        self.client.wake(now, &mut links.outbox);
    }

    pub(super) fn receive(&mut self, link: LinkId, reply: Reply, now: Time, links: &mut Links) {
        let fate = match &mut self.road {
            Road::Link(Some(line)) => line.send_down(link, reply, self.protocol, now),
            Road::Link(None) | Road::Socket(_) => Fate::Passes(reply),
        };
        match fate {
            Fate::Passes(reply) => self.client.receive(link, reply, now, &mut links.outbox),
            Fate::Waits | Fate::NoRoom(_) => {}
            Fate::Swallowed(reply, fault) => {
                links.outbox.inputs.extend(swallowed(Direction::In, reply, fault));
            }
        }
    }

    /// Send what the client has to say.
    pub(super) fn send_up(&mut self, now: Time, links: &mut Links) {
        let mut packets = std::mem::take(&mut links.outbox.packets);
        for (link, request) in packets.drain(..) {
            match &mut self.road {
                Road::Link(line) => {
                    let fate = match line {
                        None => Fate::Passes(request),
                        Some(line) => line.send_up(link, request, self.protocol, now),
                    };
                    links.send_on(link, fate);
                }
                Road::Socket(wired) => {
                    let Carrier::Sockets(sockets) = &mut links.carrier else { continue };
                    wired.send(link, request, &mut self.client, now, sockets, &mut links.outbox);
                }
            }
        }
        // What came about meanwhile is sent in the next round.
        packets.append(&mut links.outbox.packets);
        links.outbox.packets = packets;
        if let (Road::Socket(wired), Carrier::Sockets(sockets)) = (&mut self.road, &mut links.carrier) {
            wired.get_written(sockets);
        }
        self.count(links);
    }

    /// Write what waits for the end of a turn.
    pub(super) fn write(&mut self, now: Time, links: &mut Links) {
        if let (Road::Socket(wired), Carrier::Sockets(sockets)) = (&mut self.road, &mut links.carrier) {
            wired.flush(&mut self.client, now, sockets, &mut links.outbox);
        }
        self.count(links);
    }

    fn count(&mut self, links: &mut Links) {
        let is_there = match &self.road {
            Road::Link(_) => self.client.link().is_some(),
            Road::Socket(wired) => wired.is_there() || self.client.link().is_some(),
        };
        match (std::mem::replace(&mut self.counted, is_there), is_there) {
            (false, true) => links.connections += 1,
            (true, false) => links.connections -= 1,
            _ => {}
        }
    }

    /// What a subscription asked for whose answer is awaited.
    pub(super) fn asked_for(&self, id: PacketId) -> Option<&TopicFilter> {
        self.client.asked_for(id)
    }

    /// What happens to a socket, where there is one.
    pub(super) fn with_socket(
        &mut self,
        links: &mut Links,
        job: impl FnOnce(&mut Wired, &mut Client, &mut Sockets, &mut Outbox),
    ) {
        if let (Road::Socket(wired), Carrier::Sockets(sockets)) = (&mut self.road, &mut links.carrier) {
            job(wired, &mut self.client, sockets, &mut links.outbox);
        }
    }
}
