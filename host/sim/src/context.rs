//! The context of a behaviour while it handles an event.
//!
//! A behaviour reads time, identity and random numbers from the context, and adds its effects to it. All
//! limits on a behaviour (rates, sizes, topics) are enforced here, so that they apply both to sandboxed
//! guests and to closures in tests.
//!
//! `refusal`: errors for requests beyond the limits.

mod refusal;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::{Message, Properties, Qos, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_mqtt::topic::TopicFilter;

use crate::event::Event;
use crate::faults::ActiveFault;
use crate::http::{HttpRequest, HttpResponse};
use crate::layout::{Layout, LayoutRefusal, Route};
use crate::limits::{Limits, RateLimit};
use crate::metrics::{Metrics, RecordMetricError};
use crate::rng::Stream;
use crate::store::{StateFull, StateStore};
use crate::timers::{Timers, TooManyTimers};
pub use refusal::{HttpRefusal, PublishRefusal, Refusals, SubscribeRefusal};

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Single steps.
    Trace,
    /// Details for debugging.
    Debug,
    /// Normal operation.
    Info,
    /// Unusual conditions.
    Warn,
    /// Failures.
    Error,
}

/// A requested effect. The device carries out effects after the event, in this order. After a trap, only log
/// lines are kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Publishes a message, through the faults.
    Publish(Message),
    /// Subscribes at the broker.
    Subscribe(TopicFilter, Qos),
    /// Unsubscribes at the broker.
    Unsubscribe(TopicFilter),
    /// Writes a log line.
    Log(LogLevel, String),
    /// Sends an HTTP request with this number and timeout.
    HttpSend(u64, HttpRequest, Duration),
    /// Answers the HTTP request with this ticket.
    HttpRespond(u64, HttpResponse),
}

/// Shortest delay of a timer. Without it, a behaviour that sets a timer whenever one fires could stop the
/// virtual clock.
pub const MIN_TIMER_DELAY: Duration = Duration::from_micros(100);

/// Longest text or binary field of an MQTT packet, in bytes [MQTT-1.5.4, MQTT-1.5.6].
const MAX_FIELD_BYTES: u32 = 65_535;

/// Lengths of the texts and of the binary data of these properties. The response topic is as short as a topic.
fn property_lengths(properties: &Properties) -> impl Iterator<Item = usize> {
    let user = properties.user.iter().flat_map(|(name, value)| [name.len(), value.len()]);
    let optional = [
        properties.content_type.as_ref().map(String::len),
        properties.response_topic.as_ref().map(|topic| topic.as_str().len()),
        properties.correlation_data.as_ref().map(Bytes::len),
    ];
    optional.into_iter().flatten().chain(user)
}

/// Context that is passed to a behaviour for one event.
#[derive(Clone, Debug)]
pub struct Context(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    now: Time,
    wall: WallTime,
    late: Duration,
    catches_up: bool,
    identity: Arc<Identity>,
    protocol: Protocol,
    connected: bool,
    limits: Arc<Limits>,
    rng: Stream,
    timers: Timers,
    subscriptions: BTreeMap<TopicFilter, Qos>,
    layout: Option<Arc<Layout>>,
    /// Routes by filter on the wire. A route gives a received message the topic of the behaviour.
    routes: BTreeMap<TopicFilter, Route>,
    store: StateStore,
    metrics: Metrics,
    will: Option<Will>,
    active_faults: Vec<ActiveFault>,
    publish_rate: RateLimit,
    log_rate: RateLimit,
    refusals: Refusals,
    next_http: u64,
    /// Number of the last request of earlier instances.
    last_http_before: u64,
    http_in_flight: u32,
    effects: Vec<Effect>,
}

