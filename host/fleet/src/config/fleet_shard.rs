//! Shards of a fleet that is too large for one process.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::value_schema::value_schema;

/// One of several equal shards, written `2/6`. Devices are assigned in turn, so that every shard has its share of each
/// group. Names, numbers and random streams are those of the whole fleet: all shards together behave like one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetShard {
    /// Number of the shard, from 0.
    index: u32,
    total: u32,
}

value_schema!(FleetShard, {
    "description": "One of several equal parts of a fleet, as PART/PARTS.",
    "type": "string",
    "pattern": "^[1-9]\\d*/[1-9]\\d*$",
    "examples": ["2/6"],
});

impl FleetShard {
    /// True if the device at this position of the whole fleet belongs to the shard.
    pub fn contains(self, position: usize) -> bool {
        position % self.total as usize == self.index as usize
    }

    /// The number of a fleet's devices that belong to the shard.
    pub fn device_count(self, devices: usize) -> usize {
        devices.saturating_sub(self.index as usize).div_ceil(self.total as usize)
    }

    /// True if the shard is the whole fleet.
    pub fn is_whole(self) -> bool {
        self.total == 1
    }
}

impl Default for FleetShard {
    fn default() -> Self {
        Self { index: 0, total: 1 }
    }
}

impl fmt::Display for FleetShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.total)
    }
}

impl FromStr for FleetShard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(part, total)| Some((part.parse().ok()?, total.parse().ok()?)));
        match parts {
            Some((part @ 1.., total)) if part <= total => Ok(Self { index: part - 1, total }),
            _ => Err(format!(
                "`{text}` is not a part of a fleet; use PART/PARTS, such as 2/6 for the second of six"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_hold_every_device_once() {
        for devices in [1, 5, 6, 100] {
            let shards: Vec<FleetShard> = (1..=6).map(|part| format!("{part}/6").parse().unwrap()).collect();
            for position in 0..devices {
                assert_eq!(shards.iter().filter(|shard| shard.contains(position)).count(), 1);
            }
            for shard in &shards {
                assert_eq!(
                    shard.device_count(devices),
                    (0..devices).filter(|position| shard.contains(*position)).count(),
                    "{shard}"
                );
            }
        }
        assert!((0..9).all(|position| FleetShard::default().contains(position)));
    }

    #[test]
    fn an_invalid_shard_is_an_error_with_an_example() {
        for text in ["0/6", "7/6", "2", "2/0", "/", "a/b", "-1/2"] {
            assert!(text.parse::<FleetShard>().unwrap_err().contains("2/6"), "{text}");
        }
    }
}
