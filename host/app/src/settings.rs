//! The options of a run with their values and their origins, for `wasmote config show`.
//!
//! * [`file_values`]: values of a configuration file with their lines.

pub mod file_values;

use std::ffi::OsStr;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args as _, Command};
use serde::Serialize;
use wasmote_fleet::config::options::Options;
use wasmote_fleet::document::Format;

use file_values::FileValue;

/// Text in place of a secret.
const HIDDEN: &str = "(hidden)";

/// An option of a run, or a value of the configuration file that no option sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Name in a configuration file.
    pub name: String,
    /// The value, without secrets; `None` if there is neither a value nor a default.
    pub value: Option<String>,
    /// Where the value comes from.
    pub origin: Origin,
    /// Origins with a lower precedence that have a value, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Origin>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// The program.
    Default,
    /// The configuration file.
    File {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// The variable.
        name: String,
    },
    /// The command line.
    Flag {
        /// The flag, or the name of the argument.
        name: String,
    },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Environment { name } | Self::Flag { name } => f.write_str(name),
        }
    }
}

/// The command whose arguments are the options of a run.
pub fn command() -> Command {
    Options::augment_args(Command::new("run"))
}

/// Path in a configuration file of what an option sets; `None` if only flags and variables do.
///
/// An option of a list has the singular as a flag and the plural in a file. A few options set parts of tables.
pub fn field_of(id: &str) -> Option<String> {
    Some(match id {
        "config" | "group" | "http_token" | "help" => return None,
        "device_config" => "config".into(),
        "limit" => "limits".into(),
        "broker_limit" => "broker_limits".into(),
        "fault_model" => "fault_models".into(),
        "allow_host" => "allow_hosts".into(),
        "source_address" => "source_addresses".into(),
        "ws_header" => "ws_headers".into(),
        "http_host" => "http_hosts".into(),
        "names" | "name" | "first_index" | "first_mac" | "client_id" => format!("identity.{id}"),
        "allow_expired" => "identity.allow_expired".into(),
        "device_cert" => "identity.certificate".into(),
        "device_key" => "identity.key".into(),
        "identity_file" => "identity.file".into(),
        "identity_folder" => "identity.folder".into(),
        "device_user" => "identity.username".into(),
        "device_password"
        | "device_password_file"
        | "device_token"
        | "device_token_file"
        | "device_token_as" => {
            format!("identity.{}", &id["device_".len()..])
        }
        _ => id.into(),
    })
}

/// All settings: the options in the order of their help, then the other values of the file.
pub fn settings(matches: &ArgMatches, file: Option<(&Path, Vec<FileValue>)>) -> Vec<Setting> {
    let (path, mut values) = match file {
        Some((path, values)) => (path.display().to_string(), values),
        None => (String::new(), Vec::new()),
    };
    let command = command();
    let mut settings = Vec::new();
    for option in command.get_arguments().filter(|option| option.get_id() != "help") {
        let id = option.get_id().as_str();
        let field = field_of(id);
        let (own, others) = values.into_iter().partition(|value| belongs(&value.path, field.as_deref()));
        values = others;
        settings.extend(setting(option, matches, own, field, &path));
    }
    settings.extend(values.into_iter().map(|value| of_file(value, &path)));
    settings
}

