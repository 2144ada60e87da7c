//! The device, as the interface of a behaviour to the host.

use crate::host::{Host, HostHandle, Identity, Level, MetricError};
use crate::json::Value;
use crate::{Config, Message, Outgoing, Qos, Request, topic};
use std::fmt;
use std::time::Duration;

pub use crate::host::{ActiveFault, PublishError, SendError, StateError, SubscribeError, Will};

/// A device: its identity and all host functions. No call waits. The host queues messages and requests, and
/// sends them in order after the function of the behaviour has returned.
pub struct Device {
    identity: Identity,
    host: HostHandle,
}

/// Identity and configuration.
impl Device {
    pub(crate) fn new(host: HostHandle) -> Self {
        Device { identity: host.whoami(), host }
    }

    pub(crate) fn host(&self) -> &HostHandle {
        &self.host
    }

    /// Id of the device, unique in the fleet; also the MQTT client id.
    pub fn id(&self) -> &str {
        &self.identity.id
    }

    /// Group of the device.
    pub fn group(&self) -> &str {
        &self.identity.group
    }

    /// Position in the group, from 0.
    pub fn index(&self) -> u32 {
        self.identity.index
    }

    /// Number of devices in the group at the start of the run.
    pub fn group_size(&self) -> u32 {
        self.identity.count
    }

    /// Id of another device of the group. `None` if the host does not know it.
    pub fn peer(&self, index: u32) -> Option<String> {
        self.host.peer(index)
    }

    /// The configuration.
    pub fn config(&self) -> Config<'_> {
        Config::new(&self.host)
    }

    /// Faults of the device plane that affect this device now.
    pub fn active_faults(&self) -> Vec<ActiveFault> {
        self.host.active_faults()
    }
}

/// Topics: `<root>/<device>/<leaf>`.
impl Device {
    /// Common prefix of all topics of the fleet.
    pub fn topic_root(&self) -> &str {
        &self.identity.topic_root
    }

    /// Topic of this device.
    pub fn topic(&self, leaf: &str) -> String {
        self.topic_of(self.id(), leaf)
    }

    /// Topic of another device; with `+` as the device, a filter for all.
    pub fn topic_of(&self, device: &str, leaf: &str) -> String {
        [self.topic_root(), "/", device, "/", leaf].concat()
    }

    /// Device and leaf in the topic of a message, if the topic is below the root.
    pub fn sender<'m>(&self, message: &'m Message) -> Option<(&'m str, &'m str)> {
        topic::device_and_leaf(self.topic_root(), &message.topic)
    }
}

/// Messages.
impl Device {
    /// Publishes a message. `Ok` means accepted by the device, not delivered.
    pub fn publish(&mut self, message: &Outgoing) -> Result<(), PublishError> {
        let Outgoing { topic, payload, qos, retain, properties } = message;
        match properties {
            None => self.host.publish(topic, payload, *qos, *retain),
            Some(properties) => self.host.publish_with(topic, payload, *qos, *retain, properties),
        }
    }

    /// Publishes a message, and logs a warning if the host rejects it.
    pub fn send(&mut self, message: &Outgoing) {
        if let Err(reason) = self.publish(message) {
            self.warn(format_args!("{} not published: {}", message.topic, String::from(reason)));
        }
    }

    /// Subscribes to a topic filter. The subscription lasts across reconnects.
    pub fn subscribe(&mut self, filter: &str, qos: Qos) -> Result<(), SubscribeError> {
        self.host.subscribe(filter, qos)
    }

    /// Removes a subscription.
    pub fn unsubscribe(&mut self, filter: &str) {
        self.host.unsubscribe(filter);
    }

    /// Sets the will, which the broker publishes if the connection ends without a DISCONNECT. Call it in
    /// `start`: it takes effect with the next connection. Properties of the message are ignored.
    pub fn set_will(&mut self, message: &Outgoing) -> Result<(), PublishError> {
        let Outgoing { topic, payload, qos, retain, .. } = message.clone();
        self.host.set_will(Some(&Will { topic, payload, qos, retain, delay: 0 }))
    }

    /// Removes the will, from the next connection on.
    pub fn clear_will(&mut self) {
        // Cannot fail: without a will, no topic or payload can be rejected.
        let _ = self.host.set_will(None);
    }

    /// True if the host considers the connection up.
    pub fn connected(&self) -> bool {
        self.host.connected()
    }
}

