//! The device itself, through which a behaviour speaks.

use crate::host::{Host, HostHandle, Identity, Level, MetricError};
use crate::json::Value;
use crate::{Config, Message, Outgoing, Qos, Request, topic};
use std::fmt;
use std::time::Duration;

pub use crate::host::{ActiveFault, PublishError, SendError, StateError, SubscribeError, Will};

/// A device: who it is, and all it can do. Nothing here waits. Messages and requests are only put in
/// line, and leave in that order when the behaviour's function has returned.
pub struct Device {
    identity: Identity,
    host: HostHandle,
}

/// Who this device is.
impl Device {
    pub(crate) fn new(host: HostHandle) -> Self {
        Device { identity: host.whoami(), host }
    }

    pub(crate) fn host(&self) -> &HostHandle {
        &self.host
    }

    /// Unique in the fleet; also the MQTT client id.
    pub fn id(&self) -> &str {
        &self.identity.id
    }

    /// The group the device belongs to.
    pub fn group(&self) -> &str {
        &self.identity.group
    }

    /// Position in the group, from 0.
    pub fn index(&self) -> u32 {
        self.identity.index
    }

    /// Devices in the group when the run began.
    pub fn group_size(&self) -> u32 {
        self.identity.count
    }

    /// The id of another device of the group. None where the host does not know it.
    pub fn peer(&self, index: u32) -> Option<String> {
        self.host.peer(index)
    }

    /// The configuration.
    pub fn config(&self) -> Config<'_> {
        Config::new(&self.host)
    }

    /// The faults of the device plane that hold this device now.
    pub fn active_faults(&self) -> Vec<ActiveFault> {
        self.host.active_faults()
    }
}

/// Topics: `<root>/<device>/<leaf>`.
impl Device {
    /// What every topic of the fleet begins with.
    pub fn topic_root(&self) -> &str {
        &self.identity.topic_root
    }

    /// A topic of this device.
    pub fn topic(&self, leaf: &str) -> String {
        self.topic_of(self.id(), leaf)
    }

    /// A topic of another device; with `+` for the device, a filter for all.
    pub fn topic_of(&self, device: &str, leaf: &str) -> String {
        [self.topic_root(), "/", device, "/", leaf].concat()
    }

    /// The device and leaf that a message's topic names, if it is below the fleet's root.
    pub fn sender<'m>(&self, message: &'m Message) -> Option<(&'m str, &'m str)> {
        topic::device_and_leaf(self.topic_root(), &message.topic)
    }
}

/// Messages.
impl Device {
    /// Publish a message. `Ok` means that the device took it, not that anyone will get it.
    pub fn publish(&mut self, message: &Outgoing) -> Result<(), PublishError> {
        let Outgoing { topic, payload, qos, retain, properties } = message;
        match properties {
            None => self.host.publish(topic, payload, *qos, *retain),
            Some(properties) => self.host.publish_with(topic, payload, *qos, *retain, properties),
        }
    }

    /// Publish a message; if it is refused, say so in the log at `warn` and go on.
    pub fn send(&mut self, message: &Outgoing) {
        if let Err(reason) = self.publish(message) {
            self.warn(format_args!("{} not published: {}", message.topic, String::from(reason)));
        }
    }

    /// Subscribe to a topic filter, over reconnects too.
    pub fn subscribe(&mut self, filter: &str, qos: Qos) -> Result<(), SubscribeError> {
        self.host.subscribe(filter, qos)
    }

    /// Take a subscription back.
    pub fn unsubscribe(&mut self, filter: &str) {
        self.host.unsubscribe(filter);
    }

    /// Let the broker publish this when the connection ends without a farewell. For `start`: it takes
    /// effect with the next connection. The message's properties are not part of a will.
    pub fn set_will(&mut self, message: &Outgoing) -> Result<(), PublishError> {
        let Outgoing { topic, payload, qos, retain, .. } = message.clone();
        self.host.set_will(Some(&Will { topic, payload, qos, retain, delay: 0 }))
    }

    /// Go without a will from the next connection on.
    pub fn clear_will(&mut self) {
        // Clearing names no topic and no payload that could be refused.
        let _ = self.host.set_will(None);
    }

    /// Whether the host believes the connection to be up.
    pub fn connected(&self) -> bool {
        self.host.connected()
    }
}

