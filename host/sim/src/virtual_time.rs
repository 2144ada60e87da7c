//! The second driver: devices and the broker in virtual time, where waiting costs nothing.
//!
//! The first driver, in `wasmote-live`, turns the same devices in real time. Here one thread takes what
//! happens next from an agenda, in the order of time and then of arrival, and sets the clock to it. Equal
//! seeds, devices and options give the same steps, which a [`digest`] of them shows. Each device has a
//! [`client`](crate::client) that connects it.
//!
//! * `agenda` and `deadlines`: what happens next.
//! * `network`: the lines that packets go over, and what their faults make of it.
//! * `outage`: the broker's own faults.
//! * [`observer`]: looking on, and the names of what is seen. [`counts`]: how much happened.
//! * [`options`]: the world's constants.

mod agenda;
pub mod counts;
mod deadlines;
pub mod digest;
mod network;
pub mod observer;
pub mod options;
mod outage;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::action::Action;
use crate::broker::packet::{Reply, Request};
use crate::broker::{Broker, Replies};
use crate::client::{Client, Outbox};
use crate::context::{Protocol, SHORTEST_TIMER};
use crate::device::{Blueprint, Device, Input, Now};
use crate::faults::broker::{BrokerFaults, Condition, Failure};
use crate::faults::{Direction, Fault, FaultId};
use crate::http::HttpFailure;
use crate::line::Line;
use crate::message::Message;
use crate::rng::Seed;
use crate::time::Time;
use agenda::{Agenda, Due};
use counts::Counts;
use deadlines::Slot;
use observer::{DeviceIndex, LinkId, Observer, Step};
use options::Options;
use outage::Unread;

/// A run in virtual time.
pub struct VirtualTime<O = ()> {
    options: Options,
    now: Time,
    seats: Vec<Seat>,
    broker: Broker<LinkId>,
    broker_faults: BrokerFaults,
    /// What a broker that stands still has not read.
    unread: VecDeque<Unread>,
    agenda: Agenda<Parcel, 2>,
    observer: O,
    counts: Counts,
    // Empty between steps; they are kept so that a step does not allocate.
    actions: Vec<Action>,
    outbox: Outbox,
    replies: Replies<LinkId>,
}

/// A device and what connects it.
struct Seat {
    device: Device,
    client: Client,
    protocol: Protocol,
    /// The line, once there was a fault of it. A line without one is nothing but its latency.
    line: Option<Box<Line>>,
    /// Messages at QoS 0 that the broker has not read.
    unread: usize,
}

/// What is under way.
#[derive(Debug)]
enum Parcel {
    Up(LinkId, Request),
    Down(LinkId, Reply),
    /// There is no network beside the broker: the request with this number fails.
    Unreachable(DeviceIndex, u64),
}

/// The lane of packets.
const PACKETS: usize = 0;
/// The lane of HTTP requests. They take some time to fail, so that a behaviour that tries again at once
/// does not stop the clock.
const HTTP: usize = 1;
/// The broker's slot on the agenda; device `i` has slot `i + 1`.
const BROKER: Slot = Slot(0);

impl<O: Observer> VirtualTime<O> {
    /// A world without devices, at the beginning of time.
    pub fn new(options: Options, observer: O) -> Self {
        Self {
            now: Time::ZERO,
            seats: Vec::new(),
            broker: Broker::new(options.broker.clone()),
            broker_faults: BrokerFaults::default(),
            unread: VecDeque::new(),
            agenda: Agenda::new([options.latency, SHORTEST_TIMER]),
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
        let index = DeviceIndex(u32::try_from(self.seats.len()).expect("fewer than four billion devices"));
        let link = LinkId { device: index, attempt: 0 };
        let client_id = blueprint.identity.id.as_str().into();
        let client = Client::new(link, client_id, blueprint.protocol, Arc::clone(&self.options.client));
        let protocol = blueprint.protocol;
        let device = Device::new(blueprint, self.now);
        self.seats.push(Seat { device, client, protocol, line: None, unread: 0 });
        self.set_alarm(index);
        index
    }

    /// The present.
    pub fn now(&self) -> Now {
        Now { run: self.now, wall: self.options.epoch + self.now.elapsed() }
    }

    /// The devices, in the order in which they were added.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.seats.iter().map(|seat| &seat.device)
    }

    /// One device.
    pub fn device(&self, index: DeviceIndex) -> Option<&Device> {
        self.seats.get(index.0 as usize).map(|seat| &seat.device)
    }

    /// The broker.
    pub fn broker(&self) -> &Broker<LinkId> {
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
        if (device.0 as usize) < self.seats.len() {
            self.outbox.inputs.push_back(input);
            self.turn(device);
        }
    }