/// True if a value of the file is that of this option, or a part of it.
fn belongs(path: &str, field: Option<&str>) -> bool {
    field
        .and_then(|field| path.strip_prefix(field))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn of_file(value: FileValue, file: &str) -> Setting {
    Setting {
        value: Some(shown(&value.path, &value.text)),
        name: value.path,
        origin: Origin::File { file: file.to_owned(), line: value.line },
        overrides: Vec::new(),
    }
}

/// The settings of one option: one, or one for each value of a table in the file.
fn setting(
    option: &Arg,
    matches: &ArgMatches,
    in_file: Vec<FileValue>,
    field: Option<String>,
    file: &str,
) -> Vec<Setting> {
    let id = option.get_id().as_str();
    let name = field.unwrap_or_else(|| id.to_owned());
    let flag = option.get_long().map_or_else(|| id.to_ascii_uppercase(), |long| format!("--{long}"));
    let given =
        matches.get_raw(id).map(|values| values.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(", "));
    let variable = option.get_env().and_then(OsStr::to_str).map(str::to_owned);
    let is_set =
        variable.as_ref().is_some_and(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let from_variable = || variable.clone().map(|name| Origin::Environment { name });
    let lines = in_file.iter().map(|value| Origin::File { file: file.to_owned(), line: value.line });
    let origin = match matches.value_source(id) {
        Some(ValueSource::CommandLine) => Some(Origin::Flag { name: flag }),
        Some(ValueSource::EnvVariable) => from_variable(),
        _ => None,
    };
    // Values of tables are added to those of the file.
    let is_table = matches!(id, "device_config" | "limit" | "broker_limit" | "fault_model");
    match (origin, given) {
        (Some(origin), Some(value)) => {
            let is_flag = matches!(origin, Origin::Flag { .. });
            let overridden = from_variable().filter(|_| is_flag && is_set);
            let overrides = match is_table {
                true => overridden.into_iter().collect(),
                false => overridden.into_iter().chain(lines).collect(),
            };
            let first = Setting { value: Some(shown(&name, &value)), name, origin, overrides };
            let rest = in_file.into_iter().filter(|_| is_table).map(|value| of_file(value, file));
            std::iter::once(first).chain(rest).collect()
        }
        _ if !in_file.is_empty() => in_file.into_iter().map(|value| of_file(value, file)).collect(),
        _ => {
            vec![Setting { name, value: default_of(option), origin: Origin::Default, overrides: Vec::new() }]
        }
    }
}

/// The default that the help text of an option states.
fn default_of(option: &Arg) -> Option<String> {
    const BEGIN: &str = "[default: ";
    let help = option.get_long_help().or_else(|| option.get_help())?.to_string().replace('\n', " ");
    let begin = help.rfind(BEGIN)? + BEGIN.len();
    let text = help[begin..].split_once(']')?.0;
    (text != "none").then(|| text.to_owned())
}

/// A value without its secrets: passwords, tokens and keys are hidden, and URLs have no user information and no query.
fn shown(name: &str, value: &str) -> String {
    let last = name.rsplit(['.', '[']).next().unwrap_or(name).to_ascii_lowercase();
    let is_path = ["_file", "_folder", "_as"].iter().any(|end| last.ends_with(end));
    let is_secret = ["password", "token", "secret", "api_key", "apikey", "ws_headers"]
        .iter()
        .any(|word| last.contains(word))
        || name.split(['.', '[']).next() == Some("ws_headers");
    match is_secret && !is_path {
        true => HIDDEN.to_owned(),
        // Values of a table on the command line have their names in them.
        false if is_assignment(value) => {
            value.split([',', '\n']).map(str::trim).map(shown_assignment).collect::<Vec<_>>().join(", ")
        }
        false if value.starts_with('{') => shown_object(value),
        false if value.contains("://") => without_credentials(value),
        false => value.to_owned(),
    }
}

/// True if a text begins with a name and an equals sign.
fn is_assignment(text: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_.-[]$".contains(c));
    text.split_once('=').is_some_and(|(name, _)| is_name(name.trim()))
}

/// A JSON object without its secrets.
fn shown_object(text: &str) -> String {
    let Ok(values) = file_values::read(text, Format::Json) else { return HIDDEN.to_owned() };
    let fields = values.iter().map(|value| format!("{}={}", value.path, shown(&value.path, &value.text)));
    fields.collect::<Vec<_>>().join(", ")
}

fn shown_assignment(text: &str) -> String {
    match text.split_once('=') {
        Some((name, value)) if !name.contains(char::is_whitespace) => {
            format!("{name}={}", shown(name, value))
        }
        _ => text.to_owned(),
    }
}

/// A text of URLs without their user information and their queries.
fn without_credentials(value: &str) -> String {
    let mut parts = value.split("://");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || ",\"'".contains(c)).unwrap_or(part.len());
        let (url, rest) = part.split_at(end);
        let host_end = url.find('/').unwrap_or(url.len());
        let begin = url[..host_end].rfind('@').map_or(0, |at| at + 1);
        let hidden = if begin > 0 { "…@" } else { "" };
        let url = match url[begin..].split_once('?') {
            Some((before, _)) => format!("{before}?…"),
            None => url[begin..].to_owned(),
        };
        text.push_str(&format!("://{hidden}{url}{rest}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::schema::File;

    fn of(arguments: &[&str], file: &str) -> Vec<Setting> {
        let matches = command().try_get_matches_from([&["run"][..], arguments].concat()).unwrap();
        let values = file_values::read(file, Format::Toml).unwrap();
        settings(&matches, Some((Path::new("fleet.toml"), values)))
    }

    fn find<'a>(settings: &'a [Setting], name: &str) -> (&'a str, String) {
        let found = settings.iter().find(|setting| setting.name == name);
        let found = found.unwrap_or_else(|| panic!("{name}: {settings:?}"));
        (found.value.as_deref().unwrap_or("-"), found.origin.to_string())
    }

    #[test]
    fn a_value_comes_from_a_flag_a_file_with_its_line_or_the_default() {
        let file = "devices = 3\nbroker = 'mqtt://me:secret@host/?token=secret'\n\n[[group]]\nbehaviour = 'sensor'\n\
                    config = { interval = '1s', password = 'secret' }\n[identity]\npassword = 'secret'\n";
        let all = of(&["--devices", "5", "--broker-password", "secret", "--limit", "timers=5"], file);
        assert_eq!(find(&all, "devices"), ("5", "--devices".into()));
        let devices = all.iter().find(|setting| setting.name == "devices").unwrap();
        assert_eq!(devices.overrides, [Origin::File { file: "fleet.toml".into(), line: 1 }]);
        assert_eq!(find(&all, "broker"), ("'mqtt://…@host/?…'", "fleet.toml:2".into()));
        assert_eq!(find(&all, "faults"), ("realistic", "default".into()));
        assert_eq!(find(&all, "limits"), ("timers=5", "--limit".into()));
        assert_eq!(find(&all, "group[0].behaviour"), ("'sensor'", "fleet.toml:5".into()));
        assert_eq!(find(&all, "group[0].config.interval"), ("'1s'", "fleet.toml:6".into()));
        assert_eq!(find(&all, "seed"), ("drawn and printed", "default".into()));
        assert!(!format!("{all:?}").contains("secret"), "{all:?}");
    }

    #[test]
    fn secrets_of_flags_are_hidden_wherever_they_stand() {
        for arguments in [
            &["--http-token", "s3cr3t-s3cr3t-s3cr3t"][..],
            &["--proxy", "http://me:s3cr3t@proxy:1"],
            &["--ws-header", "Authorization: Bearer s3cr3t"],
            &["--device-password", "s3cr3t-{index}"],
            &["--device-config", "password=s3cr3t"],
            &["--device-config", "upload.url=http://me:s3cr3t@host/"],
            &["--device-config", "interval=1s", "--device-config", "token=s3cr3t://x"],
            &["--device-config", "{\"upload\": {\"password\": \"s3cr3t\"}}"],
            &["--device-config", "interval=1s\npassword=s3cr3t"],
        ] {
            let all = of(arguments, "");
            assert!(!format!("{all:?}").contains("s3cr3t"), "{arguments:?}: {all:?}");
        }
        assert_eq!(find(&of(&["--http-token-file", "token"], ""), "http_token_file").0, "token");
    }

    #[test]
    fn every_field_of_the_file_belongs_to_an_option_or_is_of_files_alone() {
        let schema = File::Fleet.schema();
        let fields: BTreeSet<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let command = command();
        let of_options: BTreeSet<String> = command
            .get_arguments()
            .filter_map(|option| field_of(option.get_id().as_str()))
            .map(|field| field.split('.').next().unwrap_or_default().to_owned())
            .collect();
        for field in &of_options {
            assert!(fields.contains(field.as_str()), "no file has the field `{field}`");
        }
        let only_in_files: Vec<&str> =
            fields.into_iter().filter(|field| !of_options.contains(*field)).collect();
        assert_eq!(only_in_files, ["group", "groups"]);
        let of_identity = schema["$defs"]["IdentityOptions"]["properties"].as_object().unwrap();
        for field in of_identity.keys().map(|field| format!("identity.{field}")) {
            let found = command
                .get_arguments()
                .any(|option| field_of(option.get_id().as_str()).as_deref() == Some(&field));
            assert!(found, "no option sets `{field}`");
        }
    }
}
