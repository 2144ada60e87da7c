//! Devices that are linked to the broker in this process.
//!
//! Such a device has the client of virtual time for its connection, and its deadlines stand on the shard's
//! agenda with the device's own. What clients have to say goes to the broker once a turn of the shard, and what
//! the broker says comes in batches. A line is there only where a fault of the byte stream has come over one.

use std::sync::Arc;

use tokio::sync::mpsc;
use wasmote_sim::action::Action;
use wasmote_sim::broker::packet::{Reply, Request};
use wasmote_sim::client::link::{DeviceIndex, LinkId};
use wasmote_sim::client::options::ClientOptions;
use wasmote_sim::client::{Client, Outbox};
use wasmote_sim::context::Protocol;
use wasmote_sim::device::{Blueprint, Input, Now};
use wasmote_sim::faults::byte_stream::{Blow, Weather};
use wasmote_sim::faults::{Direction, FaultId};
use wasmote_sim::line::{Fate, Fleeting, Line};
use wasmote_sim::time::Time;

use super::Shard;
use crate::broker::ShardLink;
use crate::spec::ConnectionOptions;
use crate::stamp;

/// A device's end of its link.
pub(super) struct Linked {
    client: Client,
    protocol: Protocol,
    line: Option<Box<Line>>,
    /// Whether it counts among the connections that there are.
    counted: bool,
}

/// What the linked devices of a shard share.
pub(super) struct Links {
    link: ShardLink,
    options: Arc<ClientOptions>,
    packets: Vec<(LinkId, Request)>,
    outbox: Outbox,
    /// Connections that there are, up or on the way there or from there.
    connections: usize,
    /// Held as long as there are any, once all devices were told to stop.
    alive: Option<mpsc::Sender<()>>,
}

impl Links {
    pub(super) fn new(link: ShardLink, options: &ConnectionOptions, alive: Option<mpsc::Sender<()>>) -> Self {
        let options = ClientOptions {
            // As with the library behind sockets.
            keep_alive: u16::try_from(options.keepalive.as_secs()).unwrap_or(u16::MAX).max(5),
            session_expiry: u32::try_from(options.session_expiry.as_secs()).unwrap_or(u32::MAX),
            ..ClientOptions::default()
        };
        let (packets, outbox) = (Vec::new(), Outbox::default());
        Self { link, options: Arc::new(options), packets, outbox, connections: 0, alive }
    }

    pub(super) fn join(&self, index: usize, blueprint: &Blueprint) -> Box<Linked> {
        let device = DeviceIndex(u32::try_from(index).unwrap_or(u32::MAX));
        let (name, protocol) = (blueprint.identity.id.as_str().into(), blueprint.protocol);
        let client = Client::new(LinkId { device, attempt: 0 }, name, protocol, Arc::clone(&self.options));
        Box::new(Linked { client, protocol, line: None, counted: false })
    }

    /// Bring to the broker what there is for it. When every device was told to stop and no connection is left,
    /// that is told too.
    pub(super) fn flush(&mut self, stopping: bool) {
        self.link.send(&mut self.packets);
        if stopping && self.connections == 0 {
            self.alive = None;
        }
    }

