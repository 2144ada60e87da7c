//! Several devices of one behaviour, the bus between them, and the clock that drives them.
//!
//! `look`: what a test sees of them.

mod look;

use super::bus::{Bus, Published, lower};
use super::connection::{Clock, Connection, Hardware};
use crate::host::Identity;
use crate::json::{self, Value};
use crate::topic;
use crate::{
    Behaviour, ConnectionChange, Device, Failure, Message, Outgoing, Qos, Request, Response, StartCause,
    StopReason,
};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::marker::PhantomData;
use std::time::Duration;

/// What a fleet is to be, before it starts.
pub struct Plan<B> {
    group: String,
    count: usize,
    seed: u64,
    config: String,
    behaviour: PhantomData<B>,
}

impl<B: Behaviour> Plan<B> {
    /// The configuration of every device, as JSON. `{}` unless set.
    pub fn config(mut self, json: &str) -> Self {
        self.config = json.into();
        self
    }

    /// The seed of all chance. 1 unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Start all devices, and connect them.
    ///
    /// # Panics
    ///
    /// If a behaviour refuses its configuration; see [`refusal`](super::refusal) for tests of that.
    pub fn start(self) -> Fleet<B> {
        let clock = Clock::default();
        let ids: Vec<String> = (0..self.count).map(|index| format!("{}-{index}", self.group)).collect();
        let places = ids.iter().enumerate().map(|(index, id)| {
            let identity = Identity {
                id: id.clone(),
                group: self.group.clone(),
                index: index as u32,
                count: self.count as u32,
                topic_root: "wasmote".into(),
            };
            let connection = Connection::new(identity, ids.clone(), &self.config, self.seed, clock.clone());
            Place { connection, running: None, silent: false }
        });
        let places = places.collect();
        let mut fleet = Fleet { places, bus: Bus::new(self.seed), clock, deliveries: BinaryHeap::new() };
        for index in 0..self.count {
            fleet.power_on(index, StartCause::PowerOn);
        }
        fleet
    }
}

struct Place<B> {
    connection: Connection,
    running: Option<(B, Device)>,
    silent: bool,
}

/// A message under way, ordered by when it is due and then by when it was sent.
struct Delivery {
    due: (u64, u64),
    to: usize,
    message: Message,
}

impl PartialEq for Delivery {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}
impl Eq for Delivery {}
impl PartialOrd for Delivery {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Delivery {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.due.cmp(&other.due)
    }
}

/// A running fleet. Devices are named by their index; their ids are `<group>-<index>`, their topics
/// begin with `wasmote`.
pub struct Fleet<B> {
    places: Vec<Place<B>>,
    bus: Bus,
    clock: Clock,
    deliveries: BinaryHeap<Reverse<Delivery>>,
}

/// Making a fleet, and letting time pass.
impl<B: Behaviour> Fleet<B> {
    /// Plan a fleet of `count` devices in one group.
    pub fn of(group: &str, count: usize) -> Plan<B> {
        Plan { group: group.into(), count, seed: 1, config: "{}".into(), behaviour: PhantomData }
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.clock.now.get())
    }

    /// Do everything that is due within this time, in order.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.clock.now.get() + time.as_nanos() as u64;
        while self.step(end) {}
        self.clock.now.set(end);
    }

    /// Do what is due next, if that is not later than `end`. A test can look around between steps.
    pub fn step_until(&mut self, end: Duration) -> bool {
        self.step(end.as_nanos() as u64)
    }

    fn step(&mut self, end: u64) -> bool {
        let delivery = self.deliveries.peek().map(|Reverse(delivery)| delivery.due);
        let timer = self.next_timer();
        let timer_first = match (timer, delivery) {
            (None, None) => return false,
            (Some((due, ..)), Some(other)) => due < other,
            (timer, _) => timer.is_some(),
        };
        let due = if timer_first { timer.map(|(due, ..)| due) } else { delivery };
        let Some((at, _)) = due.filter(|(at, _)| *at <= end) else { return false };
        self.clock.now.set(at);
        if timer_first {
            if let Some((_, index, token)) = timer {
                self.hardware(index, |hardware| hardware.timers.remove(&token));
                self.call(index, |behaviour, device| behaviour.on_timer(device, token));
            }
        } else if let Some(Reverse(Delivery { to, message, .. })) = self.deliveries.pop()
            && self.hears(to)
        {
            self.call(to, |behaviour, device| behaviour.on_message(device, message));
        }
        true
    }

    fn next_timer(&self) -> Option<((u64, u64), usize, u32)> {
        let of_each = self.places.iter().enumerate().filter_map(|(index, place)| {
            let hardware = place.connection.0.borrow();
            hardware.timers.iter().map(|(token, due)| (*due, index, *token)).min()
        });
        of_each.min()
    }
}

