//! Resolution of the groups of a run: one from flags, or several from a file.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use wasmote_mqtt::device_id::DeviceId;
use wasmote_sim::layout::LayoutError;
use wasmote_sim::limits::Limits;

use super::identity::{self, GroupDevices};
use super::{CURRENT_DIR, Layers};
use crate::config::file::GroupEntry;
use crate::config::values::{Capability, DeviceCount, Sha256Pin};
use crate::config::{ConfigError, Group};
use crate::config_files::{self, FileError};
use crate::document::explain;
use crate::key_value::Assignments;
use crate::source::Source;

const DEFAULT_BEHAVIOUR: &str = "heartbeat";
const DEFAULT_DEVICES: DeviceCount = DeviceCount(9);

pub(super) fn resolve(layers: &Layers<'_>) -> Result<Vec<Group>, ConfigError> {
    let (flags, file) = (&layers.given.flags, &layers.given.file);
    if file.groups.is_empty() {
        return Ok(vec![only_group(layers)?]);
    }
    let conflicts = [
        ("BEHAVIOUR", flags.behaviour.is_some()),
        ("--group", flags.group_name.is_some()),
        ("--devices", flags.devices.is_some()),
        ("--sha256", flags.sha256.is_some()),
        ("behaviour", file.behaviour.is_some()),
        ("devices", file.devices.is_some()),
        ("sha256", file.sha256.is_some()),
    ];
    if let Some((setting, _)) = conflicts.into_iter().find(|(_, given)| *given) {
        let problem = "it does not go with the groups of the configuration file; set `behaviour`, `count` and `sha256` there";
        return Err(ConfigError::invalid(setting, problem));
    }
    identity::check_layers(layers)?;
    let mut groups: Vec<Group> = Vec::with_capacity(file.groups.len());
    for (index, entry) in file.groups.iter().enumerate() {
        let group = group(entry, index, layers)?;
        if groups.iter().any(|other| other.name == group.name) {
            let problem =
                format!("`{}` is taken by an earlier group; give this one its own `name`", group.name);
            return Err(ConfigError::invalid(layers.field(format!("group[{index}].name")), problem));
        }
        groups.push(group);
    }
    Ok(groups)
}

/// The configured device name, which replaces the group's name; only allowed for one group.
pub(super) fn device_id(layers: &Layers<'_>, groups: usize) -> Result<Option<DeviceId>, ConfigError> {
    let id = layers.get(|it| &it.device_id);
    if id.is_some() && groups > 1 {
        let problem =
            format!("it names the devices of one group, and there are {groups}; give each group a `name`");
        return Err(ConfigError::invalid("--device-id", problem));
    }
    Ok(id)
}

fn only_group(layers: &Layers<'_>) -> Result<Group, ConfigError> {
    let (flags, file) = (&layers.given.flags, &layers.given.file);
    let (name, setting, folder) = match (&flags.behaviour, &file.behaviour) {
        (Some(name), _) => (name.as_str(), "BEHAVIOUR".into(), Path::new(CURRENT_DIR)),
        (None, Some(name)) => (name.as_str(), layers.field("behaviour"), layers.folder),
        (None, None) => (DEFAULT_BEHAVIOUR, "BEHAVIOUR".into(), Path::new(CURRENT_DIR)),
    };
    let pin = layers.get(|it| &it.sha256);
    let behaviour = pinned(find(name, &setting, folder)?, pin, &setting)?;
    let pin = behaviour.pin().map(str::to_owned);
    let name = flags.group_name.as_ref().map_or_else(|| behaviour.name(), ToString::to_string);
    let given = layers.get(|it| &it.devices);
    let identity = identity::of_only_group(layers);
    let GroupDevices { count, names, credentials } =
        identity::resolve(layers, identity, &name, given, DEFAULT_DEVICES, "identity")?;
    let group = Group {
        name,
        behaviour,
        count,
        names,
        credentials,
        config: config(layers, &Map::new(), "config")?,
        faults: None,
        limits: limits(&file.limits, &Map::new(), &flags.limit)?,
        allow_hosts: layers.list(|it| &it.allow_hosts).into(),
        deny: denied(layers, &[]),
        sha256: pin,
        links: None,
    };
    checked(group, || "--device-config".into())
}

fn group(entry: &GroupEntry, index: usize, layers: &Layers<'_>) -> Result<Group, ConfigError> {
    let (flags, file) = (&layers.given.flags, &layers.given.file);
    let setting = layers.field(format!("group[{index}].behaviour"));
    let behaviour = find(&entry.behaviour, &setting, layers.folder)?;
    let behaviour = pinned(behaviour, entry.sha256.clone(), &setting)?;
    let pin = behaviour.pin().map(str::to_owned);
    let name = entry.name.as_ref().map_or_else(|| behaviour.name(), ToString::to_string);
    let identity = identity::of_group(layers, entry);
    let field = format!("group[{index}].identity");
    let GroupDevices { count, names, credentials } =
        identity::resolve(layers, identity, &name, entry.count, DeviceCount(1), &field)?;
    let group = Group {
        name,
        behaviour,
        count,
        names,
        credentials,
        config: config(layers, &entry.config, &format!("group[{index}].config"))?,
        faults: entry.faults.as_ref().map(|faults| layers.faults_in_file(faults)).transpose()?,
        limits: limits(&file.limits, &entry.limits, &flags.limit)?,
        allow_hosts: hosts(layers, entry),
        deny: denied(layers, &entry.deny),
        sha256: pin,
        links: None,
    };
    checked(group, || layers.field(format!("group[{index}].config")))
}

