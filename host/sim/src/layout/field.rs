//! Chosen fields of a payload, with their conversions.

use super::binary::as_float;
use super::time::{FORMATS, TimeFormat, scaled};
use super::value::{Value, is_number};
use super::{LayoutError, check_members, member_text, wrong_type};

/// Type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Integer,
    Float,
    Text,
    Boolean,
}

const TYPES: [(&str, Type); 4] =
    [("integer", Type::Integer), ("float", Type::Float), ("text", Type::Text), ("boolean", Type::Boolean)];

/// Fields that every message has, besides those of the report.
const IMPLICIT: [&str; 6] = ["device", "group", "index", "ts", "payload", "topic"];

const MEMBERS: [&str; 9] = ["from", "value", "as", "scale", "offset", "decimals", "type", "time", "map"];

/// A field of the payload.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    source: Source,
    /// Path in the payload.
    pub(super) name: String,
    /// Text of the factor, and of the summand that is added afterwards.
    scale: Option<String>,
    offset: Option<String>,
    decimals: Option<usize>,
    kind: Option<Type>,
    time: Option<TimeFormat>,
    /// Values of texts.
    map: Vec<(String, Value)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    /// Path in the behaviour's report.
    Path(String),
    Constant(Value),
}

impl Field {
    /// Reads a field: a path, or an object.
    pub(super) fn read(
        value: &serde_json::Value,
        at: &str,
        known: Option<&[&str]>,
    ) -> Result<Self, LayoutError> {
        if let serde_json::Value::String(path) = value {
            return Self::of_path(path, at, known);
        }
        let members = check_members(value, at, &MEMBERS)?;
        let member = |name: &str| members.get(name).map(|value| (value, format!("{at}.{name}")));
        let source = match (member("from"), member("value")) {
            (Some((from, at)), None) => {
                let path = member_text(from, &at)?;
                check_path(path, &at, known)?;
                Source::Path(path.to_owned())
            }
            (None, Some((value, _))) => Source::Constant(Value::from_json(value)),
            _ => {
                return Err(LayoutError::at(
                    at,
                    "expected either `from`, the path of a field of the report, or `value`",
                ));
            }
        };
        let name = match (member("as"), &source) {
            (Some((name, at)), _) => member_text(name, &at)?.to_owned(),
            (None, Source::Path(path)) => last_name(path).to_owned(),
            (None, Source::Constant(_)) => {
                return Err(LayoutError::at(at, "a `value` has no name of its own; name the field by `as`"));
            }
        };
        if name.split('.').any(str::is_empty) {
            return Err(LayoutError::at(
                format!("{at}.as"),
                format!("`{name}`: expected names with single dots between them"),
            ));
        }
        let number = |name: &str| match member(name) {
            None => Ok(None),
            Some((serde_json::Value::Number(number), _)) => Ok(Some(number.to_string())),
            Some((found, at)) => Err(wrong_type(&at, "a number", found)),
        };
        let decimals = match member("decimals") {
            None => None,
            Some((found, at)) => {
                let decimals = found.as_u64().and_then(|it| usize::try_from(it).ok()).filter(|it| *it <= 15);
                Some(decimals.ok_or_else(|| wrong_type(&at, "a whole number from 0 to 15", found))?)
            }
        };
        let kind = member("type").map(|(found, at)| choice(found, &at, &TYPES)).transpose()?;
        let time = member("time").map(|(found, at)| read_time(found, &at)).transpose()?;
        let map = match member("map") {
            None => Vec::new(),
            Some((serde_json::Value::Object(map), _)) => {
                map.iter().map(|(text, value)| (text.clone(), Value::from_json(value))).collect()
            }
            Some((found, at)) => return Err(wrong_type(&at, "an object of texts and their values", found)),
        };
        Ok(Self {
            source,
            name,
            scale: number("scale")?,
            offset: number("offset")?,
            decimals,
            kind,
            time,
            map,
        })
    }

    fn of_path(path: &str, at: &str, known: Option<&[&str]>) -> Result<Self, LayoutError> {
        check_path(path, at, known)?;
        Ok(Self {
            source: Source::Path(path.to_owned()),
            name: last_name(path).to_owned(),
            scale: None,
            offset: None,
            decimals: None,
            kind: None,
            time: None,
            map: Vec::new(),
        })
    }

    /// Whether the field has a time format of its own.
    pub(super) fn has_time(&self) -> bool {
        self.time.is_some()
    }

    /// Path in the report, unless the value is constant.
    pub(super) fn path(&self) -> Option<&str> {
        match &self.source {
            Source::Path(path) => Some(path),
            Source::Constant(_) => None,
        }
    }

    /// The value of the field. `found` looks a path up in the report.
    pub(super) fn value(&self, found: impl Fn(&str) -> Option<Value>) -> Value {
        let value = match &self.source {
            Source::Constant(value) => return value.clone(),
            Source::Path(path) => found(path).unwrap_or(Value::Null),
        };
        let value = match (&value, self.map.is_empty()) {
            (_, true) => value,
            (Value::Text(_) | Value::Bool(_) | Value::Number(_), false) => {
                let plain = value.plain();
                let mapped = self.map.iter().find(|(text, _)| *text == plain);
                mapped.map_or(value, |(_, mapped)| mapped.clone())
            }
            _ => value,
        };
        let value = match self.time {
            Some(format) => format.write(&value),
            None => value,
        };
        let value = self.scaled(value);
        self.typed(value)
    }

