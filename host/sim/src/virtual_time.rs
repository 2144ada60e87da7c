//! The second driver: devices and the broker in virtual time, where waiting costs nothing.
//!
//! The first driver, in `wasmote-live`, turns the same devices in real time. Here one thread takes what
//! happens next from an agenda, in the order of time and then of arrival, and sets the clock to it. Equal
//! seeds, devices and options give the same steps, which a [`digest`] of them shows. Each device has a
//! [`client`](wasmote_mqtt::client) that connects it.
//!
//! * `event_queue` and `deadlines`: what happens next.
//! * `network`: the lines that packets go over, and what their faults make of it.
//! * `outage`: the broker's own faults.
//! * [`observer`]: looking on, and the names of what is seen. [`counts`]: how much happened.
//! * [`options`]: the world's constants.

pub mod counts;
mod deadlines;
pub mod digest;
mod event_queue;
mod network;
pub mod observer;
pub mod options;
mod outage;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::action::Action;
use crate::context::MIN_TIMER_DELAY;
use crate::device::Outbox;
use crate::device::{Blueprint, Device, Input, Now};
use crate::faults::broker::{BrokerFaults, Condition, Failure};
use crate::faults::{Direction, Fault, FaultId};
use crate::http::HttpFailure;
use crate::link::NetworkLink;
use crate::rng::Seed;
use counts::Counts;
use deadlines::Slot;
use event_queue::{EventQueue, NextEvent};
use observer::{ConnectionId, DeviceIndex, Observer, TraceEvent};
use options::{Options, OutboundHttp};
use outage::Unread;
use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::broker::{Broker, Replies};
use wasmote_mqtt::client::Client;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;

/// A run in virtual time.
pub struct VirtualTime<O = ()> {
    options: Options,
    now: Time,
    nodes: Vec<Node>,
    broker: Broker<ConnectionId>,
    broker_faults: BrokerFaults,
    /// What a broker that stands still has not read.
    unread: VecDeque<Unread>,
    event_queue: EventQueue<InFlight, 2>,
    observer: O,
    counts: Counts,
    // Empty between steps; they are kept so that a step does not allocate.
    actions: Vec<Action>,
    outbox: Outbox,
    replies: Replies<ConnectionId>,
}

/// A device and what connects it.
struct Node {
    device: Device,
    client: Client,
    protocol: Protocol,
    /// The line, once there was a fault of it. A line without one is nothing but its latency.
    link: Option<Box<NetworkLink>>,
    /// Messages at QoS 0 that the broker has not read.
    unread: usize,
}

/// What is under way.
#[derive(Debug)]
enum InFlight {
    Up(ConnectionId, Request),
    Down(ConnectionId, Reply),
    /// There is no network beside the broker: the request with this number fails.
    Unreachable(DeviceIndex, u64),
}

/// The lane of packets.
const PACKET_LANE: usize = 0;
/// The lane of HTTP requests. They take some time to fail, so that a behaviour that tries again at once
/// does not stop the clock.
const HTTP_LANE: usize = 1;
/// The broker's slot on the agenda; device `i` has slot `i + 1`.
const BROKER_SLOT: Slot = Slot(0);

impl<O: Observer> VirtualTime<O> {
    /// A world without devices, at the beginning of time.
    pub fn new(options: Options, observer: O) -> Self {
        Self {
            now: Time::ZERO,
            nodes: Vec::new(),
            broker: Broker::new(options.broker.clone()),
            broker_faults: BrokerFaults::default(),
            unread: VecDeque::new(),
            event_queue: EventQueue::new([options.latency, MIN_TIMER_DELAY]),
            observer,
            counts: Counts::default(),
            actions: Vec::new(),
            outbox: Outbox::default(),
            replies: Vec::new(),
            options,
        }
    }

    /// Add a device. It is not switched on.
    pub fn add(&mut self, blueprint: Blueprint) -> DeviceIndex {
        let index = DeviceIndex(u32::try_from(self.nodes.len()).expect("fewer than four billion devices"));
        let connection = ConnectionId { device: index, attempt: 0 };
        let client_id = blueprint.identity.id.as_str().into();
        let client = Client::new(connection, client_id, blueprint.protocol, Arc::clone(&self.options.client));
        let protocol = blueprint.protocol;
        let device = Device::new(blueprint, self.now);
        self.nodes.push(Node { device, client, protocol, link: None, unread: 0 });
        self.schedule_device(index);
        index
    }

