//! Discrete-event simulation of devices and a broker in virtual time.
//!
//! This is one of two drivers of devices; the other, in `wasmote-live`, runs them in real time. One thread
//! takes events from a queue, ordered by time and then by insertion, and advances the clock to each. Equal
//! seeds, devices and options give equal steps, which a [`digest`] summarises. Each device has an MQTT
//! [`client`](wasmote_mqtt::client).
//!
//! * `event_queue` and `deadlines`: the pending events.
//! * `network`: the links between devices and the broker.
//! * `outage`: failures of the broker.
//! * [`observer`]: observers of steps. [`counts`]: counts of steps.
//! * [`options`]: parameters of a run.

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

use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::broker::{Broker, Replies};
use wasmote_mqtt::client::Client;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;

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

/// A simulation run in virtual time.
pub struct VirtualTime<O = ()> {
    options: Options,
    now: Time,
    nodes: Vec<Node>,
    broker: Broker<ConnectionId>,
    broker_faults: BrokerFaults,
    /// Input that a suspended broker has not read.
    unread: VecDeque<Unread>,
    event_queue: EventQueue<InFlight, 2>,
    observer: O,
    counts: Counts,
    /// Whether the observer gets the steps of single messages.
    follows_messages: bool,
    /// Status of the last answer to an HTTP request.
    http_status: Option<u16>,
    // Buffers that are empty between steps, kept to save allocations.
    actions: Vec<Action>,
    outbox: Outbox,
    replies: Replies<ConnectionId>,
}

/// A device with its client and link.
struct Node {
    device: Device,
    client: Client,
    protocol: Protocol,
    /// The link, created by its first fault. Without faults a link has only a latency.
    link: Option<Box<NetworkLink>>,
    /// Number of messages at QoS 0 that the broker has not read.
    unread: usize,
}

/// An item in transmission.
#[derive(Debug)]
enum InFlight {
    Up(ConnectionId, Request),
    Down(ConnectionId, Reply),
    /// An HTTP request with this number, which fails because virtual time has no network except for the broker.
    Unreachable(DeviceIndex, u64),
}

/// Lane of packets.
const PACKET_LANE: usize = 0;
/// Lane of HTTP requests. They fail after a delay, so that a behaviour that retries at once does not stop the
/// clock.
const HTTP_LANE: usize = 1;
/// Slot of the broker's deadline; device `i` has slot `i + 1`.
const BROKER_SLOT: Slot = Slot(0);

