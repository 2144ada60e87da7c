//! Durations in documents: `"500ms"`, `"1m 30s"`, or a number of seconds. A negative one has a leading `-`:
//! `"-2s"`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration in human-readable form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpanVisitor)
    }
}

/// A regular expression of what `humantime` reads, without `^` and `$`.
pub const SPAN_PATTERN: &str = "\\s*(\\d[\\d\\s]*(\\.[\\d\\s]+)?\
    (nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds|second|secs|sec|s|minutes|minute|mins|min|m|hours|hour|hrs|hr|h|\
    days|day|d|weeks|week|wks|wk|w|months|month|M|years|year|yrs|yr|y)\\s*)+";

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time: a text such as \"1m 30s\", or a number of seconds.",
            "type": ["string", "number"],
            "pattern": format!("^{SPAN_PATTERN}$"),
            "minimum": 0,
            "examples": ["500ms", "1m 30s"],
        })
    }
}

/// A signed duration in human-readable form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignedSpan {
    /// Whether it is negative.
    pub negative: bool,
    /// Absolute value.
    pub by: Duration,
}

impl SignedSpan {
    /// Nanoseconds, saturating at 292 years.
    pub fn as_nanos(self) -> i64 {
        let nanos = i64::try_from(self.by.as_nanos()).unwrap_or(i64::MAX);
        if self.negative { -nanos } else { nanos }
    }
}

impl JsonSchema for SignedSpan {
    fn schema_name() -> Cow<'static, str> {
        "Shift".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time as in `Span`, with a `-` in front if it is negative.",
            "type": ["string", "number"],
            "pattern": format!("^-?{SPAN_PATTERN}$"),
            "examples": ["-2s"],
        })
    }
}

impl Serialize for SignedSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sign = if self.negative { "-" } else { "" };
        serializer.collect_str(&format_args!("{sign}{}", humantime::format_duration(self.by)))
    }
}

impl<'de> Deserialize<'de> for SignedSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SignedSpanVisitor)
    }
}

struct SignedSpanVisitor;

impl Visitor<'_> for SignedSpanVisitor {
    type Value = SignedSpan;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"500ms\" or \"-2s\", or a number of seconds")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SignedSpan, E> {
        let size = text.strip_prefix('-');
        let Span(by) = SpanVisitor.visit_str(size.unwrap_or(text))?;
        Ok(SignedSpan { negative: size.is_some(), by })
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<SignedSpan, E> {
        let Span(by) = SpanVisitor.visit_f64(seconds.abs())?;
        Ok(SignedSpan { negative: seconds < 0.0, by })
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<SignedSpan, E> {
        Ok(SignedSpan { negative: false, by: Duration::from_secs(seconds) })
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<SignedSpan, E> {
        self.visit_f64(seconds as f64)
    }
}

struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"500ms\" or \"1m 30s\", or a number of seconds")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
        humantime::parse_duration(text)
            .map(Span)
            .map_err(|_| E::custom(format!("`{text}` is no duration; write it like \"500ms\" or \"1m 30s\"")))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Span, E> {
        Duration::try_from_secs_f64(seconds)
            .map(Span)
            .map_err(|_| E::custom(format!("{seconds} is no duration; seconds are zero or more")))
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Span, E> {
        Ok(Span(Duration::from_secs(seconds)))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Span, E> {
        self.visit_f64(seconds as f64)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::Error as Refused;

    use super::*;

    #[test]
    fn a_signed_span_may_be_negative() {
        let text = |text: &'static str| {
            SignedSpan::deserialize(IntoDeserializer::<Refused>::into_deserializer(text))
                .map(SignedSpan::as_nanos)
        };
        assert_eq!(text("-1s 500ms"), Ok(-1_500_000_000));
        assert_eq!(text("2ms"), Ok(2_000_000));
        assert!(text("--2ms").is_err());
        let number = IntoDeserializer::<Refused>::into_deserializer(-3_i64);
        assert_eq!(SignedSpan::deserialize(number).map(SignedSpan::as_nanos), Ok(-3_000_000_000));
        assert_eq!(SignedSpan { negative: true, by: Duration::MAX }.as_nanos(), -i64::MAX);
    }
}
