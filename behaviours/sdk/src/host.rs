//! Interface between a device and its host.
//!
//! `Host` has the imports of a guest, which `wit/` documents. A component calls its imports, and a test the
//! bench, which implements them by the simulator. A native build without the bench has no host: each function
//! panics. The type of the handle is fixed at compile time, without dynamic dispatch, so that a component imports
//! only the functions that it calls.

use crate::bindings::wasmote::device as wit;
use crate::message::{MessageProperties, Qos};

pub use wit::config::{ConfigError, Identity};
pub use wit::data::{Batch, Purpose, Row, Table};
pub use wit::faults::ActiveFault;
pub use wit::http::SendError;
pub use wit::log::Level;
pub use wit::metrics::MetricError;
pub use wit::mqtt::{PublishError, SubscribeError, Will};
pub use wit::state::StateError;
pub use wit::timers::TimerError;
pub use wit::types::HttpRequest;

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
pub(crate) use crate::bench::Connection as HostHandle;

/// Handle of the host in a component. The imports are global, so it has no data.
#[cfg(any(target_arch = "wasm32", not(feature = "bench")))]
pub struct HostHandle;

/// End of a native test that called the host, in a build without the bench.
#[cfg(all(not(target_arch = "wasm32"), not(feature = "bench")))]
fn no_host(function: &str) -> ! {
    panic!(
        "`{function}` needs a host, and a native unit test has none: test functions without a device here, and the \
         whole behaviour by `wasmote test`"
    )
}

/// Declares [`Host`] from the list of imports, and implements it for a component: each function calls its import.
macro_rules! imports {
    ($($interface:ident::$import:ident => $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)+) => {
        /// All host functions of a device. Times are in nanoseconds, as in `wit/`.
        #[allow(missing_docs)]
        pub(crate) trait Host {
            $(fn $name(&self, $($argument: $type),*) $(-> $result)?;)+
        }

        #[cfg(target_arch = "wasm32")]
        impl Host for HostHandle {
            $(fn $name(&self, $($argument: $type),*) $(-> $result)? {
                wit::$interface::$import($($argument),*)
            })+
        }

        #[cfg(all(not(target_arch = "wasm32"), not(feature = "bench")))]
        impl Host for HostHandle {
            $(fn $name(&self, $(_: $type),*) $(-> $result)? {
                no_host(stringify!($name))
            })+
        }
    };
}

imports! {
    mqtt::publish => publish(topic: &str, payload: &[u8], qos: Qos, retain: bool) -> Result<(), PublishError>;
    mqtt::publish_with => publish_with(
        topic: &str, payload: &[u8], qos: Qos, retain: bool, properties: &MessageProperties
    ) -> Result<(), PublishError>;
    mqtt::subscribe => subscribe(filter: &str, qos: Qos) -> Result<(), SubscribeError>;
    mqtt::unsubscribe => unsubscribe(filter: &str);
    mqtt::set_will => set_will(will: Option<&Will>) -> Result<(), PublishError>;
    mqtt::connected => connected() -> bool;

    timers::set => set_timer(token: u32, delay: u64) -> Result<(), TimerError>;
    timers::set_at => set_timer_at(token: u32, at: u64) -> Result<(), TimerError>;
    timers::cancel => cancel_timer(token: u32);

    clock::monotonic_now => monotonic_now() -> u64;
    clock::wall_now => wall_now() -> u64;

    random::next_u64 => next_u64() -> u64;
    random::uniform => uniform() -> f64;
    random::bytes => bytes(count: u32) -> Vec<u8>;

    config::whoami => whoami() -> Identity;
    config::peer => peer(index: u32) -> Option<String>;
    config::json => config_json() -> String;
    config::text => config_text(path: &str) -> Result<Option<String>, ConfigError>;
    config::integer => config_integer(path: &str) -> Result<Option<i64>, ConfigError>;
    config::number => config_number(path: &str) -> Result<Option<f64>, ConfigError>;
    config::boolean => config_boolean(path: &str) -> Result<Option<bool>, ConfigError>;
    config::duration => config_duration(path: &str) -> Result<Option<u64>, ConfigError>;

    data::open => open_table(path: &str, purpose: Purpose) -> Result<Table, String>;
    data::read => read_rows(path: &str, purpose: Purpose, position: u64, count: u32) -> Result<Batch, String>;
    data::seek => seek_row(path: &str, purpose: Purpose, at: u64) -> Result<u64, String>;

    log::write => log(level: Level, text: &str);

    metrics::counter_add => counter_add(name: &str, amount: f64) -> Result<(), MetricError>;
    metrics::gauge_set => gauge_set(name: &str, value: f64) -> Result<(), MetricError>;
    metrics::histogram_observe => histogram_observe(name: &str, value: f64) -> Result<(), MetricError>;

    http::send => http_send(request: &HttpRequest, timeout: u64) -> Result<u64, SendError>;

    state::get => state_get(key: &str) -> Option<Vec<u8>>;
    state::set => state_set(key: &str, value: &[u8]) -> Result<(), StateError>;
    state::delete => state_delete(key: &str);
    state::keys => state_keys() -> Vec<String>;

    faults::active => active_faults() -> Vec<ActiveFault>;
}