/// A group whose layout is valid. `setting` names its configuration.
fn checked(group: Group, setting: impl FnOnce() -> String) -> Result<Group, ConfigError> {
    match group.layout() {
        Ok(_) => Ok(group),
        Err(LayoutError { field, problem }) => {
            Err(ConfigError::invalid(format!("{}.{field}", setting()), problem))
        }
    }
}

fn find(name: &str, setting: &str, folder: &Path) -> Result<Source, ConfigError> {
    Source::find(name, folder).map_err(|problem| ConfigError::Behaviour { setting: setting.into(), problem })
}

/// A source with the digest that its group demands.
fn pinned(source: Source, pin: Option<Sha256Pin>, setting: &str) -> Result<Source, ConfigError> {
    let Some(Sha256Pin(pin)) = pin else { return Ok(source) };
    match (source.pin(), pin.parse()) {
        (Some(own), _) if own != pin => {
            let problem =
                format!("its name demands the SHA-256 {own}, and `sha256` demands {pin}; give one of them");
            Err(ConfigError::invalid(setting, problem))
        }
        (_, Ok(digest)) => Ok(source.pinned(digest)),
        (_, Err(problem)) => Err(ConfigError::invalid(setting, problem)),
    }
}

fn hosts(layers: &Layers<'_>, group: &GroupEntry) -> Arc<[String]> {
    let flags = &layers.given.flags.allow_hosts;
    let listed = if flags.is_empty() {
        group.allow_hosts.as_ref().unwrap_or(&layers.given.file.allow_hosts)
    } else {
        flags
    };
    listed.clone().into()
}

/// The configuration of a group, with the texts of the files that it names.
fn config(
    layers: &Layers<'_>,
    own: &Map<String, Value>,
    field: &str,
) -> Result<Map<String, Value>, ConfigError> {
    const SETTING: &str = "--device-config";
    let expand = |config: &mut Map<String, Value>, folder: &Path, setting: String| {
        let invalid =
            |error: FileError| ConfigError::invalid(format!("{setting}{}", error.field), error.to_string());
        config_files::expand(config, folder).map_err(invalid)
    };
    let mut config = merged(&layers.given.file.config, own);
    expand(&mut config, layers.folder, format!("{}.", layers.field(field)))?;
    assign(&mut config, &layers.given.flags.device_config, SETTING)?;
    expand(&mut config, Path::new(CURRENT_DIR), format!("{SETTING} "))?;
    config_files::scan_data(&config);
    Ok(config)
}

/// Capabilities that flags, file or group deny.
fn denied(layers: &Layers<'_>, group: &[Capability]) -> Arc<[String]> {
    let all = layers.given.flags.deny.iter().chain(&layers.given.file.deny).chain(group);
    let names: BTreeSet<String> = all.map(|capability| capability.0.clone()).collect();
    names.into_iter().collect()
}

/// Merges values of the whole file and of the group, which take precedence.
fn merged(all: &Map<String, Value>, own: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = all.clone();
    merged.extend(own.clone());
    merged
}

/// Applies assignments of the command line, which take precedence over files.
pub(super) fn assign(
    config: &mut Map<String, Value>,
    set: &[Assignments],
    setting: &str,
) -> Result<(), ConfigError> {
    for assignments in set {
        assignments.apply(config).map_err(|error| ConfigError::invalid(setting, error.to_string()))?;
    }
    Ok(())
}

pub(super) fn limits(
    all: &Map<String, Value>,
    own: &Map<String, Value>,
    set: &[Assignments],
) -> Result<Arc<Limits>, ConfigError> {
    let mut given = merged(all, own);
    assign(&mut given, set, "--limit")?;
    let limits: Limits = serde_path_to_error::deserialize(Value::Object(given)).map_err(|error| {
        let setting = format!("limits.{}", error.path());
        ConfigError::invalid(setting, explain(&error.inner().to_string()))
    })?;
    let minimums = [
        ("memory_bytes", limits.memory_bytes, 64 << 10),
        ("fuel_per_call", limits.fuel_per_call, 100_000),
        ("host_call_bytes", limits.host_call_bytes.into(), 1 << 10),
        ("payload_bytes", limits.payload_bytes.into(), 1),
        ("log_line_bytes", limits.log_line_bytes.into(), 16),
        ("subscriptions", limits.subscriptions.into(), 1),
        ("timers", limits.timers.into(), 1),
    ];
    match minimums.into_iter().find(|(_, found, minimum)| found < minimum) {
        None => Ok(Arc::new(limits)),
        Some((name, found, minimum)) => {
            let problem = format!("{found} is too little for any behaviour; use {minimum} or more");
            Err(ConfigError::invalid(format!("limits.{name}"), problem))
        }
    }
}
