//! Typed access to the configuration of a device.
//!
//! A path is a top-level key or a JSON Pointer, such as `/channels/0/name`. Every error is one line for the
//! user with the field, the expected type and the value found, so `start` can use `?`:
//!
//! ```
//! # use wasmote_sdk::{Device, Duration, bench};
//! # fn start(device: &mut Device) -> Result<(), String> {
//! let config = device.config();
//! let interval = config.duration("interval", Duration::from_secs(5), Duration::from_millis(1)..)?;
//! # Ok(()) }
//! # start(&mut bench::device(1)).unwrap();
//! ```

use crate::host::{HostHandle, imports};
use crate::json::{self, Limits, Value};
use crate::message::Qos;
use crate::number::{parse_integer, shortest};
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
use wasmote_sim::config::WrongType;

pub use crate::bindings::wasmote::device::config::{ConfigError, Identity};

imports! {
    config::whoami => fn whoami(host) -> Identity {
        let identity = host.identity();
        Identity {
            id: identity.id.as_str().to_owned(),
            group: identity.group.to_string(),
            index: identity.index,
            count: identity.count,
            topic_root: identity.topic_root.to_string(),
        }
    }
    config::peer => fn peer(host, index: u32) -> Option<String> {
        host.context(|context| context.identity().peer(index))
    }
    config::json => fn config_json(host) -> String {
        host.config().json().to_owned()
    }
    config::text => fn config_text(host, path: &str) -> Result<Option<String>, ConfigError> {
        host.config().text(path).map_err(from_simulator)
    }
    config::integer => fn config_integer(host, path: &str) -> Result<Option<i64>, ConfigError> {
        host.config().integer(path).map_err(from_simulator)
    }
    config::number => fn config_number(host, path: &str) -> Result<Option<f64>, ConfigError> {
        host.config().number(path).map_err(from_simulator)
    }
    config::boolean => fn config_boolean(host, path: &str) -> Result<Option<bool>, ConfigError> {
        host.config().boolean(path).map_err(from_simulator)
    }
    config::duration => fn config_duration(host, path: &str) -> Result<Option<u64>, ConfigError> {
        let span = host.config().duration(path).map_err(from_simulator)?;
        Ok(span.map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
fn from_simulator(wrong: WrongType) -> ConfigError {
    ConfigError { path: wrong.path, expected: wrong.expected.to_owned(), found: wrong.found }
}

/// The configuration of a device, a JSON object.
pub struct Config<'d> {
    host: &'d HostHandle,
}

impl From<ConfigError> for String {
    fn from(ConfigError { path, expected, found }: ConfigError) -> Self {
        field_error(&path, format_args!("expected {expected}, found {found}"))
    }
}

/// Error message with the path of a field and the reason.
pub fn field_error(path: &str, reason: impl fmt::Display) -> String {
    format!("configuration: {}: {reason}", path.trim_start_matches('/').replace('/', "."))
}

impl<'d> Config<'d> {
    pub(crate) fn new(host: &'d HostHandle) -> Self {
        Config { host }
    }

    /// A text, if present.
    pub fn text(&self, path: &str) -> Result<Option<String>, String> {
        Ok(self.host.config_text(path)?)
    }

    /// One of several words; by default the first.
    pub fn choice(&self, path: &str, words: &[&'static str]) -> Result<&'static str, String> {
        match self.text(path)? {
            None => Ok(words[0]),
            Some(text) => words.iter().find(|word| **word == text).copied().ok_or_else(|| {
                field_error(
                    path,
                    format_args!("expected one of {}, found \"{text}\"", comma_separated(words)),
                )
            }),
        }
    }

    /// A boolean, with a default.
    pub fn boolean(&self, path: &str, default: bool) -> Result<bool, String> {
        Ok(self.host.config_boolean(path)?.unwrap_or(default))
    }

    /// An integer in a range, with a default.
    pub fn integer(&self, path: &str, default: i64, range: impl RangeBounds<i64>) -> Result<i64, String> {
        check_range(path, self.host.config_integer(path)?.unwrap_or(default), range)
    }

    /// An integer from 0 to 2⁶⁴ - 1 in a range, with a default.
    pub fn unsigned(&self, path: &str, default: u64, range: impl RangeBounds<u64>) -> Result<u64, String> {
        let found = match self.host.config_integer(path) {
            Ok(None) => default,
            Ok(Some(number)) => match u64::try_from(number) {
                Ok(number) => number,
                Err(_) => return Err(field_error(path, format_args!("expected 0 or more, found {number}"))),
            },
            // The host reads integers up to 2⁶³ - 1, and shows what it found instead.
            Err(error) => match parse_integer(&error.found) {
                Some(number) => number,
                None => return Err(error.into()),
            },
        };
        check_range(path, found, range)
    }

    /// A number in a range, with a default.
    pub fn number(&self, path: &str, default: f64, range: impl RangeBounds<f64>) -> Result<f64, String> {
        check_range(path, self.host.config_number(path)?.unwrap_or(default), range)
    }

    /// A number, if present.
    pub fn optional_number(&self, path: &str) -> Result<Option<f64>, String> {
        Ok(self.host.config_number(path)?)
    }

    /// A duration in a range, with a default.
    pub fn duration(
        &self,
        path: &str,
        default: Duration,
        range: impl RangeBounds<Duration>,
    ) -> Result<Duration, String> {
        check_range(path, self.optional_duration(path)?.unwrap_or(default), range)
    }

    /// A duration, if present.
    pub fn optional_duration(&self, path: &str) -> Result<Option<Duration>, String> {
        Ok(self.host.config_duration(path)?.map(Duration::from_nanos))
    }

    /// A QoS from 0 to 2, with a default.
    pub fn qos(&self, path: &str, default: Qos) -> Result<Qos, String> {
        Ok(match self.integer(path, default as i64, 0..=2)? {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        })
    }

    /// True if there is a value at this path.
    pub fn contains(&self, path: &str) -> bool {
        // An error means a value of another type.
        !matches!(self.host.config_text(path), Ok(None))
    }

    pub(crate) fn host(&self) -> &HostHandle {
        self.host
    }

    /// The whole configuration. Limited to 20,000 values, because of the memory of a device.
    pub fn to_value(&self) -> Result<Value, String> {
        json::parse_with_limits(self.host.config_json().as_bytes(), Limits { depth: 16, values: 20_000 })
            .map_err(|error| format!("configuration: {error}"))
    }

    /// Rejects unknown keys, which are usually misspelt.
    pub fn deny_unknown_fields(&self, known: &[&str]) -> Result<(), String> {
        deny_unknown_fields(&self.to_value()?, "", known)
    }
}

/// Rejects unknown keys of the object at `path`.
pub fn deny_unknown_fields(object: &Value, path: &str, known: &[&str]) -> Result<(), String> {
    for (name, _) in object.members().unwrap_or_default() {
        if !known.contains(&name.as_ref()) {
            let reason = format!("unknown field; known are {}", comma_separated(known));
            return Err(field_error(&format!("{path}/{name}"), reason));
        }
    }
    Ok(())
}

/// A number with a unit, for error messages about ranges.
trait Quantity: PartialOrd {
    const UNIT: &'static str;
    fn amount(&self) -> f64;
}

impl Quantity for i64 {
    const UNIT: &'static str = "";
    fn amount(&self) -> f64 {
        *self as f64
    }
}

impl Quantity for u64 {
    const UNIT: &'static str = "";
    fn amount(&self) -> f64 {
        *self as f64
    }
}

impl Quantity for f64 {
    const UNIT: &'static str = "";
    fn amount(&self) -> f64 {
        *self
    }
}

impl Quantity for Duration {
    const UNIT: &'static str = " s";
    fn amount(&self) -> f64 {
        self.as_secs_f64()
    }
}

fn check_range<T: Quantity>(path: &str, value: T, range: impl RangeBounds<T>) -> Result<T, String> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (range.start_bound().map(T::amount), range.end_bound().map(T::amount));
    Err(field_error(path, out_of_range(value.amount(), low, high, T::UNIT)))
}

fn out_of_range(value: f64, low: Bound<f64>, high: Bound<f64>, unit: &str) -> String {
    let low = match low {
        Bound::Included(low) => format!("at least {}{unit}", shortest(low)),
        Bound::Excluded(low) => format!("more than {}{unit}", shortest(low)),
        Bound::Unbounded => String::new(),
    };
    let high = match high {
        Bound::Included(high) => format!("at most {}{unit}", shortest(high)),
        Bound::Excluded(high) => format!("less than {}{unit}", shortest(high)),
        Bound::Unbounded => String::new(),
    };
    let and = if low.is_empty() || high.is_empty() { "" } else { " and " };
    format!("expected {low}{and}{high}, found {}{unit}", shortest(value))
}

/// Joins words with commas.
pub(crate) fn comma_separated(words: &[&str]) -> String {
    let mut list = String::new();
    for word in words {
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(word);
    }
    list
}
