//! A device: behaviour, connection, faults and account, as one state machine.
//!
//! It never sees a clock, a socket or a future. A driver puts in an [`Input`] with the time, carries out
//! the [`Action`]s that come out, and calls again at [`Device::next_deadline`]. Virtual and real time turn
//! the same machine.
//!
//! * `link`: what the device knows of its connection, and the messages that wait for it.
//! * `power`: starting, ending, and starting again after a crash.
//! * `traffic`: the way of a message out and in, through the faults.

mod link;
mod power;
mod traffic;

use std::sync::Arc;

use crate::action::{Action, Farewell, Notice};
use crate::behaviour::{Behaviour, Spawn, Trap};
use crate::context::{Context, Effect, Protocol, Refusals};
use crate::device_id::Identity;
use crate::event::{ConnectionChange, Event, StopReason};
use crate::faults::injector::{Injector, OutageChange};
use crate::faults::{ActiveFault, Fault, Model};
use crate::histogram::Histogram;
use crate::http::{HttpFailure, HttpRequest, HttpResponse};
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::measures::Measures;
use crate::message::Message;
use crate::rng::Seed;
use crate::schedule::Schedule;
use crate::time::{Time, WallTime};
use link::Link;
pub use link::LinkState;
use power::Power;
pub use power::PowerState;
pub use traffic::LatencySamples;
use traffic::Parcel;

/// The time that comes with every input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// On the run's clock.
    pub run: Time,
    /// On the calendar.
    pub wall: WallTime,
}

/// What can happen to a device.
#[derive(Debug)]
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
    /// A user publishes on the device's behalf. It goes through the faults like the device's own.
    Publish(Message),
    /// Somebody asks the device over HTTP. The ticket comes back with the answer.
    HttpRequest(u64, HttpRequest),
    /// The answer to an outbound request.
    HttpReply(u64, Result<HttpResponse, HttpFailure>),
    /// Other faults from now on.
    SetFaults(Arc<[Arc<Fault>]>),
}

/// What a device is made of.
#[derive(Clone)]
pub struct Blueprint {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// Where its behaviour comes from.
    pub spawn: Arc<dyn Spawn>,
    /// What it may use.
    pub limits: Arc<Limits>,
    /// The MQTT version of its connection.
    pub protocol: Protocol,
    /// The run's seed.
    pub seed: Seed,
    /// The faults at the start.
    pub faults: Arc<[Arc<Fault>]>,
}

/// A simulated device.
pub struct Device {
    blueprint: Blueprint,
    power: Power,
    behaviour: Option<Box<dyn Behaviour>>,
    context: Option<Context>,
    link: Link,
    injector: Injector,
    schedule: Schedule<Parcel>,
    ledger: Ledger,
    sequence: u64,
    traps: u64,
    latency: Histogram,
    samples: LatencySamples,
    passed: Vec<(Message, std::time::Duration)>,
}

/// Deadlines handled in one call; with the floor on timers this bounds what a device can hold up.
const STEPS_PER_WAKE: u32 = 256;

