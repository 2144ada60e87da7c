//! Checked settings of a fleet in pods, the input of the manifests.

use wasmote_fleet::builtins;
use wasmote_fleet::config::values::Switch;
use wasmote_fleet::config::{DEFAULT_KEEPALIVE, DEFAULT_TOPIC_ROOT, Group, Settings};
use wasmote_fleet::fault_set::{BROKER_FAULT_NEEDS_EMBEDDED, FaultSet};
use wasmote_fleet::sha256::sha256;
use wasmote_fleet::source::{Source, SourceError};
use wasmote_fleet::strip_nulls::remove_nulls;
use wasmote_fleet::topology;
use wasmote_registry::fetcher::Fetcher;
use wasmote_sim::faults::component::ComponentSpec;
use wasmote_sim::faults::document::{FaultEntry, FaultSpec};
use wasmote_sim::faults::partition::PartitionSpec;
use wasmote_sim::limits::Limits;

use super::ManifestError;
use super::gzip::CompressedComponent;
use super::memory::PodMemory;
use super::name::Name;
use super::options::{BehaviourMount, DeployOptions};

/// A fleet in pods.
#[derive(Clone, Debug)]
pub struct FleetManifests {
    /// Options of the deployment.
    pub options: DeployOptions,
    /// The groups, each a Deployment or a StatefulSet.
    pub groups: Vec<PodGroup>,
    /// Behaviours in ConfigMaps, without duplicates.
    pub components: Vec<MountedComponent>,
    /// Environment of all pods.
    pub common_env: Vec<(&'static str, String)>,
    /// Reads the components.
    pub fetcher: Fetcher,
}

/// Devices with one behaviour.
#[derive(Clone, Debug)]
pub struct PodGroup {
    /// Name of the group in the settings.
    pub group: String,
    /// Name of its Kubernetes objects.
    pub name: Name,
    /// Name in labels.
    pub instance: Name,
    /// Argument for the behaviour: a built-in one, or the mounted folder.
    pub behaviour: String,
    /// ConfigMap of the behaviour, if it is mounted from one.
    pub config_map: Option<Name>,
    /// Number of pods.
    pub replicas: u32,
    /// Environment of its pods.
    pub env: Vec<(&'static str, String)>,
    /// Faults file, unless the faults are a preset.
    pub faults: Option<FaultFile>,
    /// Memory of its pods.
    pub memory: PodMemory,
}

impl PodGroup {
    /// True if the behaviour is mounted, so that pods compile it.
    pub fn is_mounted(&self) -> bool {
        self.behaviour == BEHAVIOUR_FOLDER
    }
}

/// Faults in a file that pods read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultFile {
    /// The document.
    pub json: String,
    /// Hash of the document; pods restart when it changes.
    pub sha256: String,
}

/// A component in a ConfigMap.
#[derive(Clone, Debug)]
pub struct MountedComponent {
    /// Name of the ConfigMap.
    pub name: Name,
    /// Name of the file in it.
    pub file: String,
    /// Compressed component.
    pub compressed: CompressedComponent,
    /// SHA-256 of the component.
    pub sha256: String,
}

impl FleetManifests {
    /// Creates the pods of a fleet. A group's number of devices is the total over all its pods.
    pub fn new(settings: &Settings, options: DeployOptions) -> Result<Self, ManifestError> {
        let fetcher = settings.models.fetcher();
        let mut behaviours = Behaviours { known: Vec::new(), fetcher };
        let mut groups = Vec::new();
        for group in &settings.groups {
            let behaviour = behaviours.of(group, &options)?;
            let config_map =
                behaviour.and_then(|found| found.mounted.as_ref()).map(|mounted| mounted.name.clone());
            let component = behaviour.map(|found| &*found.bytes);
            groups.push(pod_group(settings, group, config_map, component, &options)?);
        }
        let components = behaviours.known.into_iter().filter_map(|behaviour| behaviour.mounted).collect();
        Ok(Self {
            common_env: common_environment(settings, &options),
            options,
            groups,
            components,
            fetcher: fetcher.clone(),
        })
    }
}

/// Behaviours of a fleet, each read once, so that the bytes that are checked are those that are deployed.
struct Behaviours<'a> {
    known: Vec<KnownBehaviour>,
    fetcher: &'a Fetcher,
}

struct KnownBehaviour {
    source: Source,
    bytes: Vec<u8>,
    /// Its ConfigMap, if pods mount one.
    mounted: Option<MountedComponent>,
}

