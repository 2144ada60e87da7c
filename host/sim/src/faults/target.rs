//! Whom a fault is for.

use wasmote_mqtt::device_id::Identity;

/// A device's name with `*` for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Any text is a pattern.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Matches every name.
    pub fn everything() -> Self {
        Self::new("*")
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name fits.
    pub fn matches(&self, name: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else {
            return self.0 == name;
        };
        let Some(mut name) = name.strip_prefix(head) else {
            return false;
        };
        // Each middle part is taken as early as it can be; the last one has to close the name.
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

/// The devices that a fault is for: all of them, a group, or those whose names fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Only this group.
    pub group: Option<String>,
    /// Only devices whose names fit.
    pub device: Option<Pattern>,
}

impl Target {
    /// Whether a device is among them.
    pub fn includes(&self, identity: &Identity) -> bool {
        self.group.as_ref().is_none_or(|group| **group == *identity.group)
            && self.device.as_ref().is_none_or(|device| device.matches(identity.id.as_str()))
    }

    /// The same devices as senders, known by name alone: a group's devices are called `<group>-<n>`.
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
    fn a_star_stands_for_any_run_of_characters() {
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
