//! Names and identities of devices.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Name of a device: unique in the fleet, one topic level, and by default the MQTT client identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[A-Za-z0-9._-]{1,128}$"))]
pub struct DeviceId(Arc<str>);

/// Longest name. Longer ones would make topics hard to read, and some brokers refuse them.
pub const MAX_ID_LENGTH: usize = 128;

/// An invalid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` cannot name a device or a group: use 1 to {MAX_ID_LENGTH} letters, digits, `-`, `_` or `.`"
)]
pub struct InvalidId {
    /// The rejected text.
    pub found: String,
}

impl DeviceId {
    /// Parses a name: letters, digits, `-`, `_` and `.`, at most [`MAX_ID_LENGTH`] characters.
    pub fn new(name: &str) -> Result<Self, InvalidId> {
        if is_name(name) { Ok(Self(name.into())) } else { Err(InvalidId { found: name.into() }) }
    }

    /// Parses a name that a user gives to one device: letters and digits of every script, and `-`, `_`, `.`, `:`, `@`,
    /// `=` and `~`, at most [`MAX_ID_LENGTH`] bytes. Such a name is one topic level, and it is safe in a line of a log
    /// and as the name of a file.
    pub fn exact(name: &str) -> Result<Self, InvalidDeviceName> {
        let is_valid = (1..=MAX_ID_LENGTH).contains(&name.len()) && name.chars().all(is_name_char);
        if is_valid { Ok(Self(name.into())) } else { Err(InvalidDeviceName { found: name.into() }) }
    }

    /// The name for a device with this client identifier: the identifier itself if it is a valid name. Otherwise `_`
    /// replaces every character that a name cannot have, and a hash replaces the end of a long one.
    pub fn from_client_id(client_id: &str) -> Self {
        let name: String = client_id.chars().map(|c| if is_name_char(c) { c } else { '_' }).collect();
        match name.len() {
            0 => Self("_".into()),
            1..=MAX_ID_LENGTH => Self(name.into()),
            _ => {
                let mut end = MAX_ID_LENGTH - HASH_DIGITS - 1;
                while !name.is_char_boundary(end) {
                    end -= 1;
                }
                Self(format!("{}~{:0HASH_DIGITS$x}", &name[..end], fnv1a(client_id)).into())
            }
        }
    }

    /// Reserved name for random streams that the whole fleet shares. No device has this name.
    pub fn whole_fleet() -> Self {
        Self("/".into())
    }

    /// Reserved name for validation without a device.
    pub fn for_check() -> Self {
        Self("check".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Digits of the hash at the end of a long name.
const HASH_DIGITS: usize = 16;

/// FNV-1a hash, 64 bits, which is the same on every platform. It does not resist attacks.
pub fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@' | '=' | '~')
}

/// An invalid name of one device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` cannot name a device: use 1 to {MAX_ID_LENGTH} bytes of letters, digits, `-`, `_`, `.`, `:`, `@`, `=` or \
     `~`; a client id can be any text"
)]
pub struct InvalidDeviceName {
    /// The rejected text.
    pub found: String,
}

/// Whether a text is a valid name of a group, or the beginning of its devices' names.
pub fn is_name(text: &str) -> bool {
    (1..=MAX_ID_LENGTH).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for DeviceId {
    type Error = InvalidId;

    fn try_from(name: String) -> Result<Self, InvalidId> {
        Self::new(&name)
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.as_str().to_owned()
    }
}

/// Identity of a device in its fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the device, unique in the fleet.
    pub id: DeviceId,
    /// MQTT client identifier, if it is not the name.
    pub client_id: Option<Arc<str>>,
    /// Group of the device.
    pub group: Arc<str>,
    /// Position in the group, from 0.
    pub index: u32,
    /// Devices in the group when the run began.
    pub count: u32,
    /// First levels of every topic of the fleet, without a slash at either end.
    pub topic_root: Arc<str>,
    /// Naming rule for the other devices of the group; `None` if the host does not know their names.
    pub peers: Option<PeerNames>,
}

/// Names of the devices of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerNames {
    /// A rule, which needs less memory than a list: the part of each name before the position, such as `heartbeat-`.
    Numbered(Arc<str>),
    /// The name at each position. All devices of the group share the list.
    Listed(Arc<[DeviceId]>),
}

impl Identity {
    /// Name of the device at a position of this device's group.
    pub fn peer(&self, index: u32) -> Option<String> {
        match self.peers.as_ref().filter(|_| index < self.count)? {
            PeerNames::Numbered(prefix) => Some(format!("{prefix}{index}")),
            PeerNames::Listed(names) => names.get(index as usize).map(ToString::to_string),
        }
    }

    /// MQTT client identifier of the device.
    pub fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or(self.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_topic_level_without_wildcards() {
        for good in ["a", "heartbeat-0", "iot-mqtt-757f69fd8f-5nbgr", "A_b.9"] {
            assert!(DeviceId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "+", "#", "a b", "ü", &"x".repeat(129)] {
            assert!(DeviceId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_name_of_one_device_may_be_an_address_or_any_word() {
        for good in ["aa:bb:cc:dd:ee:ff", "urn:dev:mac:0024befffe804ff1", "Pumpe-Süd", "传感器7", "me@site=3"]
        {
            assert_eq!(DeviceId::exact(good).unwrap().as_str(), good);
            assert_eq!(DeviceId::from_client_id(good).as_str(), good);
        }
        for bad in ["", "a/b", "+", "#", "a b", "a*", "a\u{202e}b", "a\n", "a\\b", &"x".repeat(129)] {
            assert!(DeviceId::exact(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_client_id_has_a_valid_name_and_long_ones_differ() {
        assert_eq!(DeviceId::from_client_id("plant/7 #a").as_str(), "plant_7__a");
        let long = |end: &str| DeviceId::from_client_id(&format!("{}{end}", "ü".repeat(200)));
        assert_ne!(long("1"), long("2"));
        for name in [long("1"), DeviceId::from_client_id(""), DeviceId::from_client_id("\u{1f600}")] {
            assert!(DeviceId::exact(name.as_str()).is_ok(), "{name}");
        }
    }
}
