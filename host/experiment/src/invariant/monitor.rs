//! Monitor: evaluates the invariants of a plan on the events of a run.
//!
//! The monitor keeps the state of each device: whether it runs and is connected, the last messages that rules ask for,
//! metrics and retained messages. Each event is first compared with the rules about events. Then the rules about states
//! are evaluated for the devices whose state may have changed. A rule about time is decided by the next event after its
//! deadline, or at the end of the run, and is reported with the time of the deadline.

mod rule;

use std::sync::Arc;

use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_results::{InvariantOutcome, Violation};
use wasmote_sim::metrics::{Metric, Metrics};
use wasmote_sim::notice::DeviceNotice;

use super::InvariantEntry;
use super::message::SeenMessage;
use super::syntax::{EventKind, StateTest, TopicPattern};
use rule::RuleState;

/// Evaluates invariants.
#[derive(Debug)]
pub struct Monitor {
    rules: Vec<RuleState>,
    world: World,
    now: Time,
    /// Number of violations that have not been fetched.
    fresh: Vec<(usize, Violation)>,
}

/// State of the fleet, as far as rules refer to it.
#[derive(Debug, Default)]
struct World {
    devices: Vec<DeviceState>,
    /// Patterns of which each device keeps the last message, in each direction.
    published: Vec<TopicPattern>,
    received: Vec<TopicPattern>,
    metrics: Vec<String>,
    retained: Vec<TopicPattern>,
}

/// State of one device.
#[derive(Debug)]
struct DeviceState {
    identity: Arc<Identity>,
    running: bool,
    connected: bool,
    /// For each pattern of the world: the filter of this device, and the last message.
    published: Vec<(Option<TopicFilter>, Option<SeenMessage>)>,
    received: Vec<(Option<TopicFilter>, Option<SeenMessage>)>,
    metrics: Vec<Option<f64>>,
    retained: Vec<(Option<Topic>, Option<SeenMessage>)>,
}

/// An event, as rules compare it.
#[derive(Clone, Copy, Debug)]
enum Occurrence<'a> {
    Published(&'a SeenMessage, &'a Topic),
    HostPublished(&'a SeenMessage, &'a Topic),
    Received(&'a SeenMessage, &'a Topic),
    Notice(&'a DeviceNotice),
}

impl Monitor {
    /// Monitor of these invariants, without devices; `None` if there are no invariants.
    pub fn new(invariants: &[InvariantEntry]) -> Option<Self> {
        if invariants.is_empty() {
            return None;
        }
        let mut world = World::default();
        for entry in invariants {
            world.require(entry);
        }
        let rules = invariants.iter().map(|entry| RuleState::new(entry.clone())).collect();
        Some(Self { rules, world, now: Time::ZERO, fresh: Vec::new() })
    }

    /// Whether rules depend on retained messages.
    pub fn uses_retained(&self) -> bool {
        !self.world.retained.is_empty()
    }

    /// Whether rules depend on metrics.
    pub fn uses_metrics(&self) -> bool {
        !self.world.metrics.is_empty()
    }

    /// Whether a rule has been broken so far.
    pub fn is_violated(&self) -> bool {
        self.rules.iter().any(|rule| rule.violations() > 0)
    }

    /// Adds a device at the next position.
    pub fn add(&mut self, identity: &Arc<Identity>, at: Time) {
        self.advance(at);
        self.world.add(Arc::clone(identity));
        let device = self.world.devices.len() - 1;
        self.rules.iter_mut().for_each(|rule| rule.add_device(device, &self.world, at));
    }

    /// Records that a behaviour publishes a message.
    pub fn on_publish(&mut self, device: u32, message: &Message, at: Time) {
        self.on_message(device, message, at, true);
    }

    /// Records that a behaviour receives a message.
    pub fn on_receive(&mut self, device: u32, message: &Message, at: Time) {
        self.on_message(device, message, at, false);
    }

    fn on_message(&mut self, device: u32, message: &Message, at: Time, published: bool) {
        self.advance(at);
        let device = device as usize;
        let Some(state) = self.world.devices.get_mut(device) else { return };
        let seen = SeenMessage::new(message.topic.as_str(), &message.payload);
        let kept = if published { &mut state.published } else { &mut state.received };
        let mut changed = false;
        for (filter, last) in kept {
            if filter.as_ref().is_some_and(|filter| filter.matches(&message.topic)) {
                *last = Some(seen.clone());
                changed = true;
            }
        }
        let occurrence = match published {
            true => Occurrence::Published(&seen, &message.topic),
            false => Occurrence::Received(&seen, &message.topic),
        };
        self.occur(Some(device), occurrence);
        if changed {
            self.state_changed(device);
        }
    }

