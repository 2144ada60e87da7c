//! The table `[group.identity]`, and its flags.

use std::borrow::Cow;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::mac::MacAddress;

/// Names, client ids and credentials of the devices of a group. Paths in a file are relative to its folder. Templates have
/// placeholders such as `{index:06}`.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityOptions {
    /// The exact client ids of the devices: a file with one a line, or a list
    #[arg(
        long,
        help = "File with the exact client ids of the devices, one a line; it also sets the number of devices",
        env = "WASMOTE_NAMES",
        value_name = "FILE",
        help_heading = "Identity"
    )]
    pub names: Option<Names>,

    /// Template of the devices' names and client ids, such as sn-{index:06} or {mac} [default: the group, `-` and the
    /// number]
    #[arg(long, env = "WASMOTE_NAME", value_name = "TEMPLATE", help_heading = "Identity")]
    pub name: Option<String>,

    /// Number of the first device, for {index} [default: 0]
    #[arg(long, env = "WASMOTE_FIRST_INDEX", value_name = "N", help_heading = "Identity")]
    pub first_index: Option<u64>,

    /// MAC address of the first device, for {mac} [default: 02:00:00:00:00:00]
    #[arg(long, env = "WASMOTE_FIRST_MAC", value_name = "MAC", help_heading = "Identity")]
    pub first_mac: Option<MacAddress>,

    /// Template of the client ids, if they are not the names
    #[arg(long, env = "WASMOTE_CLIENT_ID", value_name = "TEMPLATE", help_heading = "Identity")]
    pub client_id: Option<String>,

    /// CSV file with a header and a row for each device: `name`, `client_id`, and columns for templates
    #[arg(
        id = "identity_file",
        long = "identity-file",
        env = "WASMOTE_IDENTITY_FILE",
        value_name = "FILE",
        help_heading = "Identity"
    )]
    pub file: Option<PathBuf>,
}

/// The exact client ids of devices.
#[derive(Clone, Debug, PartialEq)]
pub enum Names {
    /// A file with one a line.
    File(PathBuf),
    /// The client ids.
    List(Vec<NameEntry>),
}

/// A device of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum NameEntry {
    /// The client id, from which the name follows.
    ClientId(String),
    /// Both.
    Both {
        /// The name.
        name: String,
        /// The client id.
        client_id: String,
    },
}

impl FromStr for Names {
    type Err = Infallible;

    fn from_str(path: &str) -> Result<Self, Infallible> {
        Ok(Self::File(path.into()))
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a file's name, or a list of client ids")]
        enum Written {
            File(PathBuf),
            List(Vec<NameEntry>),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::File(path) => Self::File(path),
            Written::List(names) => Self::List(names),
        })
    }
}

impl JsonSchema for Names {
    fn schema_name() -> Cow<'static, str> {
        "Names".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A file with one client id a line, or a list of client ids.",
            "oneOf": [{"type": "string"}, generator.subschema_for::<Vec<NameEntry>>()],
        })
    }
}

impl IdentityOptions {
    /// The fields with their flags, and whether they are set.
    fn fields(&self) -> [(&'static str, &'static str, bool); 6] {
        [
            ("names", "--names", self.names.is_some()),
            ("name", "--name", self.name.is_some()),
            ("first_index", "--first-index", self.first_index.is_some()),
            ("first_mac", "--first-mac", self.first_mac.is_some()),
            ("client_id", "--client-id", self.client_id.is_some()),
            ("file", "--identity-file", self.file.is_some()),
        ]
    }

    /// The flag of a field if it is set.
    pub fn flag_of(&self, field: &str) -> Option<&'static str> {
        let mut fields = self.fields().into_iter();
        fields.find_map(|(name, flag, is_set)| (name == field && is_set).then_some(flag))
    }

    /// The flags that are set, for errors.
    pub fn flags(&self) -> String {
        let set = self.fields().into_iter().filter(|(_, _, is_set)| *is_set);
        set.map(|(_, flag, _)| flag).collect::<Vec<_>>().join(", ")
    }

    /// Whether a text is the name of a field.
    pub fn is_field(text: &str) -> bool {
        Self::default().fields().iter().any(|(name, ..)| *name == text)
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The options with paths that are relative to this folder.
    pub fn in_folder(mut self, folder: &Path) -> Self {
        if let Some(Names::File(path)) = &mut self.names {
            *path = folder.join(&path);
        }
        self.file = self.file.map(|path| folder.join(path));
        self
    }

    /// These options, and `others` where they have none.
    pub fn or(self, others: Self) -> Self {
        Self {
            names: self.names.or(others.names),
            name: self.name.or(others.name),
            first_index: self.first_index.or(others.first_index),
            first_mac: self.first_mac.or(others.first_mac),
            client_id: self.client_id.or(others.client_id),
            file: self.file.or(others.file),
        }
    }
}