impl Behaviours<'_> {
    /// The behaviour of a group. `None` if only an image has it.
    fn of(
        &mut self,
        group: &Group,
        options: &DeployOptions,
    ) -> Result<Option<&KnownBehaviour>, ManifestError> {
        // With an image, a built-in behaviour is only the default value of an option.
        let is_volume = matches!(options.behaviour, BehaviourMount::Volume(_));
        if is_volume && group.behaviour.builtin().is_some() {
            return Ok(None);
        }
        let position = match self.known.iter().position(|known| known.source == group.behaviour) {
            Some(position) => position,
            None => {
                let known = self.read(&group.behaviour, options)?;
                self.known.push(known);
                self.known.len() - 1
            }
        };
        let known = &self.known[position];
        // Pods check every pin too. The component of an image is known to them alone.
        match &group.sha256 {
            Some(wanted) if !is_volume && sha256(&known.bytes) != *wanted => Err(ManifestError::Pinned {
                behaviour: group.behaviour.display_name(),
                wanted: wanted.clone(),
                found: sha256(&known.bytes),
            }),
            _ => Ok(Some(known)),
        }
    }

    fn read(&self, source: &Source, options: &DeployOptions) -> Result<KnownBehaviour, ManifestError> {
        let bytes = source.read(self.fetcher).map_err(|problem| match problem {
            SourceError::Pinned { name, wanted, found } => {
                ManifestError::Pinned { behaviour: name, wanted, found }
            }
            problem => problem.into(),
        })?;
        let mounted = match options.behaviour {
            BehaviourMount::ConfigMap => Some(mounted_component(source, &bytes, options.hashed_config_maps)?),
            BehaviourMount::Program | BehaviourMount::Volume(_) => None,
        };
        let named = |component: &MountedComponent| {
            let same = |known: &&KnownBehaviour| {
                known.mounted.as_ref().is_some_and(|other| other.name == component.name)
            };
            self.known.iter().find(same).map(|_| component.name.to_string())
        };
        match mounted.as_ref().and_then(named) {
            Some(name) => Err(ManifestError::SameName { name }),
            None => Ok(KnownBehaviour { source: source.clone(), bytes, mounted }),
        }
    }
}

/// Prepares a behaviour for a ConfigMap.
fn mounted_component(
    source: &Source,
    bytes: &[u8],
    hashed_name: bool,
) -> Result<MountedComponent, ManifestError> {
    /// Length of the hash in a name, in hexadecimal digits.
    const HASH_LEN: usize = 8;
    let base_name = source.name();
    let sha256 = sha256(bytes);
    let suffix = if hashed_name { format!("-{}", &sha256[..HASH_LEN]) } else { String::new() };
    let compressed = CompressedComponent::new(bytes)
        .map_err(|problem| ManifestError::TooLarge { behaviour: source.display_name(), problem })?;
    Ok(MountedComponent {
        name: sanitized_name(&format!("behaviour-{base_name}{suffix}"), &base_name)?,
        // The key that `kubectl create configmap --from-file` gives the file, although the content is compressed: a second
        // key would leave the old component beside the new one.
        file: format!("{base_name}.wasm"),
        compressed,
        sha256,
    })
}

fn pod_group(
    settings: &Settings,
    group: &Group,
    config_map: Option<Name>,
    component: Option<&[u8]>,
    options: &DeployOptions,
) -> Result<PodGroup, ManifestError> {
    /// Length of the suffix that Kubernetes adds to a Deployment's name in the names and labels of its pods.
    const NAME_SUFFIX_LEN: usize = 17;
    let name = sanitized_name(&format!("iot-{}", group.name), &group.name)?;
    if name.as_str().len() + NAME_SUFFIX_LEN > Name::MAX_LEN {
        return Err(ManifestError::LongName {
            name: name.to_string(),
            max_len: Name::MAX_LEN - NAME_SUFFIX_LEN - 4,
        });
    }
    let behaviour = match &options.behaviour {
        BehaviourMount::Program => match group.behaviour.builtin() {
            Some(name) => name.to_owned(),
            None => return Err(ManifestError::NotBuiltIn { path: group.behaviour.display_name() }),
        },
        BehaviourMount::ConfigMap | BehaviourMount::Volume(_) => BEHAVIOUR_FOLDER.into(),
    };
    let per_pod = options.devices_per_pod;
    if group.names.is_some() {
        return Err(ManifestError::OwnNames { group: group.name.clone() });
    }
    if !group.count.is_multiple_of(per_pod) {
        return Err(ManifestError::Uneven { group: group.name.clone(), count: group.count, per_pod });
    }
    let faults = group.faults.as_ref().unwrap_or(&settings.faults);
    let (faults, fault_argument) = fault_file(faults, &group.name)?;
    Ok(PodGroup {
        name,
        instance: sanitized_name(&group.name, &group.name)?,
        behaviour,
        config_map,
        replicas: group.count / per_pod,
        env: environment(group, options, fault_argument),
        memory: PodMemory::of(group, component, options)?,
        faults,
        group: group.name.clone(),
    })
}

