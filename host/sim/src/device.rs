//! A device as a state machine: behaviour, connection, faults and ledger.
//!
//! The driver passes in an [`Input`] with the current time, carries out the resulting [`Action`]s, and calls
//! again at [`Device::next_deadline`]. The device has no clock, socket or future. Virtual and real time drive
//! the same code.
//!
//! * `connection`: state of the connection, and messages queued for it. `connection_events`: handling of
//!   connects and disconnects.
//! * `power`: start, stop, crash and restart.
//! * `traffic`: outbound and inbound messages, through the faults.
//! * `outages`: outages and changes of faults. `hang`: events deferred during a hang.
//! * `swap`: hot swaps to another version of the behaviour.
//! * `http`: HTTP requests and answers. `following`: steps of single messages, for their journeys.

mod connection;
mod connection_events;
mod following;
mod hang;
mod http;
mod outages;
mod power;
mod swap;
mod traffic;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::answer::{Disconnection, NegativeAnswer};
use wasmote_mqtt::budget::{ByteBudget, Lease};
use wasmote_mqtt::client::{ClientEvent, Refusal, RefusedRequest};
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::{Message, Qos, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_mqtt::topic::TopicFilter;

use crate::action::Action;
use crate::behaviour::{Behaviour, BehaviourFactory, Trap};
use crate::context::{Context, Effect, Refusals};
use crate::event::{Event, StopReason};
use crate::faults::battery::EnergyUse;
use crate::faults::byte_stream::LinkConditions;
use crate::faults::injector::Injector;
use crate::faults::{ActiveFault, Direction, Fault, FaultId};
use crate::health::{GroupHealth, History};
use crate::histogram::Histogram;
use crate::http::{HttpFailure, HttpRequest, HttpResponse};
use crate::journey::{Steps, SubscriptionHistory};
use crate::latency::{ImplausibleCounts, ImplausibleLatency, Latencies};
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::notice::DeviceNotice;
use crate::rng::Seed;
use crate::schedule::Schedule;
use crate::store::StateStore;
pub use crate::version_change::{SwapRefusal, VersionChange};
use connection::Connection;
pub use connection::ConnectionState;
use power::Power;
pub use power::PowerState;
use swap::Swaps;
pub use swap::{SwapCounts, Upgrade};
use traffic::DelayedMessage;
pub use traffic::LatencySamples;

/// Time of an input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Time of the run's clock.
    pub run: Time,
    /// Calendar time.
    pub wall: WallTime,
}

/// Input of a device.
#[derive(Clone, Debug)]
pub enum Input {
    /// Powers the device on, or restarts it after a stop.
    Start,
    /// Stops the device cleanly, until the next `Start`.
    Stop(StopReason),
    /// Cuts the power, with loss of memory, and restarts.
    Crash,
    /// A deadline has passed.
    Wake,
    /// The connection is up.
    Connected {
        /// Whether the broker still had the session [MQTT-3.2.2-2].
        session_present: bool,
    },
    /// The broker answered on the old connection after a silence, which it did not notice.
    Resumed,
    /// The connection failed or was lost.
    Disconnected(Disconnection),
    /// The broker delivered a message.
    Delivered(Message),
    /// The connection or the broker did not accept a message.
    Refused(Message, Refusal),
    /// The broker gave a negative answer to another request.
    RequestRefused(RefusedRequest, NegativeAnswer),
    /// The connection broke before a message at QoS 1 or 2 was acknowledged, and its session is gone.
    Returned(Message),
    /// A fault of the link took a message at QoS 0 in this direction.
    Dropped(Direction, Message, FaultId),
    /// A user publishes on behalf of the device. The message passes the faults like the device's own.
    Publish(Message),
    /// An inbound HTTP request. The answer has the same ticket.
    HttpRequest(u64, HttpRequest),
    /// The answer to an outbound HTTP request.
    HttpReply(u64, Result<HttpResponse, HttpFailure>),
    /// Replaces the device's faults.
    SetFaults(Arc<[Arc<Fault>]>),
    /// Swaps the behaviour to another version, which restores the state of the present one.
    Swap(Upgrade),
}