/// Time.
impl Device {
    /// Time since the run began. Stands still within a call.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.host.monotonic_now())
    }

    /// Seconds since 1970-01-01T00:00:00Z by the device's own clock, to the microsecond: a `ts`.
    pub fn timestamp(&self) -> f64 {
        // Rounded in whole numbers first, so that the shortest text for it has six decimals at most.
        (self.host.wall_now() / 1_000) as f64 / 1e6
    }

    /// Have `on_timer(token)` called once, `delay` from now. Moves the timer if it was set.
    pub fn set_timer(&mut self, token: u32, delay: Duration) {
        if self.host.set_timer(token, nanos(delay)).is_err() {
            self.error(format_args!("timer {token} not set: too many timers"));
        }
    }

    /// Have `on_timer(token)` called once at this time since the run began, or at once if it has passed.
    pub fn set_timer_at(&mut self, token: u32, at: Duration) {
        if self.host.set_timer_at(token, nanos(at)).is_err() {
            self.error(format_args!("timer {token} not set: too many timers"));
        }
    }

    /// Forget a timer.
    pub fn cancel_timer(&mut self, token: u32) {
        self.host.cancel_timer(token);
    }
}

/// The longest time that fits, for any that is longer.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The log.
impl Device {
    /// A line at any level.
    pub fn log(&mut self, level: Level, text: impl fmt::Display) {
        self.host.log(level, &text.to_string());
    }

    /// For whoever looks for an error in the behaviour.
    pub fn debug(&mut self, text: impl fmt::Display) {
        self.log(Level::Debug, text);
    }

    /// What the device does.
    pub fn info(&mut self, text: impl fmt::Display) {
        self.log(Level::Info, text);
    }

    /// What should not have come, and was dealt with.
    pub fn warn(&mut self, text: impl fmt::Display) {
        self.log(Level::Warn, text);
    }

    /// What the device could not do.
    pub fn error(&mut self, text: impl fmt::Display) {
        self.log(Level::Error, text);
    }
}

/// Metrics. One that is refused (a bad name, not a finite number) is said in the log and left out.
impl Device {
    /// Add to a counter.
    pub fn count(&mut self, name: &str, amount: f64) {
        let result = self.host.counter_add(name, amount);
        self.check_metric(name, result);
    }

    /// Set a gauge.
    pub fn gauge(&mut self, name: &str, value: f64) {
        let result = self.host.gauge_set(name, value);
        self.check_metric(name, result);
    }

    /// Enter one observation into a histogram.
    pub fn observe(&mut self, name: &str, value: f64) {
        let result = self.host.histogram_observe(name, value);
        self.check_metric(name, result);
    }

    fn check_metric(&mut self, name: &str, result: Result<(), MetricError>) {
        if let Err(reason) = result {
            self.warn(format_args!("metric {name} not recorded: {}", String::from(reason)));
        }
    }
}

/// The small store that outlives a crash.
impl Device {
    /// What was kept under this key.
    pub fn state_get(&self, key: &str) -> Option<Vec<u8>> {
        self.host.state_get(key)
    }

    /// The number that was kept under this key with [`state_set_u64`](Device::state_set_u64).
    pub fn state_get_u64(&self, key: &str) -> Option<u64> {
        Some(u64::from_le_bytes(self.state_get(key)?.try_into().ok()?))
    }

    /// Keep bytes under a key.
    pub fn state_set(&mut self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.host.state_set(key, value)
    }

    /// Keep a number under a key; if the store is full, say so in the log.
    pub fn state_set_u64(&mut self, key: &str, number: u64) {
        if let Err(reason) = self.state_set(key, &number.to_le_bytes()) {
            self.error(format_args!("{key} not kept: {}", String::from(reason)));
        }
    }

    /// Forget a key.
    pub fn state_delete(&mut self, key: &str) {
        self.host.state_delete(key);
    }

    /// All keys, in byte order.
    pub fn state_keys(&self) -> Vec<String> {
        self.host.state_keys()
    }
}

/// HTTP to elsewhere.
impl Device {
    /// Send a request; the answer comes as `on_http_reply` with the number returned here.
    pub fn send_http(&mut self, request: &Request, timeout: Duration) -> Result<u64, SendError> {
        self.host.http_send(request, nanos(timeout))
    }
}

/// What all behaviours here say of themselves in the same way.
impl Device {
    /// A report of this device: `device`, `type` and `ts`, to which the caller adds.
    pub fn report(&self, kind: &str) -> Value {
        crate::object! { "device": self.id(), "type": kind, "ts": self.timestamp() }
    }

    /// In `start`: leave a will that retains `offline` on the device's `state` topic.
    pub fn set_offline_will(&mut self) {
        let offline = Outgoing::new(self.topic("state"), "offline").qos(Qos::AtLeastOnce).retained();
        if let Err(reason) = self.set_will(&offline) {
            self.warn(format_args!("will not set: {}", String::from(reason)));
        }
    }

    /// Retain `online` or `offline` on the device's `state` topic.
    pub fn publish_state(&mut self, online: bool) {
        let state = if online { "online" } else { "offline" };
        self.send(&Outgoing::new(self.topic("state"), state).qos(Qos::AtLeastOnce).retained());
    }
}