/// Folder of the behaviour in pods.
pub const BEHAVIOUR_FOLDER: &str = "/behaviours";
/// Folder of the faults in pods.
pub const FAULTS_FOLDER: &str = "/faults";
/// File in [`FAULTS_FOLDER`].
pub const FAULTS_FILE: &str = "faults.json";

/// The faults of a group as a file, and the argument for the pods: a preset's name, or the path of the file. The
/// file excludes faults for other groups, which the group's pods do not know.
fn fault_file(set: &FaultSet, group: &str) -> Result<(Option<FaultFile>, String), ManifestError> {
    if FaultSet::preset(&set.origin).is_some_and(|preset| preset.document == set.document) {
        return Ok((None, set.origin.clone()));
    }
    set.reject_broker_faults(BROKER_FAULT_NEEDS_EMBEDDED)
        .map_err(|problem| ManifestError::Faults(problem.to_string()))?;
    let mut document = set.document.clone();
    document.faults.retain_mut(|fault| applies_to(fault, group));
    let is_file = |name: &&String| builtins::fault_models().all(|builtin| builtin.name != name.as_str());
    let file = |fault: &FaultEntry| match &fault.spec {
        FaultSpec::Component(ComponentSpec { file, .. }) => file.clone(),
        _ => None,
    };
    if let Some(file) = document.faults.iter().filter_map(file).find(|name| is_file(&name)) {
        return Err(ManifestError::FaultModel(file));
    }
    let json = serde_json::to_value(&document).map(|mut value| {
        remove_nulls(&mut value);
        format!("{value:#}\n")
    });
    let json = json.map_err(|problem| ManifestError::Faults(problem.to_string()))?;
    let sha256 = sha256(json.as_bytes());
    Ok((Some(FaultFile { json, sha256 }), format!("{FAULTS_FOLDER}/{FAULTS_FILE}")))
}

/// True if a fault concerns pods of this group. A partition with `peers` also concerns the pods on its other side.
/// There it selects the devices by name, because pods do not know other groups.
fn applies_to(fault: &mut FaultEntry, group: &str) -> bool {
    let is_two_sided = matches!(&fault.spec, FaultSpec::Partition(PartitionSpec { peers: Some(_), .. }));
    match fault.group.take_if(|name| name != group) {
        None => true,
        Some(other) if is_two_sided => {
            fault.device.get_or_insert(format!("{other}-*"));
            true
        }
        Some(_) => false,
    }
}

/// The faults of a group as the body of a request to its pods: a preset's name, or a document.
pub fn faults_request(set: &FaultSet, group: &str) -> Result<serde_json::Value, ManifestError> {
    let faults = |problem: serde_json::Error| ManifestError::Faults(problem.to_string());
    match fault_file(set, group)? {
        (Some(file), _) => serde_json::from_str(&file.json).map_err(faults),
        (None, preset) => Ok(preset.into()),
    }
}

/// Environment of the pods of one group.
fn environment(group: &Group, options: &DeployOptions, faults: String) -> Vec<(&'static str, String)> {
    let devices = if options.stable_names { group.count } else { options.devices_per_pod };
    let mut variables = vec![("WASMOTE_DEVICES", devices.to_string()), ("WASMOTE_FAULTS", faults)];
    if group.name != group.behaviour.name() {
        variables.push(("WASMOTE_GROUP", group.name.clone()));
    }
    let config = config_of_pods(group);
    if !config.is_empty() {
        variables.push(("WASMOTE_DEVICE_CONFIG", serde_json::Value::Object(config).to_string()));
    }
    if let Some(limits) = non_default_limits(&group.limits) {
        variables.push(("WASMOTE_LIMIT", limits));
    }
    if !group.allow_hosts.is_empty() {
        variables.push(("WASMOTE_ALLOW_HOST", group.allow_hosts.join(",")));
    }
    if !group.deny.is_empty() {
        variables.push(("WASMOTE_DENY", group.deny.join(",")));
    }
    if let Some(sha256) = &group.sha256 {
        variables.push(("WASMOTE_SHA256", sha256.clone()));
    }
    variables
}

/// Configuration of a group's devices. Pods compute links from it. Links that do not follow from it, such as those
/// of a plan's topology, are added to it.
pub fn config_of_pods(group: &Group) -> serde_json::Map<String, serde_json::Value> {
    let mut config = group.config.clone();
    let names = group.device_names(None);
    let mut own = group.clone();
    let is_own = own.link(|_| names.clone()).is_ok() && own.links == group.links;
    if let (Some(links), false) = (&group.links, is_own) {
        config.insert(topology::CONFIG_KEY.to_owned(), topology::as_pairs(links, &names));
    }
    config
}

