//! Quantity: a number or a length of time, and values between two of them, for sweeps and ramps.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
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
    /// Parses text such as `10`, `0.5` or `500ms`.
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

    /// The value as a number; of a length of time, its nanoseconds.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Number(number) => number,
            Self::Time(span) => span.as_nanos() as f64,
        }
    }

    /// The value as a plan writes it. A whole number has no decimal point, so that fields for whole numbers accept it.
    pub fn value(self) -> Value {
        match self {
            Self::Whole(whole) => whole.into(),
            Self::Number(number) => as_whole(number).map_or_else(|| number.into(), Value::from),
            Self::Time(span) => serde_json::to_value(Span(span)).unwrap_or_default(),
        }
    }

    /// Interpolates towards another quantity; `part` goes from 0 to 1.
    pub fn interpolate(self, to: Self, part: f64, scale: Scale) -> Self {
        let (low, high) = (self.as_f64(), to.as_f64());
        let between = match scale {
            _ if part <= 0.0 => return self,
            _ if part >= 1.0 => return to,
            Scale::Linear => low + (high - low) * part,
            // The last digits of `powf` differ between platforms; twelve digits do not.
            Scale::Log => rounded(low * (high / low).powf(part)),
        };
        match (self, to) {
            (Self::Time(_), _) | (_, Self::Time(_)) => Self::Time(Duration::from_nanos(between as u64)),
            // A whole number is exact, so it is not rounded.
            _ if as_whole(between).is_some() => Self::Number(between),
            _ => Self::Number(rounded(between)),
        }
    }
}

/// Largest number below which every whole number is an `f64`.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

fn as_whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= LARGEST_WHOLE).then_some(number as i64)
}

/// Rounds a number with a fraction for a field that takes whole numbers only; `None` for any other value.
pub fn to_whole(value: &Value) -> Option<Value> {
    let number = value.as_f64().filter(|number| number.fract() != 0.0)?;
    as_whole(number.round()).map(Value::from)
}

/// Rounds to twelve digits, so that 0.30000000000000004 becomes 0.3.
pub fn rounded(number: f64) -> f64 {
    format!("{number:.11e}").parse().unwrap_or(number)
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A number, or a length of time.", "type": ["number", "string"], "examples": ["10ms"]})
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
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

/// Spacing of values between two ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Equal differences.
    #[default]
    Linear,
    /// Equal ratios.
    Log,
}