impl Context {
    /// Creates the context of a new device.
    pub fn new(identity: Arc<Identity>, protocol: Protocol, limits: Arc<Limits>, rng: Stream) -> Self {
        Self(Box::new(Inner {
            now: Time::ZERO,
            wall: WallTime::default(),
            late: Duration::ZERO,
            catches_up: false,
            identity,
            protocol,
            connected: false,
            rng,
            timers: Timers::new(limits.timers),
            subscriptions: BTreeMap::new(),
            layout: None,
            routes: BTreeMap::new(),
            store: StateStore::new(limits.state_bytes),
            metrics: Metrics::new(limits.metrics),
            will: None,
            active_faults: Vec::new(),
            publish_rate: RateLimit::per_second(limits.publishes_per_second),
            log_rate: RateLimit::per_second(limits.log_lines_per_second),
            refusals: Refusals::default(),
            next_http: 0,
            last_http_before: 0,
            http_in_flight: 0,
            effects: Vec::new(),
            limits,
        }))
    }

    /// Current time of the run's clock.
    pub fn now(&self) -> Time {
        self.0.now
    }

    /// Current time of the device's calendar clock.
    pub fn wall(&self) -> WallTime {
        self.0.wall
    }

    /// Time by which the present timer is handled later than it was intended; zero for other events.
    pub fn late(&self) -> Duration {
        self.0.late
    }

    /// Identity of the device.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Limits of the device.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Whether the device believes that its connection is up.
    pub fn connected(&self) -> bool {
        self.0.connected
    }

    /// Active faults that the device can observe on itself.
    pub fn active_faults(&self) -> &[ActiveFault] {
        &self.0.active_faults
    }

    /// Random numbers of the behaviour.
    pub fn rng(&mut self) -> &mut Stream {
        &mut self.0.rng
    }

    /// State store, which survives a crash.
    pub fn store(&self) -> &StateStore {
        &self.0.store
    }

    /// Stores a value that survives a crash.
    pub fn store_value(&mut self, key: String, value: Bytes) -> Result<(), StateFull> {
        let stored = self.0.store.set(key, value);
        self.0.refusals.state += u64::from(stored.is_err());
        stored
    }

    /// Deletes a stored value.
    pub fn delete_value(&mut self, key: &str) {
        self.0.store.delete(key);
    }

    /// Publishes a message.
    pub fn publish(&mut self, message: Message) -> Result<(), PublishRefusal> {
        let limit = self.0.limits.payload_bytes;
        let laid_out = self.lay_out(message, limit);
        let message = match laid_out.and_then(|message| self.check(&message, limit).map(|()| message)) {
            Ok(message) => message,
            Err(refused) => {
                self.0.refusals.publish_invalid += 1;
                return Err(refused);
            }
        };
        if !self.0.publish_rate.take(self.0.now) {
            self.0.refusals.publish_rate += 1;
            return Err(PublishRefusal::RateLimited);
        }
        self.0.effects.push(Effect::Publish(message));
        Ok(())
    }

    /// The message on the wire for a message of the behaviour.
    fn lay_out(&self, message: Message, limit: u32) -> Result<Message, PublishRefusal> {
        let Some(layout) = &self.0.layout else { return Ok(message) };
        layout.outbound(message, &self.0.identity, self.0.wall, limit as usize).map_err(|refusal| {
            match refusal {
                LayoutRefusal::Topic(reason) => PublishRefusal::InvalidTopic(reason),
                LayoutRefusal::TooLarge => PublishRefusal::PayloadTooLarge(limit),
            }
        })
    }

    /// Whether the layout of the device writes payloads anew, which costs more than a copy.
    pub fn lays_out_payloads(&self) -> bool {
        self.0.layout.as_ref().is_some_and(|layout| layout.has_payloads())
    }

    /// The event as the behaviour gets it: a received message has the topic and the payload of the behaviour.
    pub fn event_of_behaviour(&self, event: Event) -> Event {
        match (event, &self.0.layout) {
            (Event::Message(message), Some(layout)) => {
                Event::Message(layout.inbound(message, &self.0.identity, self.0.routes.values()))
            }
            (event, _) => event,
        }
    }

    /// Counts a publication that was refused before it became a message.
    pub fn count_invalid_publication(&mut self) {
        self.0.refusals.publish_invalid += 1;
    }

