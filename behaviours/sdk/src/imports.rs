//! Implementation of [`Host`] by the imports of a component.

use crate::bindings::wasmote::device::{
    clock, config, faults, http, log, metrics, mqtt, random, state, timers,
};
use crate::host::{
    ActiveFault, ConfigError, Host, HttpRequest, Identity, Level, MetricError, PublishError, SendError,
    StateError, SubscribeError, TimerError, Will,
};
use crate::message::{MessageProperties, Qos};

/// Handle of the host. The imports are global, so it has no data.
pub struct HostHandle;

impl Host for HostHandle {
    fn publish(&self, topic: &str, payload: &[u8], qos: Qos, retain: bool) -> Result<(), PublishError> {
        mqtt::publish(topic, payload, qos, retain)
    }
    fn publish_with(
        &self,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        retain: bool,
        properties: &MessageProperties,
    ) -> Result<(), PublishError> {
        mqtt::publish_with(topic, payload, qos, retain, properties)
    }
    fn subscribe(&self, filter: &str, qos: Qos) -> Result<(), SubscribeError> {
        mqtt::subscribe(filter, qos)
    }
    fn unsubscribe(&self, filter: &str) {
        mqtt::unsubscribe(filter);
    }
    fn set_will(&self, will: Option<&Will>) -> Result<(), PublishError> {
        mqtt::set_will(will)
    }
    fn connected(&self) -> bool {
        mqtt::connected()
    }

    fn set_timer(&self, token: u32, delay: u64) -> Result<(), TimerError> {
        timers::set(token, delay)
    }
    fn set_timer_at(&self, token: u32, at: u64) -> Result<(), TimerError> {
        timers::set_at(token, at)
    }
    fn cancel_timer(&self, token: u32) {
        timers::cancel(token);
    }

    fn monotonic_now(&self) -> u64 {
        clock::monotonic_now()
    }
    fn wall_now(&self) -> u64 {
        clock::wall_now()
    }

    fn next_u64(&self) -> u64 {
        random::next_u64()
    }
    fn uniform(&self) -> f64 {
        random::uniform()
    }
    fn bytes(&self, count: u32) -> Vec<u8> {
        random::bytes(count)
    }

    fn whoami(&self) -> Identity {
        config::whoami()
    }
    fn peer(&self, index: u32) -> Option<String> {
        config::peer(index)
    }
    fn config_json(&self) -> String {
        config::json()
    }
    fn config_text(&self, path: &str) -> Result<Option<String>, ConfigError> {
        config::text(path)
    }
    fn config_integer(&self, path: &str) -> Result<Option<i64>, ConfigError> {
        config::integer(path)
    }
    fn config_number(&self, path: &str) -> Result<Option<f64>, ConfigError> {
        config::number(path)
    }
    fn config_boolean(&self, path: &str) -> Result<Option<bool>, ConfigError> {
        config::boolean(path)
    }
    fn config_duration(&self, path: &str) -> Result<Option<u64>, ConfigError> {
        config::duration(path)
    }

    fn log(&self, level: Level, text: &str) {
        log::write(level, text);
    }

    fn counter_add(&self, name: &str, amount: f64) -> Result<(), MetricError> {
        metrics::counter_add(name, amount)
    }
    fn gauge_set(&self, name: &str, value: f64) -> Result<(), MetricError> {
        metrics::gauge_set(name, value)
    }
    fn histogram_observe(&self, name: &str, value: f64) -> Result<(), MetricError> {
        metrics::histogram_observe(name, value)
    }

    fn http_send(&self, request: &HttpRequest, timeout: u64) -> Result<u64, SendError> {
        http::send(request, timeout)
    }

    fn state_get(&self, key: &str) -> Option<Vec<u8>> {
        state::get(key)
    }
    fn state_set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        state::set(key, value)
    }
    fn state_delete(&self, key: &str) {
        state::delete(key);
    }
    fn state_keys(&self) -> Vec<String> {
        state::keys()
    }

    fn active_faults(&self) -> Vec<ActiveFault> {
        faults::active()
    }
}
