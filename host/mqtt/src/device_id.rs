//! Names of devices and groups.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a device: unique in the fleet, one level of a topic, and its MQTT client id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(Arc<str>);

/// The longest name: longer ones would make topics hard to read and some brokers refuse them.
pub const MAX_ID_LENGTH: usize = 128;

/// A name that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` cannot name a device or a group: use 1 to {MAX_ID_LENGTH} letters, digits, `-`, `_` or `.`"
)]
pub struct InvalidId {
    /// What was given.
    pub found: String,
}

impl DeviceId {
    /// Check a name. Letters, digits, `-`, `_` and `.`, at most [`MAX_ID_LENGTH`] of them.
    pub fn new(name: &str) -> Result<Self, InvalidId> {
        if is_name(name) { Ok(Self(name.into())) } else { Err(InvalidId { found: name.into() }) }
    }

    /// Stands for all devices where something is drawn once for the whole fleet. No device has this name.
    pub fn whole_fleet() -> Self {
        Self("/".into())
    }

    /// Stands for no device, where something is only tried.
    pub fn for_check() -> Self {
        Self("check".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text can name a device or a group.
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

/// Who a device is in its fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Unique in the fleet.
    pub id: DeviceId,
    /// The group it belongs to.
    pub group: Arc<str>,
    /// Position in the group, from 0.
    pub index: u32,
    /// Devices in the group when the run began.
    pub count: u32,
    /// First levels of every topic of the fleet, without a slash at either end.
    pub topic_root: Arc<str>,
    /// How the host names the others of the group; `None` where it does not know them.
    pub peers: Option<PeerNames>,
}

/// The names of a group's devices, as a rule instead of a list that every device would hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerNames {
    /// What stands before the position, such as `heartbeat-`.
    pub prefix: Arc<str>,
}

impl Identity {
    /// The name of the device at a position of this device's group.
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
