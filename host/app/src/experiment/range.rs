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

    /// As a plan has it.
    pub fn value(self) -> Value {
        match self {
            Self::Whole(whole) => whole.into(),
            Self::Number(number) => number.into(),
            Self::Time(span) => serde_json::to_value(Span(span)).unwrap_or_default(),
        }
    }

    /// The value at a part of the way to another, from 0 to 1: evenly by difference, or by ratio.
    pub fn toward(self, to: Self, part: f64, scale: Scale) -> Self {
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
            (Self::Whole(_), Self::Whole(_)) => Self::Whole(between.round() as i64),
            _ => Self::Number(rounded(between)),
        }
    }
}

/// To twelve digits, so that 0.30000000000000004 reads 0.3.
fn rounded(number: f64) -> f64 {
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
pub struct SweepEntry(pub Vec<Value>);

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
    fn values(&self) -> Result<Vec<Value>, String> {
        let Self { range, steps, scale } = self;
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
        let mut values: Vec<Value> =
            (0..*steps).map(|step| low.toward(high, f64::from(step) / last, *scale).value()).collect();
        values.dedup();
        Ok(values)
    }
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
        range.values().map(SweepEntry).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<SweepEntry, A::Error> {
        let values = Vec::<Value>::deserialize(value::SeqAccessDeserializer::new(list))?;
        match values.is_empty() {
            true => Err(serde::de::Error::custom("the list is empty; write at least one value")),
            false => Ok(SweepEntry(values)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SweepEntry, A::Error> {
        let range = RangeEntry::deserialize(value::MapAccessDeserializer::new(map))?;
        range.values().map(SweepEntry).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(entry: Value) -> Result<Value, String> {
        serde_json::from_value::<SweepEntry>(entry).map(|it| it.0.into()).map_err(|error| error.to_string())
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
    fn what_is_no_range_says_so() {
        for (entry, said) in [
            (json!("1ms"), "is no range"),
            (json!("1ms..2"), "begins with a number and ends with a time"),
            (json!({"range": "0..1", "scale": "log"}), "not above zero"),
            (json!({"range": "0..1", "steps": 1}), "2 to 1000"),
            (json!([]), "empty"),
        ] {
            let found = values(entry).unwrap_err();
            assert!(found.contains(said), "{found}");
        }
    }
}
