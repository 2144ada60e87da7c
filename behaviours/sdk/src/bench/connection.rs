//! One device's end of the bench: it answers what a component's imports would.

use super::duration;
use super::rng::Rng;
use crate::Outgoing;
use crate::host::{
    ActiveFault, ConfigError, Host, HttpRequest, Identity, Level, MetricError, PublishError, SendError,
    StateError, SubscribeError, TimerError, Will,
};
use crate::json::{self, Limits, Value};
use crate::message::{MessageProperties, Qos};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Nanoseconds between 1970 and the start of every bench: 2026-01-01T00:00:00Z.
const EPOCH: u64 = 1_767_225_600_000_000_000;

/// Bytes that a device may keep.
const STORE_QUOTA: u32 = 64 * 1024;

/// A line of a device's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub text: String,
}

/// Time and the order of events, shared by all devices of a bench.
#[derive(Clone, Default)]
pub(crate) struct Clock {
    pub now: Rc<Cell<u64>>,
    sequence: Rc<Cell<u64>>,
}

impl Clock {
    /// Numbers the events, so that those due at the same instant keep their order.
    pub fn next_sequence(&self) -> u64 {
        self.sequence.set(self.sequence.get() + 1);
        self.sequence.get()
    }
}

/// All that the bench knows of one device.
pub(crate) struct Hardware {
    pub identity: Identity,
    pub peers: Vec<String>,
    pub config: String,
    pub clock: Clock,
    pub rng: Rng,
    pub connected: bool,
    pub will: Option<Will>,
    pub subscriptions: BTreeMap<String, Qos>,
    pub fresh_subscriptions: Vec<String>,
    pub outbox: Vec<Outgoing>,
    pub timers: BTreeMap<u32, (u64, u64)>,
    pub log: Vec<Line>,
    pub counters: BTreeMap<String, f64>,
    pub gauges: BTreeMap<String, f64>,
    pub histograms: BTreeMap<String, Vec<f64>>,
    pub store: BTreeMap<String, Vec<u8>>,
    pub requests: Vec<HttpRequest>,
}

/// A handle to the hardware, held by the device and by the bench.
#[derive(Clone)]
pub(crate) struct Connection(pub Rc<RefCell<Hardware>>);

impl Connection {
    pub fn new(identity: Identity, peers: Vec<String>, config: &str, seed: u64, clock: Clock) -> Self {
        Connection(Rc::new(RefCell::new(Hardware {
            rng: Rng::new(seed, u64::from(identity.index)),
            identity,
            peers,
            config: config.into(),
            clock,
            connected: false,
            will: None,
            subscriptions: BTreeMap::new(),
            fresh_subscriptions: Vec::new(),
            outbox: Vec::new(),
            timers: BTreeMap::new(),
            log: Vec::new(),
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            histograms: BTreeMap::new(),
            store: BTreeMap::new(),
            requests: Vec::new(),
        })))
    }

    pub fn alone(seed: u64, config: &str) -> Self {
        let identity = Identity {
            id: "device-0".into(),
            group: "device".into(),
            index: 0,
            count: 1,
            topic_root: "wasmote".into(),
        };
        Connection::new(identity, vec!["device-0".into()], config, seed, Clock::default())
    }

    /// What is at a path of the configuration.
    fn configured(&self, path: &str) -> Option<Value> {
        let text = self.0.borrow().config.clone();
        let limits = Limits { depth: 64, values: u32::MAX };
        let mut value = json::parse_with_limits(text.as_bytes(), limits).expect("the configuration is JSON");
        let names: Vec<String> = match path.strip_prefix('/') {
            None => vec![path.into()],
            Some(pointer) => {
                pointer.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect()
            }
        };
        for name in names {
            value = match &value {
                Value::List(items) => items.get(name.parse::<usize>().ok()?)?.clone(),
                object => object.get(&name)?.clone(),
            };
        }
        Some(value)
    }

    fn read<T>(
        &self,
        path: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.configured(path) else { return Ok(None) };
        read(&value).map(Some).ok_or_else(|| ConfigError {
            path: path.into(),
            expected: expected.into(),
            found: value.to_string().chars().take(100).collect(),
        })
    }
}

impl Host for Connection {
    fn publish(&self, topic: &str, payload: &[u8], qos: Qos, retain: bool) -> Result<(), PublishError> {
        if topic.is_empty() || topic.len() > 65_535 || topic.contains(['+', '#', '\0']) {
            return Err(PublishError::InvalidTopic("empty, too long, or with a wildcard or NUL".into()));
        }
        let message =
            Outgoing { topic: topic.into(), payload: payload.into(), qos, retain, properties: None };
        self.0.borrow_mut().outbox.push(message);
        Ok(())
    }

    fn publish_with(
        &self,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        retain: bool,
        properties: &MessageProperties,
    ) -> Result<(), PublishError> {
        self.publish(topic, payload, qos, retain)?;
        if let Some(message) = self.0.borrow_mut().outbox.last_mut() {
            message.properties = Some(properties.clone());
        }
        Ok(())
    }

    fn subscribe(&self, filter: &str, qos: Qos) -> Result<(), SubscribeError> {
        if filter.is_empty() || filter.split('/').any(|level| level.len() > 1 && level.contains(['+', '#'])) {
            return Err(SubscribeError::InvalidFilter("empty, or a wildcard within a level".into()));
        }
        let mut hardware = self.0.borrow_mut();
        hardware.subscriptions.insert(filter.into(), qos);
        hardware.fresh_subscriptions.push(filter.into());
        Ok(())
    }