    /// Records that the host publishes a message.
    pub fn on_host_publish(&mut self, message: &Message, at: Time) {
        self.advance(at);
        let seen = SeenMessage::new(message.topic.as_str(), &message.payload);
        self.occur(None, Occurrence::HostPublished(&seen, &message.topic));
    }

    /// Records a notice of a device.
    pub fn on_notice(&mut self, device: u32, notice: &DeviceNotice, at: Time) {
        let device = device as usize;
        let Some(state) = self.world.devices.get_mut(device) else { return };
        let (running, connected) = match notice {
            DeviceNotice::Started(_) => (true, state.connected),
            DeviceNotice::Stopped(_)
            | DeviceNotice::Trapped(..)
            | DeviceNotice::Crashed(_)
            | DeviceNotice::Died(..) => (false, false),
            DeviceNotice::Connected(_) => (state.running, true),
            DeviceNotice::Disconnected(..) => (state.running, false),
            DeviceNotice::Log(..) => (state.running, state.connected),
            _ => return,
        };
        self.advance(at);
        let state = &mut self.world.devices[device];
        let changed = (state.running, state.connected) != (running, connected);
        (state.running, state.connected) = (running, connected);
        self.occur(Some(device), Occurrence::Notice(notice));
        if changed {
            self.state_changed(device);
        }
    }

    /// Records the present metrics of a behaviour.
    pub fn on_metrics(&mut self, device: u32, metrics: &Metrics, at: Time) {
        self.advance(at);
        let device = device as usize;
        let Some(state) = self.world.devices.get_mut(device) else { return };
        let mut changed = false;
        for (name, value) in self.world.metrics.iter().zip(&mut state.metrics) {
            let found =
                metrics.iter().find(|(known, _)| known == name).and_then(|(_, metric)| number(metric));
            changed |= *value != found;
            *value = found;
        }
        if changed {
            self.state_changed(device);
        }
    }

    /// Compares the retained messages with those of the last call, and evaluates the rules if they differ.
    pub fn on_retained<'a>(&mut self, find: impl Fn(&Topic) -> Option<&'a Message>, at: Time) {
        self.advance(at);
        for device in 0..self.world.devices.len() {
            let mut changed = false;
            for (topic, last) in &mut self.world.devices[device].retained {
                let message = topic.as_ref().and_then(&find);
                let is_same = match (&message, &last) {
                    (Some(message), Some(last)) => last.has_payload(&message.payload),
                    (None, None) => true,
                    _ => false,
                };
                if !is_same {
                    *last = message.map(|it| SeenMessage::new(it.topic.as_str(), &it.payload));
                    changed = true;
                }
            }
            if changed {
                self.state_changed(device);
            }
        }
    }

    /// Decides the rules whose deadlines have passed.
    pub fn advance(&mut self, at: Time) {
        if at <= self.now {
            return;
        }
        self.now = at;
        for (index, rule) in self.rules.iter_mut().enumerate() {
            rule.advance(&self.world, at, &mut |violation| self.fresh.push((index, violation)));
        }
    }

    /// Returns the violations since the last call, each with the name of its invariant.
    pub fn take_violations(&mut self) -> Vec<(String, Violation)> {
        let named = |(rule, violation): (usize, Violation)| (self.rules[rule].name(), violation);
        std::mem::take(&mut self.fresh).into_iter().map(named).collect()
    }

    /// Outcome of each invariant at the end of the run.
    pub fn finish(&mut self, end: Time) -> Vec<InvariantOutcome> {
        self.advance(end);
        self.rules.iter().map(RuleState::outcome).collect()
    }

    fn occur(&mut self, device: Option<usize>, occurrence: Occurrence<'_>) {
        let now = self.now;
        for (index, rule) in self.rules.iter_mut().enumerate() {
            rule.occur(&self.world, device, &occurrence, now, &mut |violation| {
                self.fresh.push((index, violation));
            });
        }
    }

    fn state_changed(&mut self, device: usize) {
        let now = self.now;
        for (index, rule) in self.rules.iter_mut().enumerate() {
            rule.state_changed(&self.world, device, now, &mut |violation| {
                self.fresh.push((index, violation))
            });
        }
    }
}

/// The value of a metric, if it is a single number.
fn number(metric: &Metric) -> Option<f64> {
    match metric {
        Metric::Counter { sum } | Metric::Gauge { sum } => Some(*sum),
        Metric::Histogram(_) => None,
    }
}

impl World {
    /// Keeps what the states of an invariant refer to.
    fn require(&mut self, entry: &InvariantEntry) {
        let mut see = |test: &StateTest| match test {
            StateTest::LastPublished(topic, _) => insert(&mut self.published, topic),
            StateTest::LastReceived(topic, _) => insert(&mut self.received, topic),
            StateTest::Retained(topic, _) => insert(&mut self.retained, topic),
            StateTest::Metric(name, ..) if !self.metrics.contains(name) => self.metrics.push(name.clone()),
            _ => {}
        };
        entry.check.rule.state().into_iter().for_each(|state| state.each(&mut see));
    }