/// Parameters of a new device.
#[derive(Clone)]
pub struct Blueprint {
    /// Identity of the device.
    pub identity: Arc<Identity>,
    /// Factory of its behaviour.
    pub factory: Arc<dyn BehaviourFactory>,
    /// Limits of the device.
    pub limits: Arc<Limits>,
    /// MQTT version of the connection.
    pub protocol: Protocol,
    /// Seed of the run.
    pub seed: Seed,
    /// Initial faults.
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
            ClientEvent::Refused(message, why) => Self::Refused(message, why),
            ClientEvent::RequestRefused(request, answer) => Self::RequestRefused(request, answer),
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
    /// Link conditions as last sent to the driver.
    link_conditions: LinkConditions,
    schedule: Schedule<DelayedMessage>,
    ledger: Ledger,
    history: History,
    /// Messages that were handed to the connection and have not left for good.
    in_flight: u64,
    sequence: u64,
    traps: u64,
    latencies: Latencies,
    /// Time by which the behaviour handles the present timer late.
    late: Duration,
    samples: LatencySamples,
    /// Events deferred until the end of a hang or of a pause, with their bytes.
    deferred_events: VecDeque<(Event, Option<Lease>)>,
    /// Bytes of messages that are delayed, held back or deferred.
    delayed_budget: ByteBudget,
    /// Whether the driver delays the calls of the behaviour.
    paused: bool,
    /// Maximum number of deadlines handled in one call.
    max_steps: u32,
    /// Scratch buffer, empty between calls, which saves an allocation for each message.
    passed: Vec<(Message, std::time::Duration)>,
    /// Steps of messages since the driver took them last.
    steps: Steps,
    subscribed: SubscriptionHistory,
}

/// Shorter delays of timers are not counted: the timers of operating systems are not more precise.
const MIN_LATE: Duration = Duration::from_millis(1);
/// Maximum number of deadlines handled in one call. Together with the shortest timer delay it bounds the work
/// of one wakeup.
const MAX_STEPS_PER_WAKE: u32 = 256;

impl Device {
    /// Creates a device that is powered off.
    pub fn new(blueprint: Blueprint, now: Time) -> Self {
        let Blueprint { identity, limits, protocol, seed, faults, .. } = &blueprint;
        let mut ledger = Ledger::default();
        let delayed_budget = ByteBudget::new(limits.delayed_bytes);
        let guest_stream = seed.stream(&identity.id, "guest");
        Self {
            context: Some(Context::new(Arc::clone(identity), *protocol, Arc::clone(limits), guest_stream)),
            connection: Connection::new(seed.stream(&identity.id, "reconnect"), limits),
            power: Power::new(seed.stream(&identity.id, "restart")),
            injector: Injector::new(delayed_budget.clone(), faults, identity, *seed, now, &mut ledger),
            link_conditions: LinkConditions::default(),
            behaviour: None,
            swaps: Swaps::default(),
            schedule: Schedule::default(),
            ledger,
            history: History::default(),
            in_flight: 0,
            sequence: 0,
            traps: 0,
            latencies: Latencies::default(),
            late: Duration::ZERO,
            samples: LatencySamples::default(),
            deferred_events: VecDeque::new(),
            delayed_budget,
            paused: false,
            max_steps: MAX_STEPS_PER_WAKE,
            passed: Vec::new(),
            steps: Steps::default(),
            subscribed: SubscriptionHistory::default(),
            blueprint,
        }
    }