    fn scaled(&self, value: Value) -> Value {
        let Value::Number(text) = &value else { return value };
        let number = match (&self.scale, &self.offset) {
            (None, None) => text.clone(),
            (scale, offset) => {
                linear(text, scale.as_deref().unwrap_or("1"), offset.as_deref().unwrap_or("0"))
            }
        };
        match self.decimals {
            None => Value::Number(number),
            Some(decimals) if number.contains(['.', 'e', 'E']) => {
                let rounded = number.parse::<f64>().unwrap_or(0.0);
                Value::Number(format!("{rounded:.decimals$}"))
            }
            Some(0) => Value::Number(number),
            Some(decimals) => Value::Number(format!("{number}.{:0<decimals$}", "")),
        }
    }

    fn typed(&self, value: Value) -> Value {
        match (self.kind, value) {
            (None, value) | (Some(_), value @ (Value::Null | Value::List(_) | Value::Object(_))) => value,
            (Some(Type::Text), value) => Value::Text(value.plain()),
            (Some(Type::Float), Value::Number(text)) => Value::Number(as_float(&text)),
            (Some(Type::Integer), Value::Number(text)) => integer(&text).map_or(Value::Null, Value::Number),
            (Some(Type::Integer), Value::Bool(truth)) => Value::Number(u8::from(truth).to_string()),
            (Some(Type::Float), Value::Bool(truth)) => {
                Value::Number(if truth { "1.0" } else { "0.0" }.into())
            }
            (Some(Type::Boolean), Value::Number(text)) => {
                Value::Bool(text.parse::<f64>().is_ok_and(|it| it != 0.0))
            }
            (Some(Type::Boolean), Value::Text(text)) => Value::Bool(text == "true"),
            (Some(Type::Integer), Value::Text(text)) => integer(&text).map_or(Value::Null, Value::Number),
            (Some(Type::Float), Value::Text(text)) if is_number(&text) => Value::Number(as_float(&text)),
            (Some(Type::Float), Value::Text(_)) => Value::Null,
            (Some(Type::Boolean), value @ Value::Bool(_)) => value,
        }
    }

    /// The value in the report of a received field, as far as the conversions can be undone.
    pub(super) fn original(&self, value: &Value) -> Value {
        let value = match (self.kind, value) {
            (Some(Type::Text), Value::Text(text)) => Value::from_plain(text),
            _ => value.clone(),
        };
        let value = match (&value, &self.scale, &self.offset) {
            (Value::Number(text), scale, offset) if scale.is_some() || offset.is_some() => {
                let float = |text: &str| text.parse::<f64>().unwrap_or(0.0);
                let (scale, offset) =
                    (scale.as_deref().map_or(1.0, float), offset.as_deref().map_or(0.0, float));
                Value::float((float(text) - offset) / scale)
            }
            _ => value,
        };
        let value = match self.time {
            Some(format) => format.read(&value),
            None => value,
        };
        match self.map.iter().find(|(_, mapped)| *mapped == value) {
            Some((text, _)) => Value::Text(text.clone()),
            None => value,
        }
    }
}

/// A number times a factor plus a summand: exactly for integers, otherwise as doubles.
fn linear(number: &str, scale: &str, offset: &str) -> String {
    let exact = [number, scale, offset].map(|text| text.parse::<i128>().ok());
    if let [Some(number), Some(scale), Some(offset)] = exact
        && let Some(result) = number.checked_mul(scale).and_then(|product| product.checked_add(offset))
    {
        return result.to_string();
    }
    let [number, scale, offset] = [number, scale, offset].map(|text| text.parse::<f64>().unwrap_or(0.0));
    match Value::float(number * scale + offset) {
        Value::Number(text) => text,
        _ => "null".into(),
    }
}

/// The integer nearest to a number.
fn integer(text: &str) -> Option<String> {
    if !is_number(text) {
        return None;
    }
    if !text.contains(['.', 'e', 'E']) {
        return Some(text.to_owned());
    }
    // Half a unit more, rounded down.
    let doubled = scaled(text, 1)?;
    Some((doubled + 5).div_euclid(10).to_string())
}

fn last_name(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Checks the first name of a path against the fields of the report, if they are known.
pub(super) fn check_path(path: &str, at: &str, known: Option<&[&str]>) -> Result<(), LayoutError> {
    if path.split('.').any(str::is_empty) {
        let problem =
            format!("`{path}`: expected names with single dots between them, such as `values.temperature`");
        return Err(LayoutError::at(at, problem));
    }
    let Some(known) = known else { return Ok(()) };
    let first = path.split('.').next().unwrap_or(path);
    let all = known.iter().copied().chain(IMPLICIT);
    if all.clone().any(|name| name == first) {
        return Ok(());
    }
    let hint = super::nearest::known_words(first, all);
    Err(LayoutError::at(at, format!("`{path}`: the message has no field `{first}`{hint}")))
}

/// Reads the name of a time format.
pub(super) fn read_time(value: &serde_json::Value, at: &str) -> Result<TimeFormat, LayoutError> {
    choice(value, at, &FORMATS)
}

/// Reads one of several words.
pub(super) fn choice<T: Copy>(
    value: &serde_json::Value,
    at: &str,
    words: &[(&str, T)],
) -> Result<T, LayoutError> {
    let text = member_text(value, at)?;
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let hint = super::nearest::known_words(text, words.iter().map(|(word, _)| *word));
        LayoutError::at(at, format!("there is no `{text}`{hint}"))
    })
}
