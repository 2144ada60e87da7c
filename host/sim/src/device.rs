//! A device: behaviour, connection, faults and account, as one state machine.
//!
//! It never sees a clock, a socket or a future. A driver puts in an [`Input`] with the time, carries out
//! the [`Action`]s that come out, and calls again at [`Device::next_deadline`]. Virtual and real time turn
//! the same machine.
//!
//! * `connection`: what the device knows of its connection, and the messages that wait for it. `connection_events`:
//!   what it does as that comes and goes.
//! * `power`: starting, ending, and starting again after a crash.
//! * `traffic`: the way of a message out and in, through the faults.
//! * `outages`: what comes over it for a while. `hang`: what waits while its behaviour stands still.
//! * `swap`: another version of its behaviour takes over while it runs.
//! * `http`: requests to it, and answers to its own.

mod connection;
mod connection_events;
mod hang;
mod http;
mod outages;
mod power;
mod swap;
mod traffic;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::action::Action;
use crate::behaviour::{Behaviour, BehaviourFactory, Trap};
use crate::context::{Context, Effect, Refusals};
use crate::event::{Event, StopReason};
use crate::faults::battery::EnergyUse;
use crate::faults::byte_stream::LinkConditions;
use crate::faults::injector::Injector;
use crate::faults::{ActiveFault, Direction, Fault, FaultId};
use crate::histogram::Histogram;
use crate::http::{HttpFailure, HttpRequest, HttpResponse};
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::notice::DeviceNotice;
use crate::rng::Seed;
use crate::schedule::Schedule;
use connection::Connection;
pub use connection::ConnectionState;
use power::Power;
pub use power::PowerState;
use swap::Swaps;
pub use swap::{SwapCounts, SwapRefusal, Upgrade, VersionChange};
use traffic::DelayedMessage;
pub use traffic::LatencySamples;
use wasmote_mqtt::client::ClientEvent;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_mqtt::topic::TopicFilter;

/// The time that comes with every input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// On the run's clock.
    pub run: Time,
    /// On the calendar.
    pub wall: WallTime,
}

/// What can happen to a device.
#[derive(Clone, Debug)]
pub enum Input {
    /// Power on, or start again after a stop.
    Start,
    /// End in order, for good or until `Start`.
    Stop(StopReason),
    /// Lose power and memory, and start again.
    Crash,
    /// A deadline has come.
    Wake,
    /// The connection is up; whether the broker still had the session.
    Connected {
        /// [MQTT-3.2.2-2]
        session_present: bool,
    },
    /// After a silence the broker answered on the old connection: it never noticed.
    Resumed,
    /// The connection could not be made, or broke; the reason in words.
    Disconnected(String),
    /// The broker delivered a message.
    Delivered(Message),
    /// The connection could not take a message that it was handed.
    Refused(Message),
    /// The connection broke before a message at QoS 1 or 2 was acknowledged, and its session is gone.
    Returned(Message),
    /// A message at QoS 0 was on its way this way when a fault of its line took it.
    Dropped(Direction, Message, FaultId),
    /// A user publishes on the device's behalf. It goes through the faults like the device's own.
    Publish(Message),
    /// Somebody asks the device over HTTP. The ticket comes back with the answer.
    HttpRequest(u64, HttpRequest),
    /// The answer to an outbound request.
    HttpReply(u64, Result<HttpResponse, HttpFailure>),
    /// Other faults from now on.
    SetFaults(Arc<[Arc<Fault>]>),
    /// Another version of its behaviour takes over, with what the present one knows.
    Swap(Upgrade),
}

/// What a device is made of.
#[derive(Clone)]
pub struct Blueprint {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// Where its behaviour comes from.
    pub factory: Arc<dyn BehaviourFactory>,
    /// What it may use.
    pub limits: Arc<Limits>,
    /// The MQTT version of its connection.
    pub protocol: Protocol,
    /// The run's seed.
    pub seed: Seed,
    /// The faults at the start.
    pub faults: Arc<[Arc<Fault>]>,
}

/// Output of MQTT clients, with events as inputs of their devices.
pub type Outbox = wasmote_mqtt::client::Outbox<Input>;

impl From<ClientEvent> for Input {
    fn from(event: ClientEvent) -> Self {
        match event {
            ClientEvent::Connected { session_present } => Self::Connected { session_present },
            ClientEvent::Resumed => Self::Resumed,
            ClientEvent::Disconnected(reason) => Self::Disconnected(reason),
            ClientEvent::Delivered(message) => Self::Delivered(message),
            ClientEvent::Refused(message) => Self::Refused(message),
            ClientEvent::Returned(message) => Self::Returned(message),
        }
    }
}

/// A simulated device.
pub struct Device {
    blueprint: Blueprint,
    power: Power,
    behaviour: Option<Box<dyn Behaviour>>,
    swaps: Swaps,
    context: Option<Context>,
    connection: Connection,
    injector: Injector,
    /// As the driver was told.
    link_conditions: LinkConditions,
    schedule: Schedule<DelayedMessage>,
    ledger: Ledger,
    sequence: u64,
    traps: u64,
    latency: Histogram,
    samples: LatencySamples,
    /// What waits for a hang to end.
    deferred_events: VecDeque<Event>,
    /// Empty between calls; it is kept so that a message does not allocate.
    passed: Vec<(Message, std::time::Duration)>,
}

