//! Targets of faults.

use wasmote_mqtt::device_id::Identity;

use crate::digest::{Digest, Encode};

/// Pattern for device names, with `*` for any sequence of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Creates a pattern from any text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The pattern that matches every name.
    pub fn everything() -> Self {
        Self::new("*")
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else {
            return self.0 == name;
        };
        let Some(mut name) = name.strip_prefix(head) else {
            return false;
        };
        // Each middle part matches as early as possible; the last one must match the end.
        let mut parts = rest.split('*').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return name.ends_with(part);
            }
            match name.find(part) {
                Some(at) => name = &name[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}

impl Encode for Pattern {
    fn encode(&self, into: &mut Digest) {
        into.write_bytes(self.0.as_bytes());
    }
}

/// Target of a fault: all devices, a group, or devices whose names match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Only devices of this group.
    pub group: Option<String>,
    /// Only devices whose names match.
    pub device: Option<Pattern>,
}

impl Target {
    /// Whether a device is included.
    pub fn includes(&self, identity: &Identity) -> bool {
        self.group.as_ref().is_none_or(|group| **group == *identity.group)
            && self.device.as_ref().is_none_or(|device| device.matches(identity.id.as_str()))
    }

    /// Pattern for the same devices as senders, which are known only by name: devices of a group are called
    /// `<group>-<n>`.
    pub(super) fn as_sender(&self) -> Pattern {
        match (&self.device, &self.group) {
            (Some(device), _) => device.clone(),
            (None, Some(group)) => Pattern::new(format!("{group}-*")),
            (None, None) => Pattern::everything(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_sequence_of_characters() {
        for (pattern, name, fits) in [
            ("west-*", "west-12", true),
            ("west-*", "east-12", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*-1", "west-1-1", true),
            ("exact", "exactly", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), fits, "{pattern} {name}");
        }
    }
}
