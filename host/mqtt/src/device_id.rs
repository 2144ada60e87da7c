//! Names and identities of devices.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Name of a device: unique in the fleet, one topic level, and the MQTT client identifier.
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

/// Whether a text is a valid name of a device or a group.
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

/// Naming rule for the devices of a group. A rule needs less memory than a list in every device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerNames {
    /// Part of the name before the position, such as `heartbeat-`.
    pub prefix: Arc<str>,
}

impl Identity {
    /// Name of the device at a position of this device's group.
    pub fn peer(&self, index: u32) -> Option<String> {
        let names = self.peers.as_ref().filter(|_| index < self.count)?;
        Some(format!("{}{index}", names.prefix))
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
}
