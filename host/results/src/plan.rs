//! `plan.toml`: the plan with the content of all files that it refers to.

use serde_json::Value;

/// Name of the plan's file.
pub const PLAN: &str = "plan.toml";

/// The name of an entry in a list of a plan: a fault's id, a group's name, or else its kind or behaviour.
pub fn entry_name(entry: &Value) -> Option<&str> {
    ["id", "name", "kind", "behaviour"].iter().find_map(|field| entry.get(field)?.as_str())
}