    /// Other faults of the broker from now on: those among these. What the others had begun is over.
    pub fn set_broker_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) {
        for turn in self.broker_faults.change(faults, seed, self.now) {
            self.broker_turns(&turn);
        }
        self.set_broker_alarm();
    }

    /// Let the broker fail now, for so long, in this fault's name.
    pub fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) {
        let turn = self.broker_faults.begin(fault, failure, lasting, self.now);
        self.broker_turns(&turn);
        self.set_broker_alarm();
    }

    /// Publish a message under no device's name. Where there is no broker, it is lost.
    pub fn publish(&mut self, message: Message) {
        match self.broker_faults.condition() {
            Condition::Up => {}
            Condition::Paused => return self.unread.push_back(Unread::Host(message)),
            Condition::Down => return self.counts.lost_up += 1,
        }
        self.see(&Step::HostPublish(&message));
        self.broker.publish(message, self.now, &mut self.replies);
        self.after_broker();
    }

    /// Let time pass until then; what is due at that very time still happens.
    pub fn run_until(&mut self, end: Time) {
        while let Some((at, due)) = self.agenda.take(end) {
            self.now = at;
            match due {
                Due::Deadline(BROKER) => self.wake_broker(),
                Due::Deadline(slot) => self.wake_device(DeviceIndex(slot.0 - 1)),
                Due::Arrival(Parcel::Up(link, request)) => self.arrive_up(link, request),
                Due::Arrival(Parcel::Down(link, reply)) => self.arrive_down(link, reply),
                Due::Arrival(Parcel::Unreachable(device, id)) => {
                    let failure = HttpFailure::Unreachable("there is no network in virtual time".into());
                    self.put(device, Input::HttpReply(id, Err(failure)));
                }
            }
        }
        self.now = self.now.max(end);
    }

    /// Let this much time pass.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    fn wake_broker(&mut self) {
        self.turn_broker_faults();
        if self.broker_faults.condition() == Condition::Up {
            self.do_what_is_due();
        }
        self.set_broker_alarm();
    }

    fn wake_device(&mut self, index: DeviceIndex) {
        self.let_through(index);
        let seat = &mut self.seats[index.0 as usize];
        seat.client.wake(self.now, &mut self.outbox);
        if seat.device.next_deadline().is_some_and(|due| due <= self.now) {
            self.outbox.inputs.push_back(Input::Wake);
        }
        self.turn(index);
    }

    fn arrive_up(&mut self, link: LinkId, request: Request) {
        if !matches!(request, Request::Lost) && self.was_reset(Direction::Out, link, &request) {
            return;
        }
        if self.broker_faults.condition() != Condition::Up {
            return self.arrive_in_vain(link, request);
        }
        self.counts.up += 1;
        self.see(&Step::Up(link, &request));
        if self.broker.is_connected(link) || matches!(request, Request::Connect(_)) {
            self.broker.handle(link, request, self.now, &mut self.replies);
            self.after_broker();
        } else {
            // Nobody reads what comes on a connection that is closed.
            self.counts.lost_up += u64::from(matches!(request, Request::Publish(_)));
        }
    }

    fn arrive_down(&mut self, link: LinkId, reply: Reply) {
        if self.was_reset(Direction::In, link, &reply) {
            return;
        }
        self.counts.down += 1;
        self.see(&Step::Down(link, &reply));
        let seat = &mut self.seats[link.device.0 as usize];
        seat.client.receive(link, reply, self.now, &mut self.outbox);
        self.turn(link.device);
    }

    /// Send on what the broker has to say, and remember when it wants to be woken.
    fn after_broker(&mut self) {
        let mut replies = std::mem::take(&mut self.replies);
        for (link, reply) in replies.drain(..) {
            self.send_down(link, reply);
        }
        self.replies = replies;
        self.set_broker_alarm();
    }

    /// Give a device what waits for it, carry out what it asks for, and send what its client has to send.
    fn turn(&mut self, index: DeviceIndex) {
        loop {
            while let Some(input) = self.outbox.inputs.pop_front() {
                self.give(index, input);
            }
            self.send_up(index);
            // The line may have given something back.
            if self.outbox.inputs.is_empty() {
                break;
            }
        }
        self.counts.lost_down += std::mem::take(&mut self.outbox.lost);
        self.set_alarm(index);
    }

    fn give(&mut self, index: DeviceIndex, input: Input) {
        self.counts.inputs += 1;
        self.see(&Step::Input(index, &input));
        let now = self.now();
        let mut actions = std::mem::take(&mut self.actions);
        self.seats[index.0 as usize].device.handle(input, now, &mut actions);
        for action in actions.drain(..) {
            self.carry_out(index, action);
        }
        self.actions = actions;
    }

    fn carry_out(&mut self, index: DeviceIndex, action: Action) {
        let client = &mut self.seats[index.0 as usize].client;
        let (now, out) = (self.now, &mut self.outbox);
        match action {
            Action::Connect(will) => client.connect(will, now, out),
            Action::Disconnect(farewell) => client.disconnect(farewell, now, out),
            Action::Weather(weather) => self.set_weather(index, weather),
            Action::Strike(blow, fault) => self.strike(index, blow, fault),
            Action::Silence => client.silence(),
            Action::Resume => client.resume(now, out),
            Action::Publish(message) => client.publish(message, now, out),
            // What a client cannot ask for it does not hear, as in real time.
            Action::Subscribe(filter, qos) => drop(client.subscribe(filter, qos, now, out)),
            Action::Unsubscribe(filter) => drop(client.unsubscribe(filter, now, out)),
            Action::HttpSend(id, _, _) => self.agenda.send(HTTP, now, Parcel::Unreachable(index, id)),
            Action::HttpRespond(ticket, response) => self.see(&Step::HttpResponse(index, ticket, &response)),
            Action::Notice(notice) => self.see(&Step::Notice(index, &notice)),
        }
    }

    fn set_alarm(&mut self, index: DeviceIndex) {
        let seat = &self.seats[index.0 as usize];
        let line = seat.line.as_ref().and_then(|line| line.next_deadline());
        let wishes = [seat.device.next_deadline(), seat.client.next_deadline(), line];
        let due = wishes.into_iter().flatten().min();
        self.agenda.set_deadline(Slot(index.0 + 1), due, self.now);
    }

    fn see(&mut self, step: &Step<'_>) {
        let now = self.now();
        self.observer.observe(now, step);
    }
}
