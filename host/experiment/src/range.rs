//! Values of a swept field: a list, or values between two bounds.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, SeqAccess, Visitor, value};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use wasmote_fleet::quantity::{Quantity, Scale, to_whole};

/// Values of one swept field: a list, `{ range = "1ms..1s", steps = 5, scale = "log" }`, or a range text alone for
/// five steps.
#[derive(Clone, Debug, PartialEq)]
pub enum SweepEntry {
    /// The values as listed.
    List(Vec<Value>),
    /// Values between two bounds.
    Range {
        /// The range as written.
        range: String,
        /// One value for each step; fractional where the step is not a whole number.
        values: Vec<Value>,
    },
}

impl SweepEntry {
    /// Number of values.
    #[allow(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        match self {
            Self::List(values) | Self::Range { values, .. } => values.len(),
        }
    }

    /// The values for a field. A range is rounded to whole numbers if the field accepts only those.
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

impl JsonSchema for SweepEntry {
    fn schema_name() -> Cow<'static, str> {
        "Sweep".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                {"type": "array", "minItems": 1, "uniqueItems": true, "description": "The values."},
                {
                    "type": "string",
                    "pattern": RANGE_PATTERN,
                    "examples": ["1ms..1s"],
                    "description": "Five values of a range.",
                },
                RangeEntry::json_schema(generator),
            ],
        })
    }
}

/// Two ends with `..` between them.
const RANGE_PATTERN: &str = r"^.+\.\..+$";

/// Values between two ends.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RangeEntry {
    /// The two ends, with `..` between them.
    #[schemars(extend("pattern" = RANGE_PATTERN, "examples" = ["0..0.2"]))]
    range: String,
    /// Number of values.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 1_000))]
    steps: u32,
    /// Spacing of the values between the ends.
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
            .ok_or_else(|| format!("`{range}` is not a range; write it like \"1ms..1s\" or \"0..0.2\""))?;
        let (low, high) = (Quantity::parse(low)?, Quantity::parse(high)?);
        if matches!(low, Quantity::Time(_)) != matches!(high, Quantity::Time(_)) {
            return Err(format!("`{range}` begins with a number and ends with a time, or the other way"));
        }
        if !(2..=1_000).contains(steps) {
            return Err(format!("{steps} steps are not possible; use 2 to 1000"));
        }
        if *scale == Scale::Log && (low.as_f64() <= 0.0 || high.as_f64() <= 0.0) {
            return Err(format!("`{range}` cannot be taken in equal ratios, as an end is not above zero"));
        }
        let last = f64::from(steps - 1);
        let step = |step: u32| low.interpolate(high, f64::from(step) / last, *scale).value();
        Ok(SweepEntry::Range { values: (0..*steps).map(step).collect(), range: self.range })
    }
}

/// The first value of a list that repeats an earlier one; 1 and 1.0 are equal.
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
    use serde_json::json;

    use super::*;

    fn accepted_by(entry: Value, is_accepted: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let entry = serde_json::from_value::<SweepEntry>(entry).map_err(|error| error.to_string())?;
        entry.values(is_accepted).map(Value::from)
    }

    fn values(entry: Value) -> Result<Value, String> {
        accepted_by(entry, |_| true)
    }

    #[test]
    fn a_range_has_linear_or_logarithmic_steps() {
        assert_eq!(values(json!("0..0.2")).unwrap(), json!([0, 0.05, 0.1, 0.15, 0.2]));
        let log = json!({"range": "1ms..1s", "steps": 4, "scale": "log"});
        assert_eq!(values(log).unwrap(), json!(["1ms", "10ms", "100ms", "1s"]));
        assert_eq!(values(json!({"range": "10..50", "steps": 3})).unwrap(), json!([10, 30, 50]));
        assert_eq!(values(json!([1, "all"])).unwrap(), json!([1, "all"]));
    }

    #[test]
    fn whole_bounds_give_fractions_if_the_field_accepts_them() {
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
        // Values that the field accepts in neither form stay unchanged.
        assert_eq!(accepted_by(json!("0..1"), |_| false).unwrap()[1], json!(0.25));
    }

    #[test]
    fn invalid_ranges_are_rejected() {
        for (entry, said) in [
            (json!("1ms"), "is not a range"),
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
