//! MAC addresses as names of devices.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::config::value_schema::value_schema;

/// A MAC address of 48 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacAddress(u64);

value_schema!(MacAddress, {
    "description": "A MAC address of 48 bits.",
    "type": "string",
    "pattern": "^[0-9A-Fa-f]{2}([:-]?[0-9A-Fa-f]{2}){5}$",
    "examples": ["02:00:00:00:00:00"],
});

/// Number of digits of an address.
const DIGITS: usize = 12;

impl MacAddress {
    /// The address after this one by `offset`; `None` after the last one.
    pub fn plus(self, offset: u64) -> Option<Self> {
        self.0.checked_add(offset).filter(|address| address >> 48 == 0).map(Self)
    }

    /// The address with a separator between its bytes.
    pub fn format(self, separator: &str) -> String {
        let bytes = self.0.to_be_bytes();
        bytes[2..].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(separator)
    }
}

/// The first address that is administered locally, so that it belongs to no manufacturer.
impl Default for MacAddress {
    fn default() -> Self {
        Self(0x0200_0000_0000)
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(":"))
    }
}

impl FromStr for MacAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
        let is_hex = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        match u64::from_str_radix(&digits, 16) {
            Ok(address) if is_hex => Ok(Self(address)),
            _ => Err(format!(
                "`{text}` is no MAC address; write its six bytes in hexadecimal, such as 02:00:00:00:00:00"
            )),
        }
    }
}

impl<'de> Deserialize<'de> for MacAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_up_to_the_last_one() {
        let first: MacAddress = "00:1B:44:11:3A:FF".parse().unwrap();
        assert_eq!(first.plus(1).unwrap().to_string(), "00:1b:44:11:3b:00");
        assert_eq!(first.plus(0).unwrap().format("-"), "00-1b-44-11-3a-ff");
        assert_eq!("ff-ff-ff-ff-ff-ff".parse::<MacAddress>().unwrap().plus(1), None);
        assert_eq!("001b.4411.3aff".parse(), Ok(first));
        for invalid in ["", "00:1b:44:11:3a", "00:1b:44:11:3a:zz", "+0:1b:44:11:3a:ff"] {
            assert!(invalid.parse::<MacAddress>().unwrap_err().contains("is no MAC address"), "{invalid}");
        }
    }
}