/// Deadlines handled in one call; with the floor on timers this bounds what a device can hold up.
const MAX_STEPS_PER_WAKE: u32 = 256;

impl Device {
    /// A device that has not been switched on.
    pub fn new(blueprint: Blueprint, now: Time) -> Self {
        let Blueprint { identity, limits, protocol, seed, faults, .. } = &blueprint;
        let mut ledger = Ledger::default();
        let guest_stream = seed.stream(&identity.id, "guest");
        Self {
            context: Some(Context::new(Arc::clone(identity), *protocol, Arc::clone(limits), guest_stream)),
            connection: Connection::new(seed.stream(&identity.id, "reconnect"), limits.queued_messages),
            power: Power::new(seed.stream(&identity.id, "restart")),
            injector: Injector::new(faults, identity, *seed, now, &mut ledger),
            link_conditions: LinkConditions::default(),
            behaviour: None,
            swaps: Swaps::default(),
            schedule: Schedule::default(),
            ledger,
            sequence: 0,
            traps: 0,
            latency: Histogram::default(),
            samples: LatencySamples::default(),
            deferred_events: VecDeque::new(),
            passed: Vec::new(),
            blueprint,
        }
    }

    /// Who it is.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.blueprint.identity
    }

    /// The name of its behaviour.
    pub fn behaviour_name(&self) -> &str {
        self.blueprint.factory.name()
    }

    /// Whether it runs, and if not, why.
    pub fn power(&self) -> &PowerState {
        &self.power.state
    }

    /// Whether it is connected, and if not, why.
    pub fn connection(&self) -> &ConnectionState {
        &self.connection.state
    }

    /// Since when it has been running.
    pub fn started_at(&self) -> Option<Time> {
        self.power.started_at
    }

    /// Faults that hold it now.
    pub fn active_faults(&self) -> Vec<ActiveFault> {
        self.injector.active()
    }

    /// The account of its messages.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Messages that wait: out, and in.
    pub fn waiting(&self) -> (u64, u64) {
        let out = self.schedule.iter().filter(|delayed| delayed.is_outbound()).count();
        let inbound =
            self.schedule.len() - out + self.injector.held(Direction::In) + self.deferred_messages();
        ((out + self.injector.held(Direction::Out) + self.connection.queued()) as u64, inbound as u64)
    }

    /// How long received messages were under way, in seconds.
    pub fn latency(&self) -> &Histogram {
        &self.latency
    }

    /// The last few of these.
    pub fn latency_samples(&self) -> &LatencySamples {
        &self.samples
    }

    /// How often its behaviour trapped.
    pub fn traps(&self) -> u64 {
        self.traps
    }

    /// What its behaviour was refused.
    pub fn refusals(&self) -> Refusals {
        self.context.as_ref().map(Context::refusals).unwrap_or_default()
    }

    /// What its behaviour measures of itself.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.context.as_ref().map(Context::metrics)
    }

    /// The topic filters that its behaviour has subscribed to, with their QoS.
    pub fn subscriptions(&self) -> impl Iterator<Item = (&TopicFilter, Qos)> {
        let context = self.context.iter();
        context.flat_map(Context::subscriptions).map(|(filter, qos)| (filter, *qos))
    }

    /// Joules left in its battery, if it has one; in the one with the least, if it has several.
    pub fn joules_left(&self, now: Time) -> Option<f64> {
        self.injector.joules_left(now)
    }

    /// By how many seconds its calendar clock is ahead of the true one.
    pub fn clock_error_s(&self, now: Now) -> f64 {
        let (shown, truth) = (self.injector.clock_reading(now.run, now.wall).as_nanos(), now.wall.as_nanos());
        (i128::from(shown) - i128::from(truth)) as f64 / 1e9
    }

    /// When it wants to be woken.
    pub fn next_deadline(&self) -> Option<Time> {
        let timer = self.context.as_ref().filter(|_| self.is_awake()).and_then(Context::next_timer);
        let deadlines = [
            timer,
            self.schedule.next_due(),
            self.injector.next_release(),
            self.injector.next_deadline().filter(|_| !self.is_off()),
            self.injector.empty_at(),
            self.power.restart_at(),
            self.connection.reconnect_at().filter(|_| self.injector.silence().is_none()),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Whether its behaviour runs.
    pub fn is_running(&self) -> bool {
        matches!(self.power.state, PowerState::On)
    }

    /// Whether its behaviour runs and does not hang.
    pub fn is_awake(&self) -> bool {
        self.is_running() && !self.injector.hangs()
    }

    fn is_off(&self) -> bool {
        use PowerState::{Dead, Failed, New, Off};
        matches!(self.power.state, Off(_) | Failed(_) | Dead(_) | New)
    }

    /// Let something happen to it. What it asks for is added to `actions`.
    pub fn handle(&mut self, input: Input, now: Now, actions: &mut Vec<Action>) {
        match input {
            Input::Start => self.start(now, actions),
            Input::Stop(reason) => self.stop(reason, now, actions),
            Input::Crash => self.lose_power(power::REBOOT_DELAY, now, actions),
            Input::Wake => {}
            Input::Connected { session_present } => self.connected(session_present, now, actions),
            Input::Resumed => self.resumed(actions),
            Input::Disconnected(reason) => self.disconnected(reason, now, actions),
            Input::Delivered(message) => self.deliver(message, now, actions),
            Input::Refused(message) => self.refused(&message, actions),
            Input::Returned(message) => self.returned(message, actions),
            Input::Dropped(direction, message, fault) => {
                self.link_dropped(direction, &message, fault, actions)
            }
            Input::Publish(message) => self.publish(message, now, actions),
            Input::HttpRequest(ticket, request) => self.http_request(ticket, request, now, actions),
            Input::HttpReply(id, reply) => self.http_reply(id, reply, now, actions),
            Input::SetFaults(faults) => self.set_faults(faults, now, actions),
            Input::Swap(upgrade) => self.swap(upgrade, now, actions),
        }
        self.run_deadlines(now, actions);
    }

    /// Handle everything that is due, soonest first.
    fn run_deadlines(&mut self, now: Now, actions: &mut Vec<Action>) {
        for _ in 0..MAX_STEPS_PER_WAKE {
            if self.next_deadline().is_none_or(|due| due > now.run) {
                return;
            }
            self.run_next_deadline(now, actions);
        }
    }

    fn run_next_deadline(&mut self, now: Now, actions: &mut Vec<Action>) {
        if let Some(battery) = self.injector.take_empty_battery(now.run) {
            return self.battery_died(&battery, now, actions);
        }
        if !self.is_off()
            && let Some(change) = self.injector.advance(now.run, &mut self.ledger)
        {
            return self.outage(change, now, actions);
        }
        if self.power.restart_at().is_some_and(|due| due <= now.run) {
            return self.start(now, actions);
        }
        if self.injector.silence().is_none() && self.connection.take_reconnect(now.run) {
            return self.connect(now, actions);
        }
        if let Some(delayed) = self.schedule.take_due(now.run) {
            return self.forward(delayed, now, actions);
        }
        if self.release(now, actions) {
            return;
        }
        let is_awake = self.is_awake();
        let timer = self.context.as_mut().filter(|_| is_awake);
        if let Some(token) = timer.and_then(|context| context.timers().take_due(now.run)) {
            self.dispatch(Event::Timer(token), now, actions);
        }
    }

    /// Let the behaviour deal with an event, and carry out what it leaves behind.
    fn dispatch(&mut self, event: Event, now: Now, actions: &mut Vec<Action>) {
        if self.injector.hangs() {
            return self.defer(event, actions);
        }
        if let Err(trap) = self.call_handler(event, now, actions)
            && !self.roll_back(&trap, now, actions)
        {
            self.trapped(trap, now, actions);
        }
        self.end_trial(now);
    }

    fn call_handler(&mut self, event: Event, now: Now, actions: &mut Vec<Action>) -> Result<(), Trap> {
        self.call_behaviour(now, actions, |behaviour, context| behaviour.handle(event, context))
    }

    /// Lend the context to the behaviour for a call, and carry out what it leaves behind. Without a behaviour
    /// there is no call.
    fn call_behaviour<T: Default>(
        &mut self,
        now: Now,
        actions: &mut Vec<Action>,
        call: impl FnOnce(&mut dyn Behaviour, Context) -> (Context, Result<T, Trap>),
    ) -> Result<T, Trap> {
        // The context is taken only when there is somebody to lend it to.
        let Some(behaviour) = self.behaviour.as_mut() else { return Ok(T::default()) };
        let Some(mut context) = self.context.take() else { return Ok(T::default()) };
        self.injector.spend(EnergyUse::Event);
        context.set_clock(now.run, self.injector.clock_reading(now.run, now.wall));
        let (mut context, outcome) = call(&mut **behaviour, context);
        let mut effects = context.take_effects();
        self.context = Some(context);
        for effect in effects.drain(..) {
            match effect {
                Effect::Log(level, text) => actions.push(Action::Notice(DeviceNotice::Log(level, text))),
                _ if outcome.is_err() => {}
                effect => self.apply_effect(effect, now, actions),
            }
        }
        if let Some(context) = &mut self.context {
            context.recycle(effects);
        }
        outcome
    }

    fn apply_effect(&mut self, effect: Effect, now: Now, actions: &mut Vec<Action>) {
        match effect {
            Effect::Publish(message) => self.publish(message, now, actions),
            Effect::Subscribe(filter, qos) => self.connection.subscribe(filter, qos, actions),
            Effect::Unsubscribe(filter) => self.connection.unsubscribe(filter, actions),
            Effect::Log(level, text) => actions.push(Action::Notice(DeviceNotice::Log(level, text))),
            Effect::HttpSend(id, request, timeout) => actions.push(Action::HttpSend(id, request, timeout)),
            Effect::HttpRespond(ticket, response) => actions.push(Action::HttpRespond(ticket, response)),
        }
    }
}