/// Time.
impl Device {
    /// Time since the start of the run. Constant during a call.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.host.monotonic_now())
    }

    /// Seconds since 1970-01-01T00:00:00Z by the device's own clock, to the microsecond: a `ts`.
    pub fn timestamp(&self) -> f64 {
        // Rounded as an integer first, so that its shortest decimal text has at most six decimals.
        (self.host.wall_now() / 1_000) as f64 / 1e6
    }

    /// Schedules one call of `on_timer(token)` after `delay`. Replaces a timer with the same token.
    pub fn set_timer(&mut self, token: u32, delay: Duration) {
        if self.host.set_timer(token, nanos(delay)).is_err() {
            self.error(format_args!("timer {token} not set: too many timers"));
        }
    }

    /// Schedules one call of `on_timer(token)` at this time since the start of the run, or at once if it has
    /// passed.
    pub fn set_timer_at(&mut self, token: u32, at: Duration) {
        if self.host.set_timer_at(token, nanos(at)).is_err() {
            self.error(format_args!("timer {token} not set: too many timers"));
        }
    }

    /// Cancels a timer.
    pub fn cancel_timer(&mut self, token: u32) {
        self.host.cancel_timer(token);
    }
}

/// Nanoseconds, saturating.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Log.
impl Device {
    /// Logs a line at any level.
    pub fn log(&mut self, level: Level, text: impl fmt::Display) {
        self.host.log(level, &text.to_string());
    }

    /// Logs details for debugging the behaviour.
    pub fn debug(&mut self, text: impl fmt::Display) {
        self.log(Level::Debug, text);
    }

    /// Logs normal activity.
    pub fn info(&mut self, text: impl fmt::Display) {
        self.log(Level::Info, text);
    }

    /// Logs an unexpected but handled event.
    pub fn warn(&mut self, text: impl fmt::Display) {
        self.log(Level::Warn, text);
    }

    /// Logs a failure.
    pub fn error(&mut self, text: impl fmt::Display) {
        self.log(Level::Error, text);
    }
}

/// Metrics. The device logs and skips rejected values (invalid name, not finite).
impl Device {
    /// Adds to a counter.
    pub fn count(&mut self, name: &str, amount: f64) {
        let result = self.host.counter_add(name, amount);
        self.check_metric(name, result);
    }

    /// Sets a gauge.
    pub fn gauge(&mut self, name: &str, value: f64) {
        let result = self.host.gauge_set(name, value);
        self.check_metric(name, result);
    }

    /// Adds an observation to a histogram.
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

/// The key-value store that survives a crash.
impl Device {
    /// The value of a key.
    pub fn state_get(&self, key: &str) -> Option<Vec<u8>> {
        self.host.state_get(key)
    }

    /// The number stored with [`state_set_u64`](Device::state_set_u64).
    pub fn state_get_u64(&self, key: &str) -> Option<u64> {
        Some(u64::from_le_bytes(self.state_get(key)?.try_into().ok()?))
    }

    /// Stores a value.
    pub fn state_set(&mut self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.host.state_set(key, value)
    }

    /// Stores a number, and logs an error if the store is full.
    pub fn state_set_u64(&mut self, key: &str, number: u64) {
        if let Err(reason) = self.state_set(key, &number.to_le_bytes()) {
            self.error(format_args!("{key} not kept: {}", String::from(reason)));
        }
    }

    /// Removes a key.
    pub fn state_delete(&mut self, key: &str) {
        self.host.state_delete(key);
    }

    /// All keys, in byte order.
    pub fn state_keys(&self) -> Vec<String> {
        self.host.state_keys()
    }
}

/// Outbound HTTP.
impl Device {
    /// Sends a request. The response arrives in `on_http_reply` with the number returned here.
    pub fn send_http(&mut self, request: &Request, timeout: Duration) -> Result<u64, SendError> {
        self.host.http_send(request, nanos(timeout))
    }
}

/// Conventions shared by the bundled behaviours.
impl Device {
    /// A report of this device with `device`, `type` and `ts`; the caller adds fields.
    pub fn report(&self, kind: &str) -> Value {
        crate::object! { "device": self.id(), "type": kind, "ts": self.timestamp() }
    }

    /// Sets a will that retains `offline` on the device's `state` topic. Call it in `start`.
    pub fn set_offline_will(&mut self) {
        let offline = Outgoing::new(self.topic("state"), "offline").qos(Qos::AtLeastOnce).retained();
        if let Err(reason) = self.set_will(&offline) {
            self.warn(format_args!("will not set: {}", String::from(reason)));
        }
    }

    /// Publishes `online` or `offline` on the device's `state` topic, retained.
    pub fn publish_state(&mut self, online: bool) {
        let state = if online { "online" } else { "offline" };
        self.send(&Outgoing::new(self.topic("state"), state).qos(Qos::AtLeastOnce).retained());
    }
}
