//! Values between two ends: what a sweep or a ramp goes through.

use std::fmt;
use std::time::Duration;

use serde::de::{MapAccess, SeqAccess, Visitor, value};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use wasmote_sim::faults::span::Span;

/// A number or a length of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// A whole number.
    Whole(i64),
    /// Any number.
    Number(f64),
    /// A length of time.
    Time(Duration),
}

impl Quantity {
    /// From text, such as `10`, `0.5` or `500ms`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(whole) = text.parse() {
            return Ok(Self::Whole(whole));
        }
        if let Some(number) = text.parse::<f64>().ok().filter(|number| number.is_finite()) {
            return Ok(Self::Number(number));
        }
        humantime::parse_duration(text)
            .map(Self::Time)
            .map_err(|_| format!("`{text}` is neither a number nor a length of time such as \"500ms\""))
    }

    fn as_f64(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Number(number) => number,
            Self::Time(span) => span.as_nanos() as f64,
        }
    }

    /// As a plan has it. Numbers that come out whole are written so: fields that take no others take these.
    pub fn value(self) -> Value {
        match self {
            Self::Whole(whole) => whole.into(),
            Self::Number(number) => as_whole(number).map_or_else(|| number.into(), Value::from),
            Self::Time(span) => serde_json::to_value(Span(span)).unwrap_or_default(),
        }
    }

    /// The value at a part of the way to another, from 0 to 1: evenly by difference, or by ratio.
    pub fn interpolate(self, to: Self, part: f64, scale: Scale) -> Self {
        let (low, high) = (self.as_f64(), to.as_f64());
        let between = match scale {
            _ if part <= 0.0 => return self,
            _ if part >= 1.0 => return to,
            Scale::Linear => low + (high - low) * part,
            // The last digits of `powf` differ from platform to platform; twelve are the same everywhere.
            Scale::Log => rounded(low * (high / low).powf(part)),
        };
        match (self, to) {
            (Self::Time(_), _) | (_, Self::Time(_)) => Self::Time(Duration::from_nanos(between as u64)),
            // What is whole is exact, however long.
            _ if as_whole(between).is_some() => Self::Number(between),
            _ => Self::Number(rounded(between)),
        }
    }
}

/// Beyond this not every whole number is an `f64`.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

fn as_whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= LARGEST_WHOLE).then_some(number as i64)
}

/// The next whole number, for a field that takes no others; `None` for what is no number with a fraction.
pub fn to_whole(value: &Value) -> Option<Value> {
    let number = value.as_f64().filter(|number| number.fract() != 0.0)?;
    as_whole(number.round()).map(Value::from)
}

/// To twelve digits, so that 0.30000000000000004 reads 0.3.
pub(super) fn rounded(number: f64) -> f64 {
    format!("{number:.11e}").parse().unwrap_or(number)
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Self::parse(&text).map_err(serde::de::Error::custom),
            Value::Number(number) => Self::parse(&number.to_string()).map_err(serde::de::Error::custom),
            other => Err(serde::de::Error::custom(format!("expected a number or a time, found `{other}`"))),
        }
    }
}

/// How values lie between their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// At equal differences.
    #[default]
    Linear,
    /// At equal ratios.
    Log,
}

/// The values of one field of a sweep: a list, or `{ range = "1ms..1s", steps = 5, scale = "log" }`, or the
/// range alone for five steps.
#[derive(Clone, Debug, PartialEq)]
pub enum SweepEntry {
    /// As they are.
    List(Vec<Value>),
    /// Between two ends.
    Range {
        /// As written.
        range: String,
        /// One for each step. They have fractions where the steps are not whole.
        values: Vec<Value>,
    },
}

impl SweepEntry {
    /// How many values there are.
    #[allow(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        match self {
            Self::List(values) | Self::Range { values, .. } => values.len(),
        }
    }

    /// The values, for a field that takes a value or does not: where it takes whole numbers alone, a range is
    /// rounded to these.
    pub fn values(&self, is_accepted: impl Fn(&Value) -> bool) -> Result<Vec<Value>, String> {
        let (range, values) = match self {
            Self::List(values) => return Ok(values.clone()),
            Self::Range { range, values } => (range, values),
        };
        let fraction = values.iter().find_map(|value| Some((value, to_whole(value)?)));
        let is_whole = fraction.is_some_and(|(value, whole)| !is_accepted(value) && is_accepted(&whole));
        let rounded = |value: &Value| to_whole(value).filter(|_| is_whole).unwrap_or_else(|| value.clone());
        let found: Vec<Value> = values.iter().map(rounded).collect();
        let why = if is_whole { ", as the field takes whole numbers alone" } else { "" };
        match first_duplicate(&found) {
            None => Ok(found),
            Some(value) => Err(format!(
                "`{range}` in {} steps gives {value} twice{why}; write fewer steps, or list the values",
                found.len(),
            )),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeEntry {
    range: String,
    #[serde(default = "five")]
    steps: u32,
    #[serde(default)]
    scale: Scale,
}

fn five() -> u32 {
    5
}

impl RangeEntry {
    fn entry(self) -> Result<SweepEntry, String> {
        let Self { range, steps, scale } = &self;
        let (low, high) = range
            .split_once("..")
            .ok_or_else(|| format!("`{range}` is no range; write it like \"1ms..1s\" or \"0..0.2\""))?;
        let (low, high) = (Quantity::parse(low)?, Quantity::parse(high)?);
        if matches!(low, Quantity::Time(_)) != matches!(high, Quantity::Time(_)) {
            return Err(format!("`{range}` begins with a number and ends with a time, or the other way"));
        }
        if !(2..=1_000).contains(steps) {
            return Err(format!("{steps} is no number of steps; use 2 to 1000"));
        }
        if *scale == Scale::Log && (low.as_f64() <= 0.0 || high.as_f64() <= 0.0) {
            return Err(format!("`{range}` cannot be taken in equal ratios, as an end is not above zero"));
        }
        let last = f64::from(steps - 1);
        let step = |step: u32| low.interpolate(high, f64::from(step) / last, *scale).value();
        Ok(SweepEntry::Range { values: (0..*steps).map(step).collect(), range: self.range })
    }
}

/// The first value of a list that was there before; 1 and 1.0 are the same.
fn first_duplicate(values: &[Value]) -> Option<&Value> {
    let same = |one: &Value, other: &Value| match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    };
    let mut all = values.iter().enumerate();
    all.find(|(at, value)| values[..*at].iter().any(|earlier| same(earlier, value))).map(|(_, value)| value)
}

impl<'de> Deserialize<'de> for SweepEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SweepVisitor)
    }
}