    fn check(&self, message: &Message, limit: u32) -> Result<(), PublishRefusal> {
        if message.payload.len() > limit as usize {
            return Err(PublishRefusal::PayloadTooLarge(limit));
        }
        let Some(properties) = &message.properties else { return Ok(()) };
        if self.0.protocol == Protocol::V4 {
            return Err(PublishRefusal::NeedsMqtt5);
        }
        let (mut longest, mut together) = (0, 0);
        for length in property_lengths(properties) {
            longest = length.max(longest);
            together += length;
        }
        let most_together = self.0.limits.host_call_bytes;
        match () {
            () if longest > MAX_FIELD_BYTES as usize => Err(PublishRefusal::PayloadTooLarge(MAX_FIELD_BYTES)),
            () if together > most_together as usize => Err(PublishRefusal::PayloadTooLarge(most_together)),
            () => Ok(()),
        }
    }

    /// Sets or clears the will of the next connection. MQTT encodes its payload as binary data, which is shorter
    /// than a message may be [MQTT-1.5.6].
    pub fn set_will(&mut self, will: Option<Will>) -> Result<(), PublishRefusal> {
        let limit = self.0.limits.payload_bytes.min(MAX_FIELD_BYTES);
        let laid_out = will.map(|Will { message, delay }| {
            let message = self.lay_out(message, limit)?;
            self.check(&message, limit)?;
            Ok(Will { message, delay })
        });
        self.0.will = laid_out.transpose()?;
        Ok(())
    }

    /// Subscribes to a filter. The subscription is restored after reconnects.
    pub fn subscribe(&mut self, filter: TopicFilter, qos: Qos) -> Result<(), SubscribeRefusal> {
        let laid_out = self.0.layout.as_ref().and_then(|layout| layout.filter(&filter, &self.0.identity));
        let (filter, route) = laid_out.map_or((filter, None), |(filter, route)| (filter, Some(route)));
        if let (Some(layout), Some(route), Some(other)) = (&self.0.layout, &route, self.0.routes.get(&filter))
            && layout.collide(route, other)
        {
            let (name, other) = (layout.name_of(route), layout.name_of(other));
            let problem = format!(
                "the layout gives `{other}` and `{name}` the same topic, `{filter}`, and the behaviour could not tell their \
                 messages apart"
            );
            return Err(SubscribeRefusal::SameTopic(problem));
        }
        let Limits { subscriptions: most, subscription_bytes, .. } = *self.0.limits;
        let subscriptions = &mut self.0.subscriptions;
        let bytes = |filter: &TopicFilter| filter.as_str().len();
        if !subscriptions.contains_key(&filter)
            && (subscriptions.len() >= most as usize
                || subscriptions.keys().map(bytes).sum::<usize>() + bytes(&filter)
                    > subscription_bytes as usize)
        {
            self.0.refusals.subscriptions += 1;
            return Err(SubscribeRefusal::TooMany(most));
        }
        subscriptions.insert(filter.clone(), qos);
        if let Some(route) = route {
            self.0.routes.insert(filter.clone(), route);
        }
        self.0.effects.push(Effect::Subscribe(filter, qos));
        Ok(())
    }

    /// Unsubscribes from a filter.
    pub fn unsubscribe(&mut self, filter: TopicFilter) {
        let laid_out = self.0.layout.as_ref().and_then(|layout| layout.filter(&filter, &self.0.identity));
        let filter = laid_out.map_or(filter, |(filter, _)| filter);
        self.0.routes.remove(&filter);
        if self.0.subscriptions.remove(&filter).is_some() {
            self.0.effects.push(Effect::Unsubscribe(filter));
        }
    }

    /// Sets or moves a timer. It fires at least [`MIN_TIMER_DELAY`] from now, or with a driver that
    /// [catches up](crate::device::Device::catch_up) from the time for which the present timer was intended.
    pub fn set_timer(&mut self, token: u32, at: Time) -> Result<(), TooManyTimers> {
        // A behaviour that is behind its schedule sets a timer after the intended time of the present one, but before now. An
        // even earlier time only means "at once".
        let handled = self.0.now - self.0.late;
        let is_behind = at > handled && at < self.0.now;
        let earliest = if is_behind && self.0.catches_up { handled } else { self.0.now };
        let due = at.max(earliest + MIN_TIMER_DELAY);
        let intended = if is_behind { at } else { due };
        let set = self.0.timers.set(token, due, intended);
        self.0.refusals.timers += u64::from(set.is_err());
        set
    }