impl<O: Observer> VirtualTime<O> {
    /// Creates a run without devices, at time zero.
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
            follows_messages: false,
            http_status: None,
            actions: Vec::new(),
            outbox: Outbox::default(),
            replies: Vec::new(),
            options,
        }
    }

    /// Adds a device. It is powered off.
    pub fn add(&mut self, blueprint: Blueprint) -> DeviceIndex {
        let index = DeviceIndex(u32::try_from(self.nodes.len()).expect("fewer than four billion devices"));
        let connection = ConnectionId { device: index, attempt: 0 };
        let client_id = blueprint.identity.client_id().into();
        let client = Client::new(connection, client_id, blueprint.protocol, Arc::clone(&self.options.client));
        let protocol = blueprint.protocol;
        let mut device = Device::new(blueprint, self.now);
        device.follow_messages(self.follows_messages);
        self.nodes.push(Node { device, client, protocol, link: None, unread: 0 });
        self.schedule_device(index);
        index
    }

    /// Current time.
    pub fn now(&self) -> Now {
        Now { run: self.now, wall: self.options.epoch + self.now.elapsed() }
    }

    /// Devices, in the order in which they were added.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.nodes.iter().map(|node| &node.device)
    }

    /// A device.
    pub fn device(&self, index: DeviceIndex) -> Option<&Device> {
        self.nodes.get(index.0 as usize).map(|node| &node.device)
    }

    /// Mutable access to a device, for a look at its state that ends the run.
    pub fn device_mut(&mut self, index: DeviceIndex) -> Option<&mut Device> {
        self.nodes.get_mut(index.0 as usize).map(|node| &mut node.device)
    }

    /// The broker.
    pub fn broker(&self) -> &Broker<ConnectionId> {
        &self.broker
    }

    /// Counts of steps so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The observer.
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// Passes an input to a device now: start, stop, crash, faults, an HTTP request... Inputs of devices that
    /// do not exist are ignored.
    pub fn put(&mut self, device: DeviceIndex, input: Input) {
        if (device.0 as usize) < self.nodes.len() {
            self.outbox.inputs.push_back(input);
            self.run_device(device);
        }
    }

    /// Returns and clears the status of the last answer to an HTTP request. A device answers within [`Self::put`], unless it
    /// hangs.
    pub fn take_http_status(&mut self) -> Option<u16> {
        self.http_status.take()
    }

    /// Passes the steps of single messages to the observer from now on. They are no steps of the run.
    pub fn follow_messages(&mut self) {
        self.follows_messages = true;
        self.outbox.follows_messages = true;
        self.broker.follow_messages(true);
        self.nodes.iter_mut().for_each(|node| node.device.follow_messages(true));
    }

    /// Replaces the broker faults. Failures of removed faults end.
    pub fn set_broker_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) {
        for transition in self.broker_faults.change(faults, seed, self.now) {
            self.broker_transition(&transition);
        }
        self.schedule_broker();
    }

    /// Starts a failure of the broker on behalf of a fault.
    pub fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) {
        let transition = self.broker_faults.begin(fault, failure, lasting, self.now);
        self.broker_transition(&transition);
        self.schedule_broker();
    }

    /// Publishes a message on behalf of the host. It is lost while the broker is down.
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

    /// Runs until this time, including events at this time.
    pub fn run_until(&mut self, end: Time) {
        while self.step(end) {}
        self.now = self.now.max(end);
    }

    /// Handles the next event if it is due by `end`, and moves the clock to it. False if no event is due; the clock
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

    /// Runs for this duration.
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
        self.count_written(connection, &request);
        self.counts.up += 1;
        self.trace(&TraceEvent::Up(connection, &request));
        if self.broker.is_connected(connection) || matches!(request, Request::Connect(_)) {
            self.broker.handle(connection, request, self.now, &mut self.replies);
            self.send_replies();
        } else {
            // A packet for a closed connection is lost.
            self.lose_up(connection, &request, "its connection had ended before the broker read it");
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

    /// Counts a packet that the broker does not read, if it has a message.
    fn lose_up(&mut self, connection: ConnectionId, request: &Request, reason: &'static str) {
        let Request::Publish(publish) = request else { return };
        self.counts.lost_up += 1;
        let device = &mut self.nodes[connection.device.0 as usize].device;
        device.note_lost(Direction::Out, &publish.message, reason);
        self.report_steps(connection.device);
    }

    /// Passes the steps of messages at a device to the observer.
    fn report_steps(&mut self, index: DeviceIndex) {
        if !self.follows_messages {
            return;
        }
        for step in self.nodes[index.0 as usize].device.take_steps() {
            self.trace(&TraceEvent::Journey(index, &step));
        }
    }

    /// Passes the steps of messages at the broker to the observer.
    fn report_broker_steps(&mut self) {
        if !self.follows_messages {
            return;
        }
        let now = self.now();
        for step in self.broker.drain_steps() {
            self.observer.observe(now, &TraceEvent::AtBroker(&step));
        }
    }

    /// Sends the broker's replies, and schedules its next wakeup.
    fn send_replies(&mut self) {
        self.report_broker_steps();
        let mut replies = std::mem::take(&mut self.replies);
        for (connection, reply) in replies.drain(..) {
            self.send_down(connection, reply);
        }
        self.replies = replies;
        self.schedule_broker();
    }

    /// Passes pending inputs to a device, carries out its actions, and sends its packets.
    fn run_device(&mut self, index: DeviceIndex) {
        loop {
            while let Some(input) = self.outbox.inputs.pop_front() {
                self.deliver_input(index, input);
            }
            self.send_up(index);
            // The link may have returned a message.
            if self.outbox.inputs.is_empty() {
                break;
            }
        }
        self.counts.lost_down += std::mem::take(&mut self.outbox.lost);
        let sent = std::mem::take(&mut self.outbox.sent);
        let device = &mut self.nodes[index.0 as usize].device;
        device.count_sent(sent);
        self.outbox.settled.drain(..).for_each(|settled| device.note_settled(settled));
        self.report_steps(index);
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
        self.report_steps(index);
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
            // A subscription that the client refuses is dropped without an answer, as in real time.
            Action::Subscribe(filter, qos) => drop(client.subscribe(filter, qos, now, out)),
            Action::Unsubscribe(filter) => drop(client.unsubscribe(filter, now, out)),
            Action::HttpSend(id, _, _) if self.options.outbound_http == OutboundHttp::Unreachable => {
                self.event_queue.send(HTTP_LANE, now, InFlight::Unreachable(index, id))
            }
            Action::HttpSend(..) => {}
            Action::HttpRespond(ticket, response) => {
                self.http_status = Some(response.status);
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