impl Device {
    /// A device that has not been switched on.
    pub fn new(blueprint: Blueprint, now: Time) -> Self {
        let Blueprint { identity, limits, protocol, seed, faults, .. } = &blueprint;
        let mut ledger = Ledger::default();
        let guest_stream = seed.stream(&identity.id, "guest");
        Self {
            context: Some(Context::new(Arc::clone(identity), *protocol, Arc::clone(limits), guest_stream)),
            link: Link::new(seed.stream(&identity.id, "reconnect"), limits.queued_messages),
            power: Power::new(seed.stream(&identity.id, "restart")),
            injector: Injector::new(faults, identity, *seed, now, &mut ledger),
            behaviour: None,
            schedule: Schedule::default(),
            ledger,
            sequence: 0,
            traps: 0,
            latency: Histogram::default(),
            samples: LatencySamples::default(),
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
        self.blueprint.spawn.name()
    }

    /// Whether it runs, and if not, why.
    pub fn power(&self) -> &PowerState {
        &self.power.state
    }

    /// Whether it is connected, and if not, why.
    pub fn link(&self) -> &LinkState {
        &self.link.state
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
        let out = self.schedule.iter().filter(|parcel| parcel.is_outbound()).count();
        let inward = self.schedule.len() - out;
        ((out + self.link.queued()) as u64, inward as u64)
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
    pub fn measures(&self) -> Option<&Measures> {
        self.context.as_ref().map(Context::measures)
    }

    /// When it wants to be woken.
    pub fn next_deadline(&self) -> Option<Time> {
        let timer = self.context.as_ref().filter(|_| self.is_running()).and_then(Context::next_timer);
        let wishes = [
            timer,
            self.schedule.next_due(),
            self.injector.next_deadline().filter(|_| !self.is_off()),
            self.power.restart_at(),
            self.link.reconnect_at().filter(|_| self.injector.silence().is_none()),
        ];
        wishes.into_iter().flatten().min()
    }

    /// Whether its behaviour runs.
    pub fn is_running(&self) -> bool {
        matches!(self.power.state, PowerState::On)
    }

    fn is_off(&self) -> bool {
        matches!(self.power.state, PowerState::Off(_) | PowerState::Failed(_) | PowerState::New)
    }

    /// Let something happen to it. What it asks for is added to `actions`.
    pub fn handle(&mut self, input: Input, now: Now, actions: &mut Vec<Action>) {
        match input {
            Input::Start => self.start(now, actions),
            Input::Stop(reason) => self.stop(reason, now, actions),
            Input::Crash => self.lose_power(power::REBOOT, now, actions),
            Input::Wake => {}
            Input::Connected { session_present } => self.connected(session_present, now, actions),
            Input::Resumed => self.resumed(actions),
            Input::Disconnected(reason) => self.disconnected(reason, now, actions),
            Input::Delivered(message) => self.deliver(message, now, actions),
            Input::Refused(message) => self.refused(&message, actions),
            Input::Publish(message) => self.originate(message, now, actions),
            Input::HttpRequest(ticket, request) => self.http_request(ticket, request, now, actions),
            Input::HttpReply(id, reply) => self.http_reply(id, reply, now, actions),
            Input::SetFaults(faults) => self.set_faults(faults, now, actions),
        }
        self.meet_deadlines(now, actions);
    }

    /// Handle everything that is due, soonest first.
    fn meet_deadlines(&mut self, now: Now, actions: &mut Vec<Action>) {
        for _ in 0..STEPS_PER_WAKE {
            if self.next_deadline().is_none_or(|due| due > now.run) {
                return;
            }
            self.step(now, actions);
        }
    }

    fn step(&mut self, now: Now, actions: &mut Vec<Action>) {
        if !self.is_off()
            && let Some(change) = self.injector.turn(now.run, &mut self.ledger)
        {
            return self.outage(change, now, actions);
        }
        if self.power.restart_at().is_some_and(|due| due <= now.run) {
            return self.start(now, actions);
        }
        if self.injector.silence().is_none() && self.link.take_reconnect(now.run) {
            return self.connect(now, actions);
        }
        if let Some(parcel) = self.schedule.take_due(now.run) {
            return self.forward(parcel, now, actions);
        }
        let timer = self.context.as_mut().filter(|_| self.power.state == PowerState::On);
        if let Some(token) = timer.and_then(|context| context.timers().take_due(now.run)) {
            self.tell(Event::Timer(token), now, actions);
        }
    }

    fn outage(&mut self, change: OutageChange, now: Now, actions: &mut Vec<Action>) {
        self.refresh_active_faults();
        let (fault, until) = match change {
            OutageChange::Began(fault, until) => (fault, Some(until)),
            OutageChange::Ended(fault) => (fault, None),
        };
        let kind = fault.model.kind();
        actions.push(Action::Notice(match until {
            Some(until) => Notice::FaultBegan(fault.id.clone(), kind, until),
            None => Notice::FaultEnded(fault.id.clone(), kind),
        }));
        match (&fault.model, until) {
            (Model::Silence(_), Some(_)) => actions.push(Action::Silence),
            (Model::Silence(_), None) => self.resume(actions),
            (Model::Crash(_), Some(until)) => self.lose_power(until.since(now.run), now, actions),
            (Model::Disconnect(_), Some(until)) => {
                self.break_link(format!("fault `{}`", fault.id), until, now, actions);
            }
            _ => {}
        }
    }

    fn set_faults(&mut self, faults: Arc<[Arc<Fault>]>, now: Now, actions: &mut Vec<Action>) {
        let was_silent = self.injector.silence().is_some();
        let Blueprint { identity, seed, .. } = &self.blueprint;
        self.injector = Injector::new(&faults, identity, *seed, now.run, &mut self.ledger);
        self.blueprint.faults = faults;
        self.refresh_active_faults();
        if was_silent {
            self.resume(actions);
        }
    }

    fn resume(&mut self, actions: &mut Vec<Action>) {
        if self.injector.silence().is_some() {
            return;
        }
        if self.link.state == LinkState::Up {
            self.link.state = LinkState::Resuming;
        }
        actions.push(Action::Resume);
    }

    /// The broker still knows the connection after a silence.
    fn resumed(&mut self, actions: &mut Vec<Action>) {
        if self.link.state == LinkState::Resuming {
            self.link.state = LinkState::Up;
            self.send_queued(actions);
        }
    }

    fn send_queued(&mut self, actions: &mut Vec<Action>) {
        for message in self.link.take_queued() {
            self.hand_over(message, actions);
        }
    }

    fn refresh_active_faults(&mut self) {
        let active = self.injector.active();
        if let Some(context) = &mut self.context {
            context.set_active_faults(active);
        }
    }

    fn http_request(&mut self, ticket: u64, request: HttpRequest, now: Now, actions: &mut Vec<Action>) {
        let answered_before = actions.len();
        if self.is_running() {
            self.tell(Event::HttpRequest(ticket, request), now, actions);
        }
        let answered = actions[answered_before..]
            .iter()
            .any(|action| matches!(action, Action::HttpRespond(answered, _) if *answered == ticket));
        if !answered {
            let sorry = HttpResponse::text(503, "the device's behaviour is not running\n");
            actions.push(Action::HttpRespond(ticket, sorry));
        }
    }

    fn http_reply(
        &mut self,
        id: u64,
        reply: Result<HttpResponse, HttpFailure>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        if let Some(context) = &mut self.context {
            context.http_done();
        }
        self.tell(Event::HttpReply(id, reply), now, actions);
    }

    /// Let the behaviour deal with an event, and carry out what it leaves behind.
    fn tell(&mut self, event: Event, now: Now, actions: &mut Vec<Action>) {
        if let Err(trap) = self.run(event, now, actions) {
            self.trapped(trap, now, actions);
        }
    }

    fn run(&mut self, event: Event, now: Now, actions: &mut Vec<Action>) -> Result<(), Trap> {
        let (Some(behaviour), Some(mut context)) = (self.behaviour.as_mut(), self.context.take()) else {
            return Ok(());
        };
        context.set_clock(now.run, now.wall);
        let (mut context, outcome) = behaviour.handle(event, context);
        let mut effects = context.take_effects();
        self.context = Some(context);
        for effect in effects.drain(..) {
            match effect {
                Effect::Log(level, text) => actions.push(Action::Notice(Notice::Log(level, text))),
                _ if outcome.is_err() => {}
                effect => self.carry_out(effect, now, actions),
            }
        }
        if let Some(context) = &mut self.context {
            context.reuse(effects);
        }
        outcome
    }

    fn carry_out(&mut self, effect: Effect, now: Now, actions: &mut Vec<Action>) {
        match effect {
            Effect::Publish(message) => self.originate(message, now, actions),
            Effect::Subscribe(filter, qos) => self.link.subscribe(filter, qos, actions),
            Effect::Unsubscribe(filter) => self.link.unsubscribe(filter, actions),
            Effect::Log(level, text) => actions.push(Action::Notice(Notice::Log(level, text))),
            Effect::HttpSend(id, request, timeout) => actions.push(Action::HttpSend(id, request, timeout)),
            Effect::HttpRespond(ticket, response) => actions.push(Action::HttpRespond(ticket, response)),
        }
    }

    fn connect(&mut self, now: Now, actions: &mut Vec<Action>) {
        if let Some(fault) = self.injector.silence() {
            // The deadline waits for the silence to end.
            return self.link.stay_down(format!("fault `{fault}`"), now.run);
        }
        self.link.state = LinkState::Connecting;
        actions.push(Action::Connect(self.context.as_ref().and_then(Context::will).cloned()));
    }

    fn connected(&mut self, session_present: bool, now: Now, actions: &mut Vec<Action>) {
        if !self.is_running() {
            // It came up while the device went down.
            return actions.push(Action::Disconnect(Farewell::Abrupt));
        }
        let Some(context) = &mut self.context else { return };
        context.set_connected(true);
        actions.push(Action::Notice(Notice::Connected(session_present)));
        self.link.came_up(session_present, context.subscriptions(), actions);
        self.send_queued(actions);
        self.tell(Event::Connection(ConnectionChange::Up { session_present }), now, actions);
    }

    fn disconnected(&mut self, reason: String, now: Now, actions: &mut Vec<Action>) {
        if !self.is_running() || matches!(self.link.state, LinkState::Down(_)) {
            return;
        }
        let was_up = self.link.was_up();
        let pause = self.link.went_down(reason.clone(), now.run);
        self.after_loss(was_up, reason, pause, now, actions);
    }

    /// End the connection without a farewell and stay away until then.
    fn break_link(&mut self, reason: String, until: Time, now: Now, actions: &mut Vec<Action>) {
        if !self.is_running() {
            return;
        }
        let was_up = self.link.was_up();
        actions.push(Action::Disconnect(Farewell::Abrupt));
        self.link.stay_down(reason.clone(), until);
        self.after_loss(was_up, reason, until.since(now.run), now, actions);
    }

    fn after_loss(
        &mut self,
        was_up: bool,
        reason: String,
        pause: std::time::Duration,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        if let Some(context) = &mut self.context {
            context.set_connected(false);
        }
        actions.push(Action::Notice(Notice::Disconnected(reason.clone(), pause)));
        if was_up {
            self.tell(Event::Connection(ConnectionChange::Down(reason)), now, actions);
        }
    }
}
