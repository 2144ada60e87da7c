//! Invariants: rules about messages, connections and states that a run must never break.
//!
//! ```toml
//! [[invariant]]
//! name = "one-holder"
//! check = 'never running and last published "wasmote/+/lock" where $.held == true on 2 devices'
//! ```
//!
//! * [`lexer`] splits the text of a check into tokens with their columns, and [`parser`] reads them as a [`Rule`].
//!   [`syntax`] has the types of rules.
//! * [`message`] gives rules typed access to the JSON of a payload.
//! * [`monitor`] evaluates the rules of a plan on the events of a run, in the time of the run.

pub mod lexer;
pub mod message;
pub mod monitor;
pub mod parser;
pub mod syntax;

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use wasmote_mqtt::device_id::DeviceId;

use syntax::Rule;

/// An invariant of a plan.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvariantEntry {
    /// Name in reports.
    pub name: DeviceId,
    /// The rule, such as `never traps`.
    pub check: Check,
    /// Only devices of this group; all devices by default.
    #[serde(default)]
    pub group: Option<String>,
}

/// A rule with its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The text as written.
    pub text: String,
    /// The rule that it states.
    pub rule: Rule,
}

impl FromStr for Check {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = parser::parse(text).map_err(|error| error.describe(text))?;
        Ok(Self { text: text.trim().to_owned(), rule })
    }
}

impl<'de> Deserialize<'de> for Check {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Check {
    fn schema_name() -> Cow<'static, str> {
        "Check".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A rule that begins with `always`, `never`, `eventually within` or `after`.",
            "type": "string",
            "pattern": r"^\s*(always|never|eventually|after)\s",
            "examples": [
                "never traps",
                "never running and last published \"wasmote/+/lock\" where $.held == true on 2 devices",
                "after connects, eventually within 5s retained \"wasmote/{device}/state\" == \"online\" unless disconnects",
            ],
        })
    }
}