    /// Cancels a timer.
    pub fn cancel_timer(&mut self, token: u32) {
        self.0.timers.cancel(token);
    }

    /// Writes a log line. It is truncated to the limit at a character boundary.
    pub fn log(&mut self, level: LogLevel, mut text: String) {
        if !self.take_log_line(self.0.now) {
            return;
        }
        text.truncate(text.floor_char_boundary(self.0.limits.log_line_bytes as usize));
        self.0.effects.push(Effect::Log(level, text));
    }

    /// Metrics of the behaviour.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Adds to a counter.
    pub fn count(&mut self, name: &str, amount: f64) -> Result<(), RecordMetricError> {
        let recorded = self.0.metrics.count(name, amount);
        self.count_metric(recorded)
    }

    /// Sets a gauge.
    pub fn gauge(&mut self, name: &str, value: f64) -> Result<(), RecordMetricError> {
        let recorded = self.0.metrics.gauge(name, value);
        self.count_metric(recorded)
    }

    /// Records an observation in a histogram.
    pub fn observe(&mut self, name: &str, value: f64) -> Result<(), RecordMetricError> {
        let recorded = self.0.metrics.observe(name, value);
        self.count_metric(recorded)
    }

    fn count_metric(&mut self, recorded: Result<(), RecordMetricError>) -> Result<(), RecordMetricError> {
        self.0.refusals.metrics += u64::from(matches!(recorded, Err(RecordMetricError::TooMany(_))));
        recorded
    }

    /// Sends an HTTP request. The answer has the returned number.
    pub fn http_send(&mut self, request: HttpRequest, timeout: Duration) -> Result<u64, HttpRefusal> {
        let limits = &self.0.limits;
        if request.body.len() > limits.host_call_bytes as usize {
            let most = limits.host_call_bytes;
            self.0.refusals.http += 1;
            return Err(HttpRefusal::BodyTooLarge(most));
        }
        if self.0.http_in_flight >= limits.http_requests {
            let most = limits.http_requests;
            self.0.refusals.http += 1;
            return Err(HttpRefusal::TooMany(most));
        }
        self.0.http_in_flight += 1;
        self.0.next_http += 1;
        let id = self.0.next_http;
        self.0.effects.push(Effect::HttpSend(id, request, timeout));
        Ok(id)
    }

    /// Effects of the present event so far.
    pub fn effects(&self) -> &[Effect] {
        &self.0.effects
    }

    /// Answers an HTTP request addressed to the device.
    pub fn http_respond(&mut self, ticket: u64, response: HttpResponse) {
        self.0.effects.push(Effect::HttpRespond(ticket, response));
    }
}

/// Methods for the device.
impl Context {
    pub(crate) fn set_clock(&mut self, now: Time, wall: WallTime) {
        self.0.now = now;
        self.0.wall = wall;
    }

    pub(crate) fn set_catches_up(&mut self, catches_up: bool) {
        self.0.catches_up = catches_up;
    }

    pub(crate) fn set_late(&mut self, late: Duration) {
        self.0.late = late;
    }

    /// Sets the layout of the next instance. Subscriptions of another layout stay, but their messages keep the topics that
    /// they have on the wire.
    pub(crate) fn set_layout(&mut self, layout: Option<Arc<Layout>>) {
        if self.0.layout != layout {
            self.0.layout = layout;
            self.0.routes.clear();
        }
    }

    pub(crate) fn set_connected(&mut self, connected: bool) {
        self.0.connected = connected;
    }

    pub(crate) fn set_active_faults(&mut self, faults: Vec<ActiveFault>) {
        self.0.active_faults = faults;
    }

    /// Records the answer to a request. False if an earlier instance made the request; its answers are not
    /// delivered after a crash.
    pub(crate) fn http_done(&mut self, id: u64) -> bool {
        let ours = id > self.0.last_http_before;
        if ours {
            self.0.http_in_flight = self.0.http_in_flight.saturating_sub(1);
        }
        ours
    }

