//! Seeds of an experiment's runs.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, SeqAccess, Visitor, value};
use serde::{Deserialize, Deserializer};

/// Seeds, with one run for each. Written as a list, as a count, or as `{ count = 5, base = 100 }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

impl Default for Seeds {
    fn default() -> Self {
        Self::count(1, 1)
    }
}

/// Maximum number of seeds, against typing errors.
const MAX_RUNS: u64 = 100_000;

impl Seeds {
    /// `count` consecutive seeds, starting at `base`.
    pub fn count(count: u64, base: u64) -> Self {
        Self((0..count).map(|n| base.wrapping_add(n)).collect())
    }

    fn checked<E: serde::de::Error>(count: u64, base: u64) -> Result<Self, E> {
        match count {
            1..=MAX_RUNS => Ok(Self::count(count, base)),
            _ => Err(E::custom(format!("{count} runs are not possible; use 1 to {MAX_RUNS}"))),
        }
    }
}

impl JsonSchema for Seeds {
    fn schema_name() -> Cow<'static, str> {
        "Seeds".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": true},
                {"type": "integer", "minimum": 1, "maximum": MAX_RUNS},
                Counted::json_schema(generator),
            ],
        })
    }
}

/// A number of seeds in a row.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Counted {
    /// Number of seeds.
    #[schemars(range(min = 1, max = MAX_RUNS))]
    count: u64,
    /// The first seed.
    #[serde(default = "one")]
    base: u64,
}

fn one() -> u64 {
    1
}

impl<'de> Deserialize<'de> for Seeds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SeedsVisitor)
    }
}

struct SeedsVisitor;

impl<'de> Visitor<'de> for SeedsVisitor {
    type Value = Seeds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of seeds, a number of runs, or { count = 5, base = 100 }")
    }

    fn visit_u64<E: serde::de::Error>(self, count: u64) -> Result<Seeds, E> {
        Seeds::checked(count, 1)
    }

    fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<Seeds, E> {
        Seeds::checked(u64::try_from(count).unwrap_or(0), 1)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Seeds, A::Error> {
        let seeds = Vec::<u64>::deserialize(value::SeqAccessDeserializer::new(list))?;
        let twice = seeds.iter().enumerate().find(|(at, seed)| seeds[..*at].contains(seed));
        match (seeds.len(), twice) {
            (0, _) => Err(serde::de::Error::custom("the list is empty; write at least one seed")),
            (_, Some((_, seed))) => Err(serde::de::Error::custom(format!("{seed} is listed twice"))),
            _ => Ok(Seeds(seeds)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Seeds, A::Error> {
        let Counted { count, base } = Counted::deserialize(value::MapAccessDeserializer::new(map))?;
        Seeds::checked(count, base)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seeds_are_a_list_or_a_count_from_a_base() {
        let read = |value| serde_json::from_value::<Seeds>(value).map(|seeds| seeds.0);
        assert_eq!(read(json!([7, 3])).unwrap(), [7, 3]);
        assert_eq!(read(json!(3)).unwrap(), [1, 2, 3]);
        assert_eq!(read(json!({"count": 2, "base": 100})).unwrap(), [100, 101]);
        assert!(read(json!([])).unwrap_err().to_string().contains("empty"));
        assert!(read(json!([1, 1])).unwrap_err().to_string().contains("twice"));
        assert!(read(json!(0)).is_err());
    }
}