    fn send(&mut self, link: LinkId, request: Request) {
        if request.is_fleeting() && self.link.is_crowded(self.packets.len()) {
            self.outbox.inputs.extend(request.fleeting().map(Input::Refused));
        } else {
            self.packets.push((link, request));
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
}

fn swallowed(direction: Direction, packet: impl Fleeting, fault: FaultId) -> Option<Input> {
    packet.fleeting().map(|message| Input::Swallowed(direction, message, fault))
}

impl Linked {
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let line = self.line.as_ref().and_then(|line| line.next_deadline());
        [self.client.next_deadline(), line].into_iter().flatten().min()
    }

    fn perform(&mut self, action: Action, now: Time, links: &mut Links) {
        let (client, out) = (&mut self.client, &mut links.outbox);
        match action {
            Action::Connect(will) => client.connect(will, now, out),
            Action::Disconnect(farewell) => client.disconnect(farewell, now, out),
            Action::Silence => client.silence(),
            Action::Resume => client.resume(now, out),
            Action::Publish(message) => client.publish(message, now, out),
            Action::Subscribe(filter, qos) => client.subscribe(filter, qos, now, out),
            Action::Unsubscribe(filter) => client.unsubscribe(filter, now, out),
            Action::Weather(weather) => self.set_weather(weather, now, links),
            Action::Strike(blow, fault) => self.strike(blow, fault, now, links),
            Action::HttpSend(..) | Action::HttpRespond(..) | Action::Notice(_) => {}
        }
    }

    fn line(&mut self, links: &Links) -> &mut Line {
        let options = &links.options;
        self.line.get_or_insert_with(|| Box::new(Line::new(options.queued, options.unread)))
    }

    fn set_weather(&mut self, weather: Weather, now: Time, links: &Links) {
        self.line(links).set_weather(weather, now);
    }

    /// Strike the present connection. After a reset, both ends are told.
    fn strike(&mut self, blow: Blow, fault: FaultId, now: Time, links: &mut Links) {
        let Some(link) = self.client.link() else { return };
        let taken = self.line(links).strike(link, blow, fault.clone());
        let told = taken.into_iter().map(|(direction, it)| Input::Swallowed(direction, it, fault.clone()));
        links.outbox.inputs.extend(told);
        if blow == Blow::Reset {
            links.send(link, Request::Lost);
            self.client.broken(format!("fault `{fault}` reset the connection"), now, &mut links.outbox);
        }
    }

    /// Its deadline may have come.
    fn wake(&mut self, now: Time, links: &mut Links) {
        if let Some(line) = &mut self.line {
            while let Some((link, request)) = line.take_up(now) {
                links.send(link, request);
            }
            while let Some((link, reply)) = line.take_down(now) {
                self.client.receive(link, reply, now, &mut links.outbox);
            }
        }
        self.client.wake(now, &mut links.outbox);
    }

    fn receive(&mut self, link: LinkId, reply: Reply, now: Time, links: &mut Links) {
        let fate = match &mut self.line {
            None => Fate::Passes(reply),
            Some(line) => line.send_down(link, reply, self.protocol, now),
        };
        match fate {
            Fate::Passes(reply) => self.client.receive(link, reply, now, &mut links.outbox),
            Fate::Waits | Fate::NoRoom(_) => {}
            Fate::Swallowed(reply, fault) => {
                links.outbox.inputs.extend(swallowed(Direction::In, reply, fault));
            }
        }
    }

    /// Send what the client has to say over the line.
    fn send_up(&mut self, now: Time, links: &mut Links) {
        let mut packets = std::mem::take(&mut links.outbox.packets);
        for (link, request) in packets.drain(..) {
            let fate = match &mut self.line {
                None => Fate::Passes(request),
                Some(line) => line.send_up(link, request, self.protocol, now),
            };
            links.send_on(link, fate);
        }
        links.outbox.packets = packets;
        let is_there = self.client.link().is_some();
        match (std::mem::replace(&mut self.counted, is_there), is_there) {
            (false, true) => links.connections += 1,
            (true, false) => links.connections -= 1,
            _ => {}
        }
    }
}

impl Shard {
    /// Have a linked device's client do something.
    fn with_link(&mut self, index: usize, job: impl FnOnce(&mut Linked, &mut Links)) {
        let linked = self.slots.get_mut(index).and_then(|slot| slot.linked.as_deref_mut());
        if let (Some(linked), Some(links)) = (linked, &mut self.links) {
            job(linked, links);
        }
    }

    /// Carry out what concerns a linked device's connection. Gives back what does not.
    pub(super) fn perform_on_link(&mut self, index: usize, now: Now, action: Action) -> Option<Action> {
        let for_others = matches!(action, Action::HttpSend(..) | Action::HttpRespond(..) | Action::Notice(_));
        if for_others || self.slots[index].linked.is_none() {
            return Some(action);
        }
        self.with_link(index, |linked, links| linked.perform(action, now.run, links));
        None
    }

    /// A deadline of a device's client or line may have come.
    pub(super) fn wake_link(&mut self, index: usize) {
        let now = self.now().run;
        self.with_link(index, |linked, links| linked.wake(now, links));
        self.settle_link(index);
    }

    /// What came from the broker.
    pub(super) fn hear_broker(&mut self, batch: Vec<(LinkId, Reply)>) {
        for (link, mut reply) in batch {
            let index = link.device.0 as usize;
            let now = self.now();
            match &mut reply {
                Reply::Publish(publish) => stamp::settle(&mut publish.message, now.wall),
                Reply::SubAck(answer) => self.tell_refusals(index, &answer.granted),
                _ => {}
            }
            self.with_link(index, |linked, links| linked.receive(link, reply, now.run, links));
            self.settle_link(index);
        }
    }

    fn tell_refusals(
        &self,
        index: usize,
        granted: &[Result<wasmote_sim::message::Qos, wasmote_sim::broker::reason::SubscribeRefusal>],
    ) {
        let Some(slot) = self.slots.get(index) else { return };
        for refusal in granted.iter().filter_map(|answer| answer.as_ref().err()) {
            let device = &slot.device.identity().id;
            tracing::warn!(%device, "the broker refused a subscription: {refusal}");
        }
    }

    /// Give a linked device what its client has for it, until there is no more, and let the client speak.
    pub(super) fn settle_link(&mut self, index: usize) {
        loop {
            while let Some(input) = self.links.as_mut().and_then(|links| links.outbox.inputs.pop_front()) {
                if matches!(input, Input::Connected { .. }) {
                    self.connects += 1;
                    self.slots[index].was_connected = true;
                }
                self.give(index, input);
            }
            let now = self.now().run;
            self.with_link(index, |linked, links| linked.send_up(now, links));
            if self.links.as_ref().is_none_or(|links| links.outbox.inputs.is_empty()) {
                break;
            }
        }
        self.arm(index);
    }
}