struct SweepVisitor;

impl<'de> Visitor<'de> for SweepVisitor {
    type Value = SweepEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values, or a range such as { range = \"1ms..1s\", steps = 5 }")
    }

    fn visit_str<E: serde::de::Error>(self, range: &str) -> Result<SweepEntry, E> {
        let range = RangeEntry { range: range.into(), steps: five(), scale: Scale::Linear };
        range.entry().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<SweepEntry, A::Error> {
        let values = Vec::<Value>::deserialize(value::SeqAccessDeserializer::new(list))?;
        match first_duplicate(&values) {
            _ if values.is_empty() => {
                Err(serde::de::Error::custom("the list is empty; write at least one value"))
            }
            Some(value) => Err(serde::de::Error::custom(format!("{value} is listed twice"))),
            None => Ok(SweepEntry::List(values)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SweepEntry, A::Error> {
        let range = RangeEntry::deserialize(value::MapAccessDeserializer::new(map))?;
        range.entry().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn accepted_by(entry: Value, is_accepted: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let entry = serde_json::from_value::<SweepEntry>(entry).map_err(|error| error.to_string())?;
        entry.values(is_accepted).map(Value::from)
    }

    fn values(entry: Value) -> Result<Value, String> {
        accepted_by(entry, |_| true)
    }

    #[test]
    fn a_range_is_taken_in_equal_differences_or_ratios() {
        assert_eq!(values(json!("0..0.2")).unwrap(), json!([0, 0.05, 0.1, 0.15, 0.2]));
        let log = json!({"range": "1ms..1s", "steps": 4, "scale": "log"});
        assert_eq!(values(log).unwrap(), json!(["1ms", "10ms", "100ms", "1s"]));
        assert_eq!(values(json!({"range": "10..50", "steps": 3})).unwrap(), json!([10, 30, 50]));
        assert_eq!(values(json!([1, "all"])).unwrap(), json!([1, "all"]));
    }

    #[test]
    fn between_whole_ends_there_are_fractions_where_the_field_takes_them() {
        assert_eq!(values(json!("0..1")).unwrap(), json!([0, 0.25, 0.5, 0.75, 1]));
        assert_eq!(values(json!("1..0")).unwrap(), json!([1, 0.75, 0.5, 0.25, 0]));
        assert_eq!(values(json!("0..0.2")).unwrap()[4], json!(0.2));
        let whole = |entry| accepted_by(entry, |value| value.is_i64());
        let log = json!({"range": "10..1000", "steps": 5, "scale": "log"});
        assert_eq!(whole(log).unwrap(), json!([10, 32, 100, 316, 1000]));
        let few = whole(json!("1..3")).unwrap_err();
        assert!(
            few.contains("`1..3` in 5 steps gives 2 twice, as the field takes whole numbers alone"),
            "{few}"
        );
        assert!(values(json!("5..5")).unwrap_err().contains("in 5 steps gives 5 twice; write"));
        // What is taken neither way is told as it is.
        assert_eq!(accepted_by(json!("0..1"), |_| false).unwrap()[1], json!(0.25));
    }

    #[test]
    fn what_is_no_range_says_so() {
        for (entry, said) in [
            (json!("1ms"), "is no range"),
            (json!("1ms..2"), "begins with a number and ends with a time"),
            (json!({"range": "0..1", "scale": "log"}), "not above zero"),
            (json!({"range": "0..1", "steps": 1}), "2 to 1000"),
            (json!([]), "empty"),
            (json!([0.1, 0.2, 0.1]), "0.1 is listed twice"),
            (json!([1, 1.0]), "1.0 is listed twice"),
        ] {
            let found = values(entry).unwrap_err();
            assert!(found.contains(said), "{found}");
        }
    }
}
