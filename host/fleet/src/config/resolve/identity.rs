//! Resolution of the names and client ids of devices.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::protocol::Protocol;

use super::{CURRENT_DIR, Layers};
use crate::config::file::GroupEntry;
use crate::config::fleet_shard::FleetShard;
use crate::config::identity::IdentityProblem;
use crate::config::identity::credentials::CredentialRules;
use crate::config::identity::names::GroupNames;
use crate::config::identity::options::IdentityOptions;
use crate::config::values::{BrokerChoice, DeviceCount, MqttVersion};
use crate::config::{ConfigError, Group};

/// The identity of the only group of a run without `[[group]]`.
pub(super) fn of_only_group(layers: &Layers<'_>) -> IdentityOptions {
    let file = layers.given.file.identity.clone().in_folder(layers.folder);
    flags(layers).or(file)
}

/// The identity of a group of the file. Flags change that of the only one.
pub(super) fn of_group(layers: &Layers<'_>, entry: &GroupEntry) -> IdentityOptions {
    let own = entry.identity.clone().in_folder(layers.folder);
    if layers.given.file.groups.len() == 1 { flags(layers).or(own) } else { own }
}

fn flags(layers: &Layers<'_>) -> IdentityOptions {
    layers.given.flags.identity.clone().in_folder(Path::new(CURRENT_DIR))
}

/// Refuses options for the only group beside several groups.
pub(super) fn check_layers(layers: &Layers<'_>) -> Result<(), ConfigError> {
    let (flags, file) = (&layers.given.flags, &layers.given.file);
    if !file.identity.is_empty() {
        let problem = "it is for a file without groups; write `[group.identity]` below each `[[group]]`";
        return Err(ConfigError::invalid(layers.field("identity"), problem));
    }
    if !flags.identity.is_empty() && file.groups.len() > 1 {
        let problem = "these options are for one group, and the file has several; write `[group.identity]` below each `[[group]]`";
        return Err(ConfigError::invalid(flags.identity.flags(), problem));
    }
    Ok(())
}

/// How many devices a group has, and what they are called.
#[derive(Default)]
pub(super) struct GroupDevices {
    pub count: u32,
    pub names: Option<Arc<GroupNames>>,
    pub credentials: Option<Arc<CredentialRules>>,
}

/// The number of devices of a group, their names, and their credentials.
pub(super) fn resolve(
    layers: &Layers<'_>,
    options: IdentityOptions,
    group: &str,
    count: Option<DeviceCount>,
    default: DeviceCount,
    table: &str,
) -> Result<GroupDevices, ConfigError> {
    let given = count.map(|DeviceCount(count)| count);
    if options.is_empty() {
        return Ok(GroupDevices { count: given.unwrap_or(default.0), ..GroupDevices::default() });
    }
    let device_id = layers.get(|it| &it.device_id);
    let naming = [("names", options.names.is_some()), ("name", options.name.is_some())];
    if let (Some(_), Some((field, _))) = (&device_id, naming.into_iter().find(|(_, is_set)| *is_set)) {
        let problem =
            "it does not go with --device-id, which also says how devices are called; give one of them";
        return Err(in_field(layers, table, IdentityProblem::new(field, problem)));
    }
    let prefix = format!("{}-", device_id.as_ref().map_or(group, DeviceId::as_str));
    let fixed = device_id.filter(|_| given.unwrap_or(default.0) == 1);
    let names = GroupNames::new(&options, group, prefix, fixed);
    let names = names.map_err(|error| in_field(layers, table, error))?;
    let count = given.or(names.limit()).unwrap_or(default.0);
    // Every file has enough entries if there is one for the last device.
    names.get(count - 1).map_err(|error| in_field(layers, table, error))?;
    let names = Arc::new(names);
    let needs_username =
        layers.get(|it| &it.mqtt).is_some_and(|MqttVersion(protocol)| protocol == Protocol::V4);
    let rules = CredentialRules::new(&options, &names, needs_username, Arc::clone(&layers.credentials));
    let rules = rules.map_err(|error| in_field(layers, table, error))?;
    Ok(GroupDevices { count, names: Some(names), credentials: rules.map(Arc::new) })
}

/// The error about a field of an identity. The place of an error in a file of names is complete without the field.
fn in_field(layers: &Layers<'_>, field: &str, error: IdentityProblem) -> ConfigError {
    let IdentityProblem { place, problem } = error;
    let end = place.find([' ', ',']).unwrap_or(place.len());
    let (name, rest) = place.split_at(end);
    let flags = &layers.given.flags.identity;
    match flags.flag_of(name) {
        Some(flag) => ConfigError::invalid(format!("{flag}{rest}"), problem),
        None if IdentityOptions::is_field(name) => {
            ConfigError::invalid(layers.field(format!("{field}.{place}")), problem)
        }
        None => ConfigError::invalid(place, problem),
    }
}

/// An error about devices of any group.
pub(super) fn located(layers: &Layers<'_>, error: IdentityProblem) -> ConfigError {
    in_field(layers, "identity", error)
}

/// Reads the credentials of the devices that this process runs.
pub(super) fn load_credentials(
    layers: &Layers<'_>,
    groups: &[Group],
    shard: FleetShard,
    broker: &BrokerChoice,
) -> Result<(), ConfigError> {
    let mut first = 0;
    for group in groups {
        if let Some(rules) = &group.credentials {
            let own = (0..group.count).filter(|index| shard.contains(first + *index as usize));
            let uses_certificates = rules.load_all(own).map_err(|error| located(layers, error))?;
            if uses_certificates && matches!(broker, BrokerChoice::Remote(url) if !url.tls) {
                let problem = "the devices have certificates, which need a broker with TLS; use --broker mqtts://HOST[:PORT]";
                return Err(ConfigError::invalid(layers.field(format!("group `{}`", group.name)), problem));
            }
        }
        first += group.count as usize;
    }
    Ok(())
}

/// Checks that no two devices of the fleet have the same name or client id. Default names are unique by themselves.
pub(super) fn check_unique(groups: &[Group], device_id: Option<&DeviceId>) -> Result<(), IdentityProblem> {
    if groups.iter().all(|group| group.names.is_none()) {
        return Ok(());
    }
    let mut ids: HashMap<String, String> = HashMap::new();
    let mut client_ids: HashMap<String, String> = HashMap::new();
    for group in groups {
        for index in 0..group.count {
            let (place, id, client_id) = match &group.names {
                Some(names) => {
                    let name = names.get(index)?;
                    (names.name_place(index), name.id.to_string(), name.client_id().to_owned())
                }
                None => {
                    let id = format!("{}{index}", group.device_prefix(device_id));
                    (format!("device {index} of group `{}`", group.name), id.clone(), id)
                }
            };
            if let Some(first) = client_ids.insert(client_id.clone(), place.clone()) {
                return Err(IdentityProblem::new(
                    place.clone(),
                    duplicate("client id", &client_id, &first, &place),
                ));
            }
            if let Some(first) = ids.insert(id.clone(), place.clone()) {
                return Err(IdentityProblem::new(place.clone(), duplicate("name", &id, &first, &place)));
            }
        }
    }
    Ok(())
}

fn duplicate(what: &str, text: &str, first: &str, place: &str) -> String {
    if first == place {
        return format!(
            "two devices have the {what} `{text}`; put `{{index}}`, `{{mac}}` or a column into the template"
        );
    }
    let why = match what {
        "name" => {
            "; `_` replaces characters that a name cannot have, so give these devices names of their own"
        }
        _ => "; a broker would disconnect one whenever the other connects",
    };
    format!("the {what} `{text}` is also that of {first}{why}")
}
