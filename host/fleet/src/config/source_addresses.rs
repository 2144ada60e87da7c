//! Source addresses of connections: `127.0.0.2`, or `127.0.0.2-127.0.0.9` for a range.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::value_schema::value_schema;

/// A range of addresses of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SourceAddresses {
    first: IpAddr,
    /// Number of addresses; at least 1.
    count: u16,
}

value_schema!(SourceAddresses, {
    "description": "An IP address, or a range of them from the first to the last.",
    "type": "string",
    "pattern": "^\\s*[0-9A-Fa-f.:]+\\s*(-\\s*[0-9A-Fa-f.:]+\\s*)?$",
    "examples": ["10.0.0.5", "10.0.0.5-10.0.0.8"],
});

/// Limit of a range; no machine has more addresses.
const MAX_ADDRESSES: u128 = 4_096;

impl SourceAddresses {
    /// All addresses of the range.
    pub fn all(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let first = self.first;
        (0..self.count).map(move |offset| match first {
            IpAddr::V4(first) => Ipv4Addr::from(u32::from(first).saturating_add(offset.into())).into(),
            IpAddr::V6(first) => Ipv6Addr::from(u128::from(first).saturating_add(offset.into())).into(),
        })
    }
}

impl FromStr for SourceAddresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = |text: &str| {
            let address = text.trim().parse::<IpAddr>();
            address.map_err(|_| {
                format!("`{text}` is no address; use one such as 10.0.0.5, or 10.0.0.5-10.0.0.8")
            })
        };
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (address(first)?, address(last)?),
            None => (address(text)?, address(text)?),
        };
        let distance = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                u32::from(last).checked_sub(first.into()).map(u128::from)
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => u128::from(last).checked_sub(first.into()),
            _ => {
                return Err(format!(
                    "`{text}` goes from IPv4 to IPv6 or back; name both as addresses of one kind"
                ));
            }
        };
        let distance = distance
            .ok_or_else(|| format!("`{text}` ends before it begins; name the lower address first"))?;
        match u16::try_from(distance) {
            Ok(last_offset) if distance < MAX_ADDRESSES => Ok(Self { first, count: last_offset + 1 }),
            _ => Err(format!(
                "`{text}` has {} addresses; the maximum is {MAX_ADDRESSES}",
                distance.saturating_add(1)
            )),
        }
    }
}

impl TryFrom<String> for SourceAddresses {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        text.parse::<SourceAddresses>().unwrap().all().map(|address| address.to_string()).collect()
    }

    #[test]
    fn one_address_or_a_range() {
        assert_eq!(shown("10.0.0.5"), ["10.0.0.5"]);
        assert_eq!(shown("127.0.0.255-127.0.1.1"), ["127.0.0.255", "127.0.1.0", "127.0.1.1"]);
        assert_eq!(shown("fd00::1-fd00::2"), ["fd00::1", "fd00::2"]);
    }

    #[test]
    fn an_invalid_range_is_an_error() {
        for (text, expected) in [
            ("broker", "is no address"),
            ("10.0.0.5-", "is no address"),
            ("10.0.0.5-::1", "one kind"),
            ("10.0.0.5-10.0.0.4", "ends before it begins"),
            ("10.0.0.0-10.1.0.0", "has 65537 addresses; the maximum is 4096"),
            ("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "the maximum is 4096"),
        ] {
            let problem = text.parse::<SourceAddresses>().unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
