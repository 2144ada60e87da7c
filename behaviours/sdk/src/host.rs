//! Interface between a device and its host.
//!
//! `Host` lists the imports of a guest, which `wit/` documents. A component forwards them to the host, a test
//! to the bench. The type of the handle is fixed at compile time, without dynamic dispatch, so that a
//! component imports only the functions that it calls.

use crate::bindings::wasmote::device as wit;
use crate::message::{MessageProperties, Qos};

pub use wit::config::{ConfigError, Identity};
pub use wit::faults::ActiveFault;
pub use wit::http::SendError;
pub use wit::log::Level;
pub use wit::metrics::MetricError;
pub use wit::mqtt::{PublishError, SubscribeError, Will};
pub use wit::state::StateError;
pub use wit::timers::TimerError;
pub use wit::types::HttpRequest;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::bench::Connection as HostHandle;
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::imports::HostHandle;

/// All host functions of a device. Times are in nanoseconds, as in `wit/`.
#[allow(missing_docs)]
pub(crate) trait Host {
    fn publish(&self, topic: &str, payload: &[u8], qos: Qos, retain: bool) -> Result<(), PublishError>;
    fn publish_with(
        &self,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        retain: bool,
        properties: &MessageProperties,
    ) -> Result<(), PublishError>;
    fn subscribe(&self, filter: &str, qos: Qos) -> Result<(), SubscribeError>;
    fn unsubscribe(&self, filter: &str);
    fn set_will(&self, will: Option<&Will>) -> Result<(), PublishError>;
    fn connected(&self) -> bool;

    fn set_timer(&self, token: u32, delay: u64) -> Result<(), TimerError>;
    fn set_timer_at(&self, token: u32, at: u64) -> Result<(), TimerError>;
    fn cancel_timer(&self, token: u32);

    fn monotonic_now(&self) -> u64;
    fn wall_now(&self) -> u64;

    fn next_u64(&self) -> u64;
    fn uniform(&self) -> f64;
    fn bytes(&self, count: u32) -> Vec<u8>;

    fn whoami(&self) -> Identity;
    fn peer(&self, index: u32) -> Option<String>;
    fn config_json(&self) -> String;
    fn config_text(&self, path: &str) -> Result<Option<String>, ConfigError>;
    fn config_integer(&self, path: &str) -> Result<Option<i64>, ConfigError>;
    fn config_number(&self, path: &str) -> Result<Option<f64>, ConfigError>;
    fn config_boolean(&self, path: &str) -> Result<Option<bool>, ConfigError>;
    fn config_duration(&self, path: &str) -> Result<Option<u64>, ConfigError>;

    fn log(&self, level: Level, text: &str);

    fn counter_add(&self, name: &str, amount: f64) -> Result<(), MetricError>;
    fn gauge_set(&self, name: &str, value: f64) -> Result<(), MetricError>;
    fn histogram_observe(&self, name: &str, value: f64) -> Result<(), MetricError>;

    fn http_send(&self, request: &HttpRequest, timeout: u64) -> Result<u64, SendError>;

    fn state_get(&self, key: &str) -> Option<Vec<u8>>;
    fn state_set(&self, key: &str, value: &[u8]) -> Result<(), StateError>;
    fn state_delete(&self, key: &str);
    fn state_keys(&self) -> Vec<String>;

    fn active_faults(&self) -> Vec<ActiveFault>;
}