/// Doing things to devices.
impl<B: Behaviour> Fleet<B> {
    /// The medium between the devices: delay, loss, cuts.
    pub fn bus(&mut self) -> &mut Bus {
        &mut self.bus
    }

    /// Cut a device off in both directions without its noticing, or the broker's. What it publishes at
    /// QoS 0 is lost; the rest waits for [`unsilence`](Fleet::unsilence).
    pub fn silence(&mut self, index: usize) {
        self.places[index].silent = true;
    }

    /// Let a silent device speak and hear again.
    pub fn unsilence(&mut self, index: usize) {
        self.places[index].silent = false;
        self.flush(index);
    }

    /// End a device's connection without a farewell: the device is told, and the will is published.
    pub fn disconnect(&mut self, index: usize) {
        self.lose_connection(index);
        let down = ConnectionChange::Down("cut off".into());
        self.call(index, |behaviour, device| behaviour.on_connection(device, down));
    }

    /// Bring a device's connection up again, with a new session.
    pub fn reconnect(&mut self, index: usize) {
        self.hardware(index, |hardware| {
            hardware.connected = true;
            hardware.fresh_subscriptions = hardware.subscriptions.keys().cloned().collect();
        });
        self.call(index, |behaviour, device| behaviour.on_connection(device, ConnectionChange::Up(false)));
    }

    /// End a device at once: nothing is called, the will is published, memory and timers are gone.
    pub fn crash(&mut self, index: usize) {
        self.places[index].running = None;
        self.lose_connection(index);
        self.hardware(index, |hardware| {
            hardware.timers.clear();
            hardware.subscriptions.clear();
            hardware.outbox.clear();
        });
    }

    /// Start a crashed or stopped device again. Its store is as it was.
    pub fn restart(&mut self, index: usize) {
        self.power_on(index, StartCause::Restart);
    }

    /// Stop a device with a farewell: what it publishes still goes out, and there is no will.
    pub fn stop(&mut self, index: usize) {
        self.call(index, |behaviour, device| behaviour.stop(device, StopReason::Requested));
        self.hardware(index, |hardware| hardware.will = None);
        self.crash(index);
    }

    /// Replace a device's behaviour by a fresh one that takes over its snapshot, while the connection
    /// stays up.
    ///
    /// # Panics
    ///
    /// If the behaviour cannot save, start or take over.
    pub fn swap(&mut self, index: usize) {
        let mut saved = Vec::new();
        self.call(index, |behaviour, device| {
            saved = behaviour.snapshot(device).expect("the behaviour saves itself");
            behaviour.stop(device, StopReason::Swap);
        });
        let mut device = Device::new(self.places[index].connection.clone());
        self.hardware(index, |hardware| hardware.timers.clear());
        let mut behaviour = B::start(&mut device, StartCause::Swap).expect("the behaviour starts");
        behaviour.restore(&mut device, &saved).expect("the behaviour takes over");
        self.places[index].running = Some((behaviour, device));
        self.flush(index);
    }

    /// Publish a message from the outside.
    pub fn send(&mut self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send_message(Outgoing::new(topic, payload));
    }

    /// Publish any message from the outside.
    pub fn send_message(&mut self, message: Outgoing) {
        self.route(None, message);
    }

    /// Ask a device over HTTP.
    ///
    /// # Panics
    ///
    /// If the device does not run.
    pub fn request(&mut self, index: usize, request: Request) -> Response {
        let mut response = None;
        self.call(index, |behaviour, device| response = Some(behaviour.on_http_request(device, request)));
        response.expect("the device runs")
    }

