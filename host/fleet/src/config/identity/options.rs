//! The table `[group.identity]`, and its flags.

use std::borrow::Cow;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::mac::MacAddress;
use crate::config::values::SecretText;

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

    /// Folder with the files of each device: NAME.crt and NAME.key, NAME.username, NAME.password or NAME.token
    #[arg(
        id = "identity_folder",
        long = "identity-folder",
        env = "WASMOTE_IDENTITY_FOLDER",
        value_name = "DIR",
        help_heading = "Identity"
    )]
    pub folder: Option<PathBuf>,

    /// Template of the devices' user names for the broker
    #[arg(
        id = "device_user",
        long = "device-user",
        env = "WASMOTE_DEVICE_USER",
        value_name = "TEMPLATE",
        help_heading = "Identity"
    )]
    pub username: Option<String>,

    /// Template of the devices' passwords; the environment or a file keeps it from other users of this machine
    #[arg(
        id = "device_password",
        long = "device-password",
        env = "WASMOTE_DEVICE_PASSWORD",
        value_name = "TEMPLATE",
        help_heading = "Identity"
    )]
    pub password: Option<SecretText>,

    /// Template of the files that hold the devices' passwords
    #[arg(
        id = "device_password_file",
        long = "device-password-file",
        env = "WASMOTE_DEVICE_PASSWORD_FILE",
        value_name = "TEMPLATE",
        help_heading = "Identity"
    )]
    pub password_file: Option<String>,

    /// Template of the devices' tokens, which are sent as passwords
    #[arg(
        id = "device_token",
        long = "device-token",
        env = "WASMOTE_DEVICE_TOKEN",
        value_name = "TEMPLATE",
        help_heading = "Identity"
    )]
    pub token: Option<SecretText>,

    /// Template of the files that hold the devices' tokens
    #[arg(
        id = "device_token_file",
        long = "device-token-file",
        env = "WASMOTE_DEVICE_TOKEN_FILE",
        value_name = "TEMPLATE",
        help_heading = "Identity"
    )]
    pub token_file: Option<String>,

    /// Field of MQTT that holds the token [default: password]
    #[arg(
        id = "device_token_as",
        long = "device-token-as",
        env = "WASMOTE_DEVICE_TOKEN_AS",
        value_name = "FIELD",
        help_heading = "Identity"
    )]
    pub token_as: Option<TokenField>,

    /// Template of the files with the devices' certificates, as PEM
    #[arg(
        id = "device_cert",
        long = "device-cert",
        env = "WASMOTE_DEVICE_CERT",
        value_name = "TEMPLATE",
        help_heading = "Identity"
    )]
    pub certificate: Option<String>,

    /// Template of the files with the certificates' keys, as PEM [default: in the file of the certificate]
    #[arg(
        id = "device_key",
        long = "device-key",
        env = "WASMOTE_DEVICE_KEY",
        value_name = "TEMPLATE",
        help_heading = "Identity"
    )]
    pub key: Option<String>,

    /// Use certificates that have expired, or are not valid yet, to see what the broker says
    #[arg(
        long,
        env = "WASMOTE_ALLOW_EXPIRED",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Identity"
    )]
    pub allow_expired: Option<bool>,
}

/// Field of MQTT that holds a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenField {
    /// The password.
    #[default]
    Password,
    /// The user name.
    Username,
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
#[serde(untagged, deny_unknown_fields)]
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

/// Fields that name devices.
const NAMING: [&str; 5] = ["names", "name", "first_index", "first_mac", "client_id"];
/// Beginning of a certificate or key that stands in a value itself.
pub(super) const PEM: &str = "-----BEGIN";

impl IdentityOptions {
    /// The first field that names devices, if one is set.
    pub fn naming_field(&self) -> Option<&'static str> {
        NAMING.into_iter().find(|field| self.flag_of(field).is_some())
    }

    /// Whether a field names devices, without a CSV file.
    pub fn names_devices(field: &str) -> bool {
        NAMING.contains(&field)
    }

    /// The first secret that stands in the options themselves and not in a file.
    pub fn inline_secret(&self) -> Option<&'static str> {
        ["password", "token"].into_iter().find(|field| self.flag_of(field).is_some())
    }

    /// The fields with their flags, and whether they are set.
    fn fields(&self) -> [(&'static str, &'static str, bool); 16] {
        [
            ("names", "--names", self.names.is_some()),
            ("name", "--name", self.name.is_some()),
            ("first_index", "--first-index", self.first_index.is_some()),
            ("first_mac", "--first-mac", self.first_mac.is_some()),
            ("client_id", "--client-id", self.client_id.is_some()),
            ("file", "--identity-file", self.file.is_some()),
            ("folder", "--identity-folder", self.folder.is_some()),
            ("username", "--device-user", self.username.is_some()),
            ("password", "--device-password", self.password.is_some()),
            ("password_file", "--device-password-file", self.password_file.is_some()),
            ("token", "--device-token", self.token.is_some()),
            ("token_file", "--device-token-file", self.token_file.is_some()),
            ("token_as", "--device-token-as", self.token_as.is_some()),
            ("certificate", "--device-cert", self.certificate.is_some()),
            ("key", "--device-key", self.key.is_some()),
            ("allow_expired", "--allow-expired", self.allow_expired.is_some()),
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
        self.folder = self.folder.map(|path| folder.join(path));
        // Braces in the folder's own name are no placeholders.
        let own = folder.display().to_string().replace('{', "{{").replace('}', "}}");
        for path in [&mut self.password_file, &mut self.token_file, &mut self.certificate, &mut self.key] {
            *path = path.take().map(|path| match path.trim_start().starts_with(PEM) {
                true => path,
                false => Path::new(&own).join(path).display().to_string(),
            });
        }
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
            folder: self.folder.or(others.folder),
            username: self.username.or(others.username),
            password: self.password.or(others.password),
            password_file: self.password_file.or(others.password_file),
            token: self.token.or(others.token),
            token_file: self.token_file.or(others.token_file),
            token_as: self.token_as.or(others.token_as),
            certificate: self.certificate.or(others.certificate),
            key: self.key.or(others.key),
            allow_expired: self.allow_expired.or(others.allow_expired),
        }
    }
}