    fn unsubscribe(&self, filter: &str) {
        self.0.borrow_mut().subscriptions.remove(filter);
    }

    fn set_will(&self, will: Option<&Will>) -> Result<(), PublishError> {
        self.0.borrow_mut().will = will.cloned();
        Ok(())
    }

    fn connected(&self) -> bool {
        self.0.borrow().connected
    }

    fn set_timer(&self, token: u32, delay: u64) -> Result<(), TimerError> {
        self.set_timer_at(token, self.monotonic_now().saturating_add(delay))
    }

    fn set_timer_at(&self, token: u32, at: u64) -> Result<(), TimerError> {
        let at = at.max(self.monotonic_now());
        let mut hardware = self.0.borrow_mut();
        let sequence = hardware.clock.next_sequence();
        hardware.timers.insert(token, (at, sequence));
        Ok(())
    }

    fn cancel_timer(&self, token: u32) {
        self.0.borrow_mut().timers.remove(&token);
    }

    fn monotonic_now(&self) -> u64 {
        self.0.borrow().clock.now.get()
    }

    fn wall_now(&self) -> u64 {
        EPOCH + self.monotonic_now()
    }

    fn next_u64(&self) -> u64 {
        self.0.borrow_mut().rng.next()
    }

    fn uniform(&self) -> f64 {
        self.0.borrow_mut().rng.uniform()
    }

    fn bytes(&self, count: u32) -> Vec<u8> {
        (0..count.min(65_536)).map(|_| self.next_u64() as u8).collect()
    }

    fn whoami(&self) -> Identity {
        self.0.borrow().identity.clone()
    }

    fn peer(&self, index: u32) -> Option<String> {
        self.0.borrow().peers.get(index as usize).cloned()
    }

    fn config_json(&self) -> String {
        self.0.borrow().config.clone()
    }

    fn config_text(&self, path: &str) -> Result<Option<String>, ConfigError> {
        self.read(path, "a text", |value| value.text().map(String::from))
    }

    fn config_integer(&self, path: &str) -> Result<Option<i64>, ConfigError> {
        self.read(path, "a whole number", |value| {
            value
                .number()
                .filter(|number| number.fract() == 0.0 && number.abs() < 9e18)
                .map(|number| number as i64)
        })
    }

    fn config_number(&self, path: &str) -> Result<Option<f64>, ConfigError> {
        self.read(path, "a number", Value::number)
    }

    fn config_boolean(&self, path: &str) -> Result<Option<bool>, ConfigError> {
        self.read(path, "true or false", Value::boolean)
    }

    fn config_duration(&self, path: &str) -> Result<Option<u64>, ConfigError> {
        self.read(path, "a duration like \"5s\" or a number of seconds", duration::nanoseconds)
    }

    fn log(&self, level: Level, text: &str) {
        self.0.borrow_mut().log.push(Line { level, text: text.into() });
    }

    fn counter_add(&self, name: &str, amount: f64) -> Result<(), MetricError> {
        check_name(name)?;
        if !amount.is_finite() || amount < 0.0 {
            return Err(MetricError::InvalidValue);
        }
        *self.0.borrow_mut().counters.entry(name.into()).or_default() += amount;
        Ok(())
    }

    fn gauge_set(&self, name: &str, value: f64) -> Result<(), MetricError> {
        check_name(name)?;
        if !value.is_finite() {
            return Err(MetricError::InvalidValue);
        }
        self.0.borrow_mut().gauges.insert(name.into(), value);
        Ok(())
    }

    fn histogram_observe(&self, name: &str, value: f64) -> Result<(), MetricError> {
        check_name(name)?;
        if !value.is_finite() {
            return Err(MetricError::InvalidValue);
        }
        self.0.borrow_mut().histograms.entry(name.into()).or_default().push(value);
        Ok(())
    }

    fn http_send(&self, request: &HttpRequest, _timeout: u64) -> Result<u64, SendError> {
        let mut hardware = self.0.borrow_mut();
        hardware.requests.push(request.clone());
        Ok(hardware.requests.len() as u64)
    }

    fn state_get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().store.get(key).cloned()
    }

    fn state_set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        let mut hardware = self.0.borrow_mut();
        let others = hardware.store.iter().filter(|(known, _)| *known != key);
        let size =
            others.map(|(known, kept)| known.len() + kept.len()).sum::<usize>() + key.len() + value.len();
        if size > STORE_QUOTA as usize {
            return Err(StateError::Full(STORE_QUOTA));
        }
        hardware.store.insert(key.into(), value.into());
        Ok(())
    }

    fn state_delete(&self, key: &str) {
        self.0.borrow_mut().store.remove(key);
    }

    fn state_keys(&self) -> Vec<String> {
        self.0.borrow().store.keys().cloned().collect()
    }

    fn active_faults(&self) -> Vec<ActiveFault> {
        Vec::new()
    }
}

fn check_name(name: &str) -> Result<(), MetricError> {
    let plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if plain && name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_lowercase()) {
        Ok(())
    } else {
        Err(MetricError::InvalidName(name.into()))
    }
}