    /// Ask a device with GET, and read the JSON of its answer.
    ///
    /// # Panics
    ///
    /// If the device does not run, or answers something else than 200 and JSON.
    pub fn get(&mut self, index: usize, path: &str) -> Value {
        let response = self.request(index, Request::get(path));
        let body = String::from_utf8_lossy(&response.body).into_owned();
        assert_eq!(response.status, 200, "{path}: {body}");
        let limits = json::Limits { depth: 64, values: u32::MAX };
        json::parse_with_limits(&response.body, limits)
            .unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// Answer a request that a device sent with `send_http`.
    pub fn reply(&mut self, index: usize, id: u64, reply: Result<Response, Failure>) {
        self.call(index, |behaviour, device| behaviour.on_http_reply(device, id, reply));
    }
}

/// How it works.
impl<B: Behaviour> Fleet<B> {
    fn hardware<R>(&self, index: usize, look: impl FnOnce(&mut Hardware) -> R) -> R {
        look(&mut self.places[index].connection.0.borrow_mut())
    }

    fn hears(&self, index: usize) -> bool {
        let place = &self.places[index];
        place.running.is_some() && !place.silent && place.connection.0.borrow().connected
    }

    fn power_on(&mut self, index: usize, cause: StartCause) {
        let mut device = Device::new(self.places[index].connection.clone());
        match B::start(&mut device, cause) {
            Ok(behaviour) => self.places[index].running = Some((behaviour, device)),
            Err(reason) => panic!("the behaviour refuses to start: {reason}"),
        }
        self.reconnect(index);
    }

    /// Call a behaviour, then let out what it has published.
    fn call(&mut self, index: usize, call: impl FnOnce(&mut B, &mut Device)) {
        if let Some((behaviour, device)) = &mut self.places[index].running {
            call(behaviour, device);
        }
        self.flush(index);
    }

    fn flush(&mut self, index: usize) {
        let hears = self.hears(index);
        let (outbox, fresh) = self.hardware(index, |hardware| {
            let (out, wait): (Vec<Outgoing>, _) = std::mem::take(&mut hardware.outbox)
                .into_iter()
                .filter(|message| hears || message.qos != Qos::AtMostOnce)
                .partition(|_| hears);
            hardware.outbox = wait;
            let fresh = if hears { std::mem::take(&mut hardware.fresh_subscriptions) } else { Vec::new() };
            (out, fresh)
        });
        for filter in fresh {
            for message in self.bus.retained_for(&filter) {
                self.deliver(None, index, &message, true);
            }
        }
        for message in outbox {
            self.route(Some(index), message);
        }
    }

    fn route(&mut self, from: Option<usize>, message: Outgoing) {
        self.bus.enter(Published { at: self.now(), from, message: message.clone() });
        for to in 0..self.places.len() {
            self.deliver(from, to, &message, false);
        }
    }

    /// Put a message under way to a device, once, however many of its subscriptions match.
    fn deliver(&mut self, from: Option<usize>, to: usize, message: &Outgoing, retain: bool) {
        let granted = self.hardware(to, |hardware| {
            let filters =
                hardware.subscriptions.iter().filter(|(filter, _)| topic::matches(filter, &message.topic));
            filters.map(|(_, qos)| *qos).max_by_key(|qos| *qos as u8)
        });
        let Some(granted) = granted.filter(|_| self.hears(to)) else { return };
        let Some(delay) = self.bus.judge(from, to) else { return };
        let message = Message {
            topic: message.topic.clone(),
            payload: message.payload.clone(),
            qos: lower(message.qos, granted),
            retain,
            properties: message.properties.clone(),
        };
        let due = (self.clock.now.get() + delay.as_nanos() as u64, self.clock.next_sequence());
        self.deliveries.push(Reverse(Delivery { due, to, message }));
    }

    fn lose_connection(&mut self, index: usize) {
        let was_up = self.hardware(index, |hardware| std::mem::take(&mut hardware.connected));
        let will = self.hardware(index, |hardware| hardware.will.clone());
        if let Some(will) = will.filter(|_| was_up) {
            let mut message = Outgoing::new(will.topic, will.payload).qos(will.qos);
            message.retain = will.retain;
            self.route(None, message);
        }
    }
}