    /// The present.
    pub fn now(&self) -> Now {
        Now { run: self.now, wall: self.options.epoch + self.now.elapsed() }
    }

    /// The devices, in the order in which they were added.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.nodes.iter().map(|node| &node.device)
    }

    /// One device.
    pub fn device(&self, index: DeviceIndex) -> Option<&Device> {
        self.nodes.get(index.0 as usize).map(|node| &node.device)
    }

    /// The broker.
    pub fn broker(&self) -> &Broker<ConnectionId> {
        &self.broker
    }

    /// How much happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Who looks on.
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// Let something happen to a device now: start, stop, crash, other faults, an HTTP request... What is
    /// addressed to a device that does not exist is ignored.
    pub fn put(&mut self, device: DeviceIndex, input: Input) {
        if (device.0 as usize) < self.nodes.len() {
            self.outbox.inputs.push_back(input);
            self.run_device(device);
        }
    }

    /// Other faults of the broker from now on: those among these. What the others had begun is over.
    pub fn set_broker_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) {
        for transition in self.broker_faults.change(faults, seed, self.now) {
            self.broker_transition(&transition);
        }
        self.schedule_broker();
    }

    /// Let the broker fail now, for so long, in this fault's name.
    pub fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) {
        let transition = self.broker_faults.begin(fault, failure, lasting, self.now);
        self.broker_transition(&transition);
        self.schedule_broker();
    }

    /// Publish a message under no device's name. Where there is no broker, it is lost.
    pub fn publish(&mut self, message: Message) {
        match self.broker_faults.condition() {
            Condition::Up => {}
            Condition::Paused => return self.unread.push_back(Unread::Host(message)),
            Condition::Down => return self.counts.lost_up += 1,
        }
        self.trace(&TraceEvent::HostPublish(&message));
        self.broker.publish(message, self.now, &mut self.replies);
        self.send_replies();
    }

    /// Let time pass until then; what is due at that very time still happens.
    pub fn run_until(&mut self, end: Time) {
        while self.step(end) {}
        self.now = self.now.max(end);
    }

    /// Handles the next event if it is due by `end`, and moves the clock to it. False if there is none; the clock
    /// then stays where it is.
    pub fn step(&mut self, end: Time) -> bool {
        let Some((at, event)) = self.event_queue.take(end) else { return false };
        self.now = at;
        match event {
            NextEvent::Deadline(BROKER_SLOT) => self.wake_broker(),
            NextEvent::Deadline(slot) => self.wake_device(DeviceIndex(slot.0 - 1)),
            NextEvent::Arrival(InFlight::Up(connection, request)) => {
                self.packet_at_broker(connection, request)
            }
            NextEvent::Arrival(InFlight::Down(connection, reply)) => self.packet_at_client(connection, reply),
            NextEvent::Arrival(InFlight::Unreachable(device, id)) => {
                let failure = HttpFailure::Unreachable("there is no network in virtual time".into());
                self.put(device, Input::HttpReply(id, Err(failure)));
            }
        }
        true
    }

    /// Let this much time pass.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    fn wake_broker(&mut self) {
        self.advance_broker_faults();
        if self.broker_faults.condition() == Condition::Up {
            self.run_broker_deadlines();
        }
        self.schedule_broker();
    }

    fn wake_device(&mut self, index: DeviceIndex) {
        self.forward_link_packets(index);
        let node = &mut self.nodes[index.0 as usize];
        node.client.wake(self.now, &mut self.outbox);
        if node.device.next_deadline().is_some_and(|due| due <= self.now) {
            self.outbox.inputs.push_back(Input::Wake);
        }
        self.run_device(index);
    }

    fn packet_at_broker(&mut self, connection: ConnectionId, request: Request) {
        if !matches!(request, Request::Lost) && self.drop_if_reset(Direction::Out, connection, &request) {
            return;
        }
        if self.broker_faults.condition() != Condition::Up {
            return self.packet_while_unavailable(connection, request);
        }
        self.counts.up += 1;
        self.trace(&TraceEvent::Up(connection, &request));
        if self.broker.is_connected(connection) || matches!(request, Request::Connect(_)) {
            self.broker.handle(connection, request, self.now, &mut self.replies);
            self.send_replies();
        } else {
            // Nobody reads what comes on a connection that is closed.
            self.counts.lost_up += u64::from(matches!(request, Request::Publish(_)));
        }
    }

    fn packet_at_client(&mut self, connection: ConnectionId, reply: Reply) {
        if self.drop_if_reset(Direction::In, connection, &reply) {
            return;
        }
        self.counts.down += 1;
        self.trace(&TraceEvent::Down(connection, &reply));
        let node = &mut self.nodes[connection.device.0 as usize];
        node.client.receive(connection, reply, self.now, &mut self.outbox);
        self.run_device(connection.device);
    }

    /// Send on what the broker has to say, and remember when it wants to be woken.
    fn send_replies(&mut self) {
        let mut replies = std::mem::take(&mut self.replies);
        for (connection, reply) in replies.drain(..) {
            self.send_down(connection, reply);
        }
        self.replies = replies;
        self.schedule_broker();
    }

    /// Give a device what waits for it, carry out what it asks for, and send what its client has to send.
    fn run_device(&mut self, index: DeviceIndex) {
        loop {
            while let Some(input) = self.outbox.inputs.pop_front() {
                self.deliver_input(index, input);
            }
            self.send_up(index);
            // The line may have given something back.
            if self.outbox.inputs.is_empty() {
                break;
            }
        }
        self.counts.lost_down += std::mem::take(&mut self.outbox.lost);
        self.schedule_device(index);
    }

    fn deliver_input(&mut self, index: DeviceIndex, input: Input) {
        self.counts.inputs += 1;
        self.trace(&TraceEvent::Input(index, &input));
        let now = self.now();
        let mut actions = std::mem::take(&mut self.actions);
        self.nodes[index.0 as usize].device.handle(input, now, &mut actions);
        for action in actions.drain(..) {
            self.apply_action(index, action);
        }
        self.actions = actions;
    }

    fn apply_action(&mut self, index: DeviceIndex, action: Action) {
        let client = &mut self.nodes[index.0 as usize].client;
        let (now, out) = (self.now, &mut self.outbox);
        match action {
            Action::Connect(will) => client.connect(will, now, out),
            Action::Disconnect(mode) => client.disconnect(mode, now, out),
            Action::SetLinkConditions(conditions) => self.set_conditions(index, conditions),
            Action::BreakLink(link_break, fault) => self.break_link(index, link_break, fault),
            Action::Silence => client.silence(),
            Action::Resume => client.resume(now, out),
            Action::Publish(message) => client.publish(message, now, out),
            // What a client cannot ask for it does not hear, as in real time.
            Action::Subscribe(filter, qos) => drop(client.subscribe(filter, qos, now, out)),
            Action::Unsubscribe(filter) => drop(client.unsubscribe(filter, now, out)),
            Action::HttpSend(id, _, _) if self.options.outbound_http == OutboundHttp::Unreachable => {
                self.event_queue.send(HTTP_LANE, now, InFlight::Unreachable(index, id))
            }
            Action::HttpSend(..) => {}
            Action::HttpRespond(ticket, response) => {
                self.trace(&TraceEvent::HttpResponse(index, ticket, &response))
            }
            Action::Notice(notice) => self.trace(&TraceEvent::Notice(index, &notice)),
        }
    }

    fn schedule_device(&mut self, index: DeviceIndex) {
        let node = &self.nodes[index.0 as usize];
        let link = node.link.as_ref().and_then(|link| link.next_deadline());
        let deadlines = [node.device.next_deadline(), node.client.next_deadline(), link];
        let due = deadlines.into_iter().flatten().min();
        self.event_queue.set_deadline(Slot(index.0 + 1), due, self.now);
    }

    fn trace(&mut self, event: &TraceEvent<'_>) {
        let now = self.now();
        self.observer.observe(now, event);
    }
}