    /// Takes a token of the log rate. False, and counted, if there is none.
    pub(crate) fn take_log_line(&mut self, now: Time) -> bool {
        let allowed = self.0.log_rate.take(now);
        self.0.refusals.log_rate += u64::from(!allowed);
        allowed
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.0.effects)
    }

    /// Returns an emptied buffer, so that the next event does not allocate one.
    pub(crate) fn recycle(&mut self, mut emptied: Vec<Effect>) {
        emptied.clear();
        self.0.effects = emptied;
    }

    pub(crate) fn timers(&mut self) -> &mut Timers {
        &mut self.0.timers
    }

    pub(crate) fn pending_timers(&self) -> impl Iterator<Item = (u32, Time)> {
        self.0.timers.iter()
    }

    pub(crate) fn next_timer(&self) -> Option<Time> {
        self.0.timers.next_due()
    }

    pub(crate) fn subscriptions(&self) -> &BTreeMap<TopicFilter, Qos> {
        &self.0.subscriptions
    }

    pub(crate) fn will(&self) -> Option<&Will> {
        self.0.will.as_ref()
    }

    pub(crate) fn refusals(&self) -> Refusals {
        self.0.refusals
    }

    /// Resets the state of an ended instance. The store and the metrics are kept.
    pub(crate) fn reset(&mut self) {
        self.0.timers.clear();
        self.0.subscriptions.clear();
        self.0.routes.clear();
        self.0.will = None;
        self.0.http_in_flight = 0;
        self.0.last_http_before = self.0.next_http;
        self.0.effects.clear();
    }
}

#[cfg(test)]
mod tests {
    use wasmote_mqtt::device_id::DeviceId;
    use wasmote_mqtt::topic::Topic;

    use super::*;
    use crate::rng::Seed;

    fn context(protocol: Protocol) -> Context {
        let id = DeviceId::new("a-0").unwrap();
        let rng = Seed::new(1).stream(&id, "guest");
        let identity = Identity {
            id,
            group: "a".into(),
            index: 0,
            count: 1,
            topic_root: "wasmote".into(),
            peers: None,
            client_id: None,
        };
        Context::new(identity.into(), protocol, Arc::new(Limits::default()), rng)
    }

    #[test]
    fn properties_need_mqtt_5() {
        let mut message = Message::new(Topic::new("t").unwrap(), "x");
        message.properties = Some(Box::default());
        let will = Will { message: message.clone(), delay: 0 };
        let mut context_of_3 = context(Protocol::V4);
        assert_eq!(context_of_3.publish(message.clone()), Err(PublishRefusal::NeedsMqtt5));
        assert_eq!(context_of_3.set_will(Some(will.clone())), Err(PublishRefusal::NeedsMqtt5));
        assert_eq!(context_of_3.refusals().publish_invalid, 1);
        let mut context_of_5 = context(Protocol::V5);
        assert_eq!((context_of_5.publish(message), context_of_5.set_will(Some(will))), (Ok(()), Ok(())));
    }

    #[test]
    fn each_property_and_all_of_them_are_limited() {
        let mut context = context(Protocol::V5);
        let mut publish = |properties: Properties| {
            let mut message = Message::new(Topic::new("t").unwrap(), "x");
            message.properties = Some(Box::new(properties));
            context.publish(message)
        };
        let text = |bytes: usize| "x".repeat(bytes);
        let too_long = Err(PublishRefusal::PayloadTooLarge(65_535));
        let default = Properties::default;
        assert_eq!(publish(Properties { content_type: Some(text(65_536)), ..default() }), too_long);
        assert_eq!(
            publish(Properties { correlation_data: Some(text(65_536).into()), ..default() }),
            too_long
        );
        assert_eq!(publish(Properties { user: vec![("a".into(), text(65_536))], ..default() }), too_long);
        assert_eq!(publish(Properties { user: vec![(text(65_536), "a".into())], ..default() }), too_long);
        let many = |count| Properties { user: vec![(text(1), text(65_535)); count], ..default() };
        assert_eq!(publish(many(4)), Ok(()));
        assert_eq!(publish(many(5)), Err(PublishRefusal::PayloadTooLarge(262_144)));
    }
}
