//! Configuration of a guest: a JSON object whose values are read by path.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

/// The configuration of a behaviour or of a fault model. Cheap to clone: the devices of a group share it.
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    value: Arc<Value>,
    text: Arc<str>,
}

/// Error for a value of another type than requested.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongType {
    /// The requested path.
    pub path: String,
    /// The requested type, in words.
    pub expected: &'static str,
    /// The beginning of the value, as JSON.
    pub found: String,
}

/// Longest excerpt of the value in the error.
const MAX_FOUND_CHARS: usize = 100;

impl DeviceConfig {
    /// Configuration from a JSON object.
    pub fn new(value: Value) -> Self {
        Self { text: value.to_string().into(), value: Arc::new(value) }
    }

    /// The whole configuration as JSON text.
    pub fn json(&self) -> &str {
        &self.text
    }

    /// The text at a path: a top-level key, or a JSON Pointer such as `/channels/0/name`. `None` without a value at the path.
    pub fn text(&self, path: &str) -> Result<Option<String>, WrongType> {
        self.get(path, "a text", |value| value.as_str().map(str::to_owned))
    }

    /// The whole number at a path.
    pub fn integer(&self, path: &str) -> Result<Option<i64>, WrongType> {
        self.get(path, "a whole number", Value::as_i64)
    }

    /// The number at a path.
    pub fn number(&self, path: &str) -> Result<Option<f64>, WrongType> {
        self.get(path, "a number", Value::as_f64)
    }

    /// The truth value at a path.
    pub fn boolean(&self, path: &str) -> Result<Option<bool>, WrongType> {
        self.get(path, "true or false", Value::as_bool)
    }

    /// The duration at a path: text such as `"1m 30s"`, or a number of seconds.
    pub fn duration(&self, path: &str) -> Result<Option<Duration>, WrongType> {
        self.get(path, "a duration like \"5s\" or a number of seconds", duration)
    }

    fn get<T>(
        &self,
        path: &str,
        expected: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, WrongType> {
        let found = match path.starts_with('/') {
            true => self.value.pointer(path),
            false => self.value.get(path),
        };
        let Some(found) = found.filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        read(found).map(Some).ok_or_else(|| {
            let shown: String = found.to_string().chars().take(MAX_FOUND_CHARS).collect();
            WrongType { path: path.to_owned(), expected, found: shown }
        })
    }
}

fn duration(value: &Value) -> Option<Duration> {
    match value {
        Value::String(text) => humantime::parse_duration(text).ok(),
        Value::Number(seconds) => Duration::try_from_secs_f64(seconds.as_f64()?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_found_by_key_and_by_pointer() {
        let config = DeviceConfig::new(json!({"interval": "1m 30s", "channels": [{"name": "t", "rate": 2}]}));
        assert_eq!(config.duration("interval"), Ok(Some(Duration::from_secs(90))));
        assert_eq!(config.text("/channels/0/name"), Ok(Some("t".into())));
        assert_eq!(config.duration("/channels/0/rate"), Ok(Some(Duration::from_secs(2))));
        assert_eq!(config.text("/channels/7/name"), Ok(None));
        let numbers = json!({"least": i64::MIN, "half": 0.5, "on": true, "short": "500ms", "five": "5s"});
        let config = DeviceConfig::new(numbers);
        assert_eq!(config.integer("least"), Ok(Some(i64::MIN)));
        assert!(config.integer("half").is_err() && config.integer("on").is_err());
        assert_eq!(
            (config.number("half"), config.number("least")),
            (Ok(Some(0.5)), Ok(Some(i64::MIN as f64)))
        );
        assert_eq!(config.boolean("on"), Ok(Some(true)));
        let durations = ["short", "five", "half"].map(|path| config.duration(path).unwrap().unwrap());
        assert_eq!(durations.map(|span| span.as_millis()), [500, 5_000, 500]);
    }

    #[test]
    fn a_value_of_another_kind_is_shown() {
        let config = DeviceConfig::new(json!({"interval": -1}));
        let wrong = config.duration("interval").unwrap_err();
        assert_eq!((wrong.path.as_str(), wrong.found.as_str()), ("interval", "-1"));
        let config = DeviceConfig::new(json!({"long": "x".repeat(300)}));
        assert_eq!(config.number("long").unwrap_err().found.chars().count(), 100);
    }
}