    /// Identity of the device.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.blueprint.identity
    }

    /// Name of its behaviour.
    pub fn behaviour_name(&self) -> &str {
        self.blueprint.factory.name()
    }

    /// Power state.
    pub fn power(&self) -> &PowerState {
        &self.power.state
    }

    /// Connection state.
    pub fn connection(&self) -> &ConnectionState {
        &self.connection.state
    }

    /// Time of the last start, while the device runs.
    pub fn started_at(&self) -> Option<Time> {
        self.power.started_at
    }

    /// Faults that are active now.
    pub fn active_faults(&self) -> Vec<ActiveFault> {
        self.injector.active()
    }

    /// Message counts of the device.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Number of waiting messages, outbound and inbound. Those in flight are waiting.
    pub fn waiting(&self) -> (u64, u64) {
        let out = self.schedule.iter().filter(|delayed| delayed.is_outbound()).count();
        let inbound =
            self.schedule.len() - out + self.injector.held(Direction::In) + self.deferred_messages();
        let out = out + self.injector.held(Direction::Out) + self.connection.queued();
        (out as u64 + self.in_flight, inbound as u64)
    }

    /// Number of messages that the device has published, which is the number of the last one.
    pub fn published(&self) -> u64 {
        self.sequence
    }

    /// Number of messages that were handed to the connection and have not left for good: not acknowledged by
    /// the broker, or at QoS 0 not written.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Counts messages in flight that have left for good. The driver calls it for [`Outbox::sent`] and for
    /// messages at QoS 0 that it has written.
    pub fn count_sent(&mut self, messages: u64) {
        self.in_flight = self.in_flight.saturating_sub(messages);
        self.ledger.sent += messages;
    }

    /// Latencies of received messages, in seconds.
    pub fn latency(&self) -> &Histogram {
        &self.latencies.actual
    }

    /// Latencies of received messages from the intended times of their publication, in seconds.
    pub fn intended_latency(&self) -> &Histogram {
        &self.latencies.intended
    }

    /// Latencies that cannot be right.
    pub fn implausible_latencies(&self) -> ImplausibleCounts {
        self.latencies.implausible
    }

    /// The first latency that cannot be right.
    pub fn implausible_latency(&self) -> Option<&ImplausibleLatency> {
        self.latencies.example.as_deref()
    }

    /// The most recent latencies.
    pub fn latency_samples(&self) -> &LatencySamples {
        &self.samples
    }

    /// Number of traps of the behaviour.
    pub fn traps(&self) -> u64 {
        self.traps
    }

    /// Health of the device at this time, as that of a group with one device.
    pub fn health(&self, now: Time) -> GroupHealth {
        let History { has_run, has_connected, last_trap, .. } = &self.history;
        let trap = last_trap.as_deref().map(|trap| (self.identity().id.clone(), trap.clone()));
        let model = self.injector.disabled_model();
        GroupHealth {
            devices: 1,
            ran: (*has_run).into(),
            connected: (*has_connected).into(),
            failing: self.is_failing(now).into(),
            traps: self.traps,
            trap,
            refusal: self.history.refusal().map(str::to_owned),
            models: model.map(|(fault, trap)| (fault.clone(), (1, trap.clone()))).into_iter().collect(),
        }
    }

    /// Whether the behaviour fails: the device is down after a trap or a refused start, or it traps again and again.
    fn is_failing(&self, now: Time) -> bool {
        self.history.is_failing || self.power.is_trap_loop(now)
    }

    /// Sets the maximum number of deadlines handled in one call. A live driver sets a small number, so that it
    /// can serve other devices in between.
    pub fn limit_steps(&mut self, max_steps: u32) {
        self.max_steps = max_steps;
    }

    /// Sets whether a schedule that has fallen behind is made up for without pauses. Otherwise a timer whose time has passed
    /// fires after the shortest delay of a timer, so that a device that is late makes up for few of its timers. A live driver
    /// sets it, because a busy machine makes its devices late.
    pub fn catch_up(&mut self, catches_up: bool) {
        if let Some(context) = &mut self.context {
            context.set_catches_up(catches_up);
        }
    }

    /// Pauses or resumes the calls of the behaviour. During a pause its events are deferred and its timers wait,
    /// while the connection goes on. Only a live driver pauses a device, to protect others.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether the driver may write a log line about this device. Such lines share the log rate of the
    /// behaviour's own lines; a refused one counts like those.
    pub fn take_log_line(&mut self, now: Time) -> bool {
        self.context.as_mut().is_none_or(|context| context.take_log_line(now))
    }

    /// Refused requests of the behaviour.
    pub fn refusals(&self) -> Refusals {
        self.context.as_ref().map(Context::refusals).unwrap_or_default()
    }

    /// Metrics of the behaviour.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.context.as_ref().map(Context::metrics)
    }

    /// The topic filters that its behaviour has subscribed to, with their QoS.
    pub fn subscriptions(&self) -> impl Iterator<Item = (&TopicFilter, Qos)> {
        let context = self.context.iter();
        context.flat_map(Context::subscriptions).map(|(filter, qos)| (filter, *qos))
    }

    /// The timers that its behaviour has set: tokens and due times, soonest first.
    pub fn timers(&self) -> impl Iterator<Item = (u32, Time)> {
        self.context.iter().flat_map(Context::pending_timers)
    }

    /// The state store, which survives crashes.
    pub fn store(&self) -> Option<&StateStore> {
        self.context.as_ref().map(Context::store)
    }

    /// The state that the behaviour would hand to a new version, without an effect of the call; `None` if it does not run.
    /// The call may change the behaviour, so it is the last one of a run.
    pub fn snapshot(&mut self) -> Option<Result<Vec<u8>, Trap>> {
        let behaviour = self.behaviour.as_mut()?;
        let (context, saved) = behaviour.snapshot(self.context.take()?);
        self.context = Some(context);
        Some(saved)
    }

    /// The will of its next connection.
    pub fn will(&self) -> Option<&Will> {
        self.context.as_ref().and_then(Context::will)
    }

    /// Remaining energy in joules, if the device has a battery; of several, the lowest.
    pub fn joules_left(&self, now: Time) -> Option<f64> {
        self.injector.joules_left(now)
    }

    /// Error of the device's calendar clock, in seconds; positive if it is ahead.
    pub fn clock_error_s(&self, now: Now) -> f64 {
        let (shown, truth) = (self.injector.clock_reading(now.run, now.wall).as_nanos(), now.wall.as_nanos());
        (i128::from(shown) - i128::from(truth)) as f64 / 1e9
    }

    /// Time of the next deadline.
    pub fn next_deadline(&self) -> Option<Time> {
        let timer = self.context.as_ref().filter(|_| self.takes_events()).and_then(Context::next_timer);
        let deadlines = [
            timer,
            self.has_backlog().then_some(Time::ZERO),
            self.schedule.next_due(),
            self.injector.next_release(),
            self.injector.next_deadline().filter(|_| !self.is_off()),
            self.injector.empty_at(),
            self.power.restart_at(),
            self.connection.reconnect_at().filter(|_| self.injector.silence().is_none()),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Whether the behaviour runs.
    pub fn is_running(&self) -> bool {
        matches!(self.power.state, PowerState::On)
    }

    /// Whether the behaviour runs and does not hang.
    pub fn is_awake(&self) -> bool {
        self.is_running() && !self.injector.hangs()
    }

    /// Whether events go to the behaviour at once.
    fn takes_events(&self) -> bool {
        self.is_awake() && !self.paused && self.deferred_events.is_empty()
    }

    /// Whether deferred events can go to the behaviour.
    fn has_backlog(&self) -> bool {
        self.is_awake() && !self.paused && !self.deferred_events.is_empty()
    }

    fn is_off(&self) -> bool {
        use PowerState::{Dead, Failed, New, Off};
        matches!(self.power.state, Off(_) | Failed(_) | Dead(_) | New)
    }

    /// Handles an input. Appends the resulting actions to `actions`.
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
            Input::Refused(message, why) => self.refused(message, why, actions),
            Input::RequestRefused(request, answer) => self.request_refused(request, answer, actions),
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

    /// Handles all due deadlines, soonest first.
    fn run_deadlines(&mut self, now: Now, actions: &mut Vec<Action>) {
        for _ in 0..self.max_steps {
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
        if self.has_backlog() {
            return self.run_next_deferred(now, actions);
        }
        let takes_events = self.takes_events();
        let timer = self.context.as_mut().filter(|_| takes_events);
        if let Some((token, intended)) = timer.and_then(|context| context.timers().take_due(now.run)) {
            let late = now.run.since(intended);
            self.late = if late < MIN_LATE { Duration::ZERO } else { late };
            self.dispatch(Event::Timer(token), now, actions);
            self.late = Duration::ZERO;
        }
    }

    /// Passes an event to the behaviour and carries out its effects.
    fn dispatch(&mut self, event: Event, now: Now, actions: &mut Vec<Action>) {
        if self.defers() {
            return self.defer(event, actions);
        }
        self.dispatch_now(event, now, actions);
    }

    /// Whether events wait for the end of a hang or of a pause.
    fn defers(&self) -> bool {
        self.injector.hangs() || self.paused || !self.deferred_events.is_empty()
    }

    fn dispatch_now(&mut self, event: Event, now: Now, actions: &mut Vec<Action>) {
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

    /// Calls the behaviour with the context and carries out its effects. Without a behaviour, returns the
    /// default.
    fn call_behaviour<T: Default>(
        &mut self,
        now: Now,
        actions: &mut Vec<Action>,
        call: impl FnOnce(&mut dyn Behaviour, Context) -> (Context, Result<T, Trap>),
    ) -> Result<T, Trap> {
        // The context is taken only if there is a behaviour to pass it to.
        let Some(behaviour) = self.behaviour.as_mut() else { return Ok(T::default()) };
        let Some(mut context) = self.context.take() else { return Ok(T::default()) };
        self.injector.spend(EnergyUse::Event);
        context.set_clock(now.run, self.injector.clock_reading(now.run, now.wall));
        context.set_late(self.late);
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
            Effect::Subscribe(filter, qos) => {
                self.note_subscribed(&filter, qos, now.run);
                self.connection.subscribe(filter, qos, actions);
            }
            Effect::Unsubscribe(filter) => {
                self.note_unsubscribed(Some(&filter), now.run);
                self.connection.unsubscribe(filter, actions);
            }
            Effect::Log(level, text) => actions.push(Action::Notice(DeviceNotice::Log(level, text))),
            Effect::HttpSend(id, request, timeout) => actions.push(Action::HttpSend(id, request, timeout)),
            Effect::HttpRespond(ticket, response) => actions.push(Action::HttpRespond(ticket, response)),
        }
    }
}