    fn add(&mut self, identity: Arc<Identity>) {
        let name = identity.id.as_str();
        let filters =
            |patterns: &[TopicPattern]| patterns.iter().map(|pattern| (pattern.of(name), None)).collect();
        let topic = |pattern: &TopicPattern| {
            (pattern.of(name).and_then(|filter| Topic::new(filter.as_str()).ok()), None)
        };
        self.devices.push(DeviceState {
            running: false,
            connected: false,
            published: filters(&self.published),
            received: filters(&self.received),
            metrics: vec![None; self.metrics.len()],
            retained: self.retained.iter().map(topic).collect(),
            identity,
        });
    }

    fn name(&self, device: usize) -> &str {
        self.devices[device].identity.id.as_str()
    }

    /// The last message of a device for a state about messages.
    fn message(&self, device: usize, test: &StateTest) -> Option<&SeenMessage> {
        let state = &self.devices[device];
        let position = |patterns: &[TopicPattern], topic| patterns.iter().position(|known| known == topic);
        match test {
            StateTest::LastPublished(topic, _) => {
                state.published[position(&self.published, topic)?].1.as_ref()
            }
            StateTest::LastReceived(topic, _) => state.received[position(&self.received, topic)?].1.as_ref(),
            StateTest::Retained(topic, _) => state.retained[position(&self.retained, topic)?].1.as_ref(),
            _ => None,
        }
    }

    fn metric(&self, device: usize, name: &str) -> Option<f64> {
        let position = self.metrics.iter().position(|known| known == name)?;
        self.devices[device].metrics[position]
    }
}

fn insert(patterns: &mut Vec<TopicPattern>, topic: &TopicPattern) {
    if !patterns.contains(topic) {
        patterns.push(topic.clone());
    }
}

impl Occurrence<'_> {
    /// The message of the event, if it has one.
    fn message(&self) -> Option<&SeenMessage> {
        match self {
            Self::Published(seen, _) | Self::HostPublished(seen, _) | Self::Received(seen, _) => Some(seen),
            Self::Notice(_) => None,
        }
    }

    /// Whether the event is of this kind, for this device.
    fn is(&self, kind: &EventKind, device: &str) -> bool {
        let fits = |pattern: &TopicPattern, topic: &Topic| match &pattern.fixed {
            Some(filter) => filter.matches(topic),
            None => pattern.of(device).is_some_and(|filter| filter.matches(topic)),
        };
        match (kind, self) {
            (EventKind::Publishes(pattern), Self::Published(_, topic))
            | (EventKind::HostPublishes(pattern), Self::HostPublished(_, topic))
            | (EventKind::Receives(pattern), Self::Received(_, topic)) => fits(pattern, topic),
            (_, Self::Notice(notice)) => match (kind, notice) {
                (EventKind::Connects, DeviceNotice::Connected(_))
                | (EventKind::Disconnects, DeviceNotice::Disconnected(..))
                | (EventKind::Starts, DeviceNotice::Started(_))
                | (EventKind::Stops, DeviceNotice::Stopped(_))
                | (EventKind::Crashes, DeviceNotice::Crashed(_) | DeviceNotice::Died(..))
                | (EventKind::Traps, DeviceNotice::Trapped(..)) => true,
                // A connection ends with its device.
                (
                    EventKind::Disconnects,
                    DeviceNotice::Crashed(_)
                    | DeviceNotice::Trapped(..)
                    | DeviceNotice::Stopped(_)
                    | DeviceNotice::Died(..),
                ) => true,
                (EventKind::Logs(least), DeviceNotice::Log(level, _)) => level >= least,
                _ => false,
            },
            _ => false,
        }
    }

    /// The event in words.
    fn describe(&self, device: &str) -> String {
        match self {
            Self::Published(seen, _) => format!("{device} published {} {}", seen.topic, seen.excerpt()),
            Self::HostPublished(seen, _) => format!("the host published {} {}", seen.topic, seen.excerpt()),
            Self::Received(seen, _) => format!("{device} received {} {}", seen.topic, seen.excerpt()),
            Self::Notice(notice) => match notice {
                DeviceNotice::Trapped(trap, _) => format!("{device} trapped: {trap}"),
                DeviceNotice::Log(_, text) => format!("{device} logged: {text}"),
                DeviceNotice::Connected(_) => format!("{device} connected"),
                DeviceNotice::Disconnected(..) => format!("{device} lost its connection"),
                DeviceNotice::Started(_) => format!("{device} started"),
                DeviceNotice::Crashed(_) | DeviceNotice::Died(..) => format!("{device} lost its power"),
                _ => format!("{device} stopped"),
            },
        }
    }
}
