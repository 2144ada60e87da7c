//! Configuration of a guest: a JSON object whose values are read by path.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::data::{DataFiles, Format, Memory, Purpose, Table};

/// The configuration of a behaviour or of a fault model. Cheap to clone: the devices of a group share it.
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    value: Arc<Value>,
    text: Arc<str>,
    /// Files that the configuration may name.
    files: Option<Arc<dyn DataFiles>>,
    tables: Arc<Tables>,
}

/// Tables that devices have opened, by the path in the configuration.
type Tables = Mutex<BTreeMap<(String, Purpose), Result<Arc<Table>, String>>>;

/// Name of the field that names a file with recorded data.
pub const DATA_FIELD: &str = "$data";
/// Name of the field with the SHA-256 that the file must have.
pub const PIN_FIELD: &str = "sha256";

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
        Self { text: value.to_string().into(), value: Arc::new(value), files: None, tables: Arc::default() }
    }

    /// The same configuration, whose files are read by `files`.
    #[must_use]
    pub fn with_files(self, files: Arc<dyn DataFiles>) -> Self {
        Self { files: Some(files), ..self }
    }

    /// The table at a path: a file, the text of a table, or a list. Its format is in the fields next to it. All devices with this
    /// configuration share it.
    pub fn table(&self, path: &str, purpose: Purpose) -> Result<Arc<Table>, String> {
        let pointer = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let Some(found) = self.value.pointer(&pointer).filter(|value| !value.is_null()) else {
            return Err(field_error(
                &pointer,
                "it is missing; expected a table, or a file as {\"$data\": \"plant.csv\"}",
            ));
        };
        let key = (pointer, purpose);
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tables.get(&key) {
            return known.clone();
        }
        let table = self.open(&key.0, found, purpose);
        tables.entry(key).or_insert(table).clone()
    }

    fn open(&self, pointer: &str, found: &Value, purpose: Purpose) -> Result<Arc<Table>, String> {
        let (above, _) = pointer.rsplit_once('/').unwrap_or_default();
        let none = Map::new();
        let siblings = self.value.pointer(above).and_then(Value::as_object).unwrap_or(&none);
        let data = found.as_object().map(DataFile::read).transpose();
        let data = data.map_err(|problem| field_error(pointer, &problem))?;
        let path = data.as_ref().map(|data| data.path);
        let format = Format::read(siblings, path, purpose);
        let mut format =
            format.map_err(|(name, problem)| field_error(&format!("{above}/{name}"), &problem))?;
        let table = match (&data, found) {
            (Some(data), _) => match &self.files {
                Some(files) => files
                    .table(data.path, data.pin, &format)
                    .map_err(|problem| format!("the file `{}`: {problem}", data.path)),
                None => Err(format!("the file `{}`: this host has no files", data.path)),
            },
            (None, Value::String(text)) => {
                Table::scan(Arc::new(Memory(text.as_bytes().into())), format).map(Arc::new)
            }
            (None, Value::Array(rows)) => list_as_text(rows, &mut format).and_then(|text| {
                Table::scan(Arc::new(Memory(text.into_bytes().into())), format).map(Arc::new)
            }),
            _ => Err("expected lines of seconds,value or a list of [seconds, value], or a file as \
                      {\"$data\": \"plant.csv\"}"
                .into()),
        };
        table.map_err(|problem| field_error(pointer, &problem))
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

/// A file that a configuration names.
struct DataFile<'v> {
    path: &'v str,
    pin: Option<&'v str>,
}

impl<'v> DataFile<'v> {
    fn read(fields: &'v Map<String, Value>) -> Result<Self, String> {
        let text = |name: &str| match fields.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(found) => Err(format!("`{name}`: expected a text, found {found}")),
        };
        if let Some(other) = fields.keys().find(|name| !matches!(name.as_str(), DATA_FIELD | PIN_FIELD)) {
            return Err(format!("a file has only `{DATA_FIELD}` and `{PIN_FIELD}`, found `{other}`"));
        }
        match text(DATA_FIELD)? {
            Some(path) => Ok(Self { path, pin: text(PIN_FIELD)? }),
            None => Err(format!("expected a file as {{\"{DATA_FIELD}\": \"plant.csv\"}}")),
        }
    }
}

/// A list as the text of a table: pairs of seconds and values, or objects.
fn list_as_text(rows: &[Value], format: &mut Format) -> Result<String, String> {
    format.is_list = true;
    format.is_ndjson = rows.first().is_some_and(Value::is_object);
    format.header = Some(false);
    (format.separator, format.decimal_comma) = (b',', false);
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let line = match row {
            Value::Object(_) if format.is_ndjson => row.to_string(),
            Value::Array(pair) if !format.is_ndjson => match pair.as_slice() {
                [Value::Number(time), Value::Null] => format!("{time},"),
                [Value::Number(time), Value::Number(value)] => format!("{time},{value}"),
                [Value::String(time), Value::Null] if !time.contains([',', '"', '\n']) => format!("{time},"),
                [Value::String(time), Value::Number(value)] if !time.contains([',', '"', '\n']) => {
                    format!("{time},{value}")
                }
                _ => return Err(format!("row {}: expected seconds and a value", index + 1)),
            },
            _ => return Err(format!("row {}: expected seconds and a value", index + 1)),
        };
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// Error about a field, as behaviours report it to the user.
fn field_error(pointer: &str, problem: &str) -> String {
    format!("configuration: {}: {problem}", pointer.trim_start_matches('/').replace('/', "."))
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