/// Limits that differ from the defaults.
fn non_default_limits(limits: &Limits) -> Option<String> {
    let (Ok(mut changed), Ok(default)) =
        (serde_json::to_value(limits), serde_json::to_value(Limits::default()))
    else {
        return None;
    };
    if let Some(changed) = changed.as_object_mut() {
        changed.retain(|field, value| default.get(field) != Some(value));
    }
    changed.as_object().is_some_and(|changed| !changed.is_empty()).then(|| changed.to_string())
}

/// Environment of all pods, where options differ from the defaults.
fn common_environment(settings: &Settings, options: &DeployOptions) -> Vec<(&'static str, String)> {
    use wasmote_mqtt::protocol::Protocol;
    let time = |time| humantime::format_duration(time).to_string();
    let connection = &settings.connection;
    let tls = &connection.tls_options;
    let with_tls = |value: Option<String>| value.filter(|_| options.broker.is_secured());
    let all = [
        ("WASMOTE_INTERFACE", connection.interface.clone()),
        ("WASMOTE_TLS_NAME", with_tls(tls.server_name.clone())),
        ("WASMOTE_TLS_SNI", with_tls((!tls.sends_server_name).then(|| "false".to_owned()))),
        ("WASMOTE_TLS_ALPN", with_tls((!tls.alpn.is_empty()).then(|| tls.alpn.join(",")))),
        ("WASMOTE_TLS_RESUMPTION", with_tls((!tls.resumption).then(|| "false".to_owned()))),
        ("WASMOTE_SEED", options.same_seed.then(|| settings.seed.to_string())),
        (
            "WASMOTE_TOPIC_ROOT",
            (&*settings.topic_root != DEFAULT_TOPIC_ROOT).then(|| settings.topic_root.to_string()),
        ),
        ("WASMOTE_MQTT", (settings.protocol != Protocol::V5).then(|| "3.1.1".to_owned())),
        (
            "WASMOTE_KEEPALIVE",
            (connection.keepalive != DEFAULT_KEEPALIVE).then(|| time(connection.keepalive)),
        ),
        (
            "WASMOTE_SESSION_EXPIRY",
            (!connection.session_expiry.is_zero()).then(|| time(connection.session_expiry)),
        ),
        ("WASMOTE_CLEAN_UP", settings.given.get(|it| &it.clean_up).map(|what| what.name().to_owned())),
        ("WASMOTE_RAMP", settings.given.get(|it| &it.ramp).map(|rate| rate.0.to_string())),
        ("WASMOTE_LOG", (settings.log != Default::default()).then(|| "json".to_owned())),
        (
            "WASMOTE_LOG_MESSAGES",
            match settings.log_messages {
                Switch::Auto => None,
                Switch::On => Some("on".to_owned()),
                Switch::Off => Some("off".to_owned()),
            },
        ),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn sanitized_name(text: &str, group: &str) -> Result<Name, ManifestError> {
    Name::sanitized(text).ok_or_else(|| ManifestError::NoName { group: group.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use wasmote_fleet::config::options::Options;
    use wasmote_fleet::config::resolve::resolve;
    use wasmote_fleet::config::values::DeviceCount;

    use super::*;

    fn routing(devices: u32, config: &[&str]) -> Group {
        let device_config = config.iter().map(|text| text.parse().unwrap()).collect();
        let behaviour = Some("routing".into());
        let args =
            Options { behaviour, devices: Some(DeviceCount(devices)), device_config, ..Options::default() };
        resolve(&args).unwrap().groups.remove(0)
    }

    #[test]
    fn pods_compute_links_that_follow_from_the_configuration() {
        assert!(config_of_pods(&routing(4, &[])).is_empty());
        let config = config_of_pods(&routing(4, &["topology=grid"]));
        assert_eq!(config, json!({"topology": "grid"}).as_object().unwrap().clone());
    }

    #[test]
    fn computed_links_of_a_plan_are_in_the_configuration() {
        let links = |pairs: &[(&str, &[&str])]| -> topology::Links {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            pairs.iter().map(|(name, others)| ((*name).to_owned(), owned(others))).collect()
        };
        let star = links(&[
            ("other-0", &["routing-0", "routing-1"]),
            ("routing-0", &["other-0", "routing-1"]),
            ("routing-1", &["other-0", "routing-0"]),
        ]);
        let group = Group { links: Some(Arc::new(star)), ..routing(2, &[]) };
        let expected =
            json!([["routing-0", "other-0"], ["routing-0", "routing-1"], ["routing-1", "other-0"]]);
        assert_eq!(config_of_pods(&group)["topology"], expected);
    }
}
