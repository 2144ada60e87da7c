//! Names, quantities and images that are valid in Kubernetes.

use std::fmt;
use std::str::FromStr;

/// A valid name of any object: an RFC 1123 label, which has at most 63 characters of a-z, 0-9 and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Maximum length of a name.
    pub const MAX_LEN: usize = 63;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Creates the closest valid name to a text, such as the name of a group or of a file.
    pub fn sanitized(text: &str) -> Option<Self> {
        let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String = text.chars().map(legal).collect();
        name.trim_matches('-').parse().ok()
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let inside = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if inside && edge(text.chars().next()) && edge(text.chars().last()) && text.len() <= Self::MAX_LEN {
            return Ok(Self(text.into()));
        }
        Err(format!(
            "`{text}` is not a valid name in Kubernetes: use 1 to {} of a-z, 0-9 and `-`, with a letter or digit \
             at both ends (RFC 1123)",
            Self::MAX_LEN
        ))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An amount of processor time or memory, such as `100m` or `64Mi`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    text: String,
    value: f64,
}

impl Quantity {
    /// One processor, or one byte.
    pub fn one() -> Self {
        Self { text: "1".to_owned(), value: 1.0 }
    }

    /// An amount of memory of at least this many bytes, in multiples of 16 MiB.
    pub fn memory(bytes: u64) -> Self {
        let mebibytes = bytes.div_ceil(16 << 20).max(1) * 16;
        Self { text: format!("{mebibytes}Mi"), value: mebibytes as f64 * 1_048_576.0 }
    }

    /// The quantity in the notation of Kubernetes.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The quantity in processors or bytes.
    pub fn value(&self) -> f64 {
        self.value
    }
}

/// Units with their factors.
const UNITS: [(&str, f64); 10] = [
    ("", 1.0),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("Ki", 1_024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
];

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let value = number.parse::<f64>().ok().zip(known).map(|(number, (_, factor))| number * factor);
        if let Some(value) = value.filter(|value| *value > 0.0 && value.is_finite()) {
            return Ok(Self { text: text.into(), value });
        }
        Err(format!(
            "`{text}` is not an amount above zero; write memory like 64Mi, and processors like 100m or 0.5"
        ))
    }
}

/// A reference to an image in a registry. It may contain placeholders such as `${NAME}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image(String);

impl Image {
    /// The reference of this program's image as `docker build -t` makes it by the README, without a registry.
    pub const DEFAULT: &str = concat!("wasmote:", env!("CARGO_PKG_VERSION"));

    /// The reference as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if the reference has no owner, so that no registry has the image and it must be loaded into the nodes.
    pub fn is_local(&self) -> bool {
        !self.0.contains('/')
    }
}

/// Policy by which the kubelet pulls the program's image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// If the node does not have it: an image that was loaded into the node is used.
    #[default]
    IfNotPresent,
    /// At each start of a pod: for a tag that is pushed again and again.
    Always,
    /// Not at all: the image must be loaded into the node.
    Never,
}

impl PullPolicy {
    /// The name in Kubernetes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IfNotPresent => "IfNotPresent",
            Self::Always => "Always",
            Self::Never => "Never",
        }
    }
}

impl FromStr for Image {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_./:@${}".contains(c);
        let edges =
            !text.starts_with(['/', ':', '-', '.', '@']) && !text.ends_with(['/', ':', '-', '.', '@']);
        if !text.is_empty() && text.chars().all(legal) && edges && !text.contains("//") {
            return Ok(Self(text.into()));
        }
        Err(format!("`{text}` is not an image; write it like docker.io/me/wasmote:0.1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels_of_rfc_1123() {
        for valid in ["a", "iot-sensor", "9lives", &"x".repeat(63)] {
            assert!(valid.parse::<Name>().is_ok(), "{valid}");
        }
        for invalid in ["", "-a", "a-", "A", "a_b", "a.b", "ü", "a b", &"x".repeat(64)] {
            assert!(invalid.parse::<Name>().unwrap_err().contains("RFC 1123"), "{invalid}");
        }
        assert_eq!(Name::sanitized("My_Device.v2").unwrap().as_str(), "my-device-v2");
        assert_eq!(Name::sanitized("___"), None);
    }

    #[test]
    fn quantities_have_a_number_and_a_known_unit() {
        for valid in ["64Mi", "0.1", "100m", "1", "2.5Gi"] {
            assert!(valid.parse::<Quantity>().is_ok(), "{valid}");
        }
        assert_eq!("100m".parse::<Quantity>().unwrap().value(), 0.1);
        for invalid in ["", "Mi", "64MB", "-1", "0", "1..2", "64 Mi", "1e3"] {
            assert!(invalid.parse::<Quantity>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn an_image_has_no_spaces_and_no_empty_parts() {
        for valid in
            ["wasmote", "me/wasmote:0.1", "registry.example:5000/a/b@sha256:00ff", "${USER}/wasmote:latest"]
        {
            assert!(valid.parse::<Image>().is_ok(), "{valid}");
        }
        for invalid in ["", "a b", "me//wasmote", ":latest", "wasmote:"] {
            assert!(invalid.parse::<Image>().is_err(), "{invalid}");
        }
    }
}
