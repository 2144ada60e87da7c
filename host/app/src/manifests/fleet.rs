//! What is to be put on a cluster, checked and ready to be written.

use sha2::{Digest, Sha256};
use wasmote_sim::faults::document::{FaultEntry, Kind};
use wasmote_sim::limits::Limits;

use super::ManifestError;
use super::broker::BrokerEndpoint;
use super::gzip::CompressedComponent;
use super::name::{Image, Name, Quantity};
use crate::builtins;
use crate::config::values::Switch;
use crate::config::{Group, Settings};
use crate::fault_set::{BROKER_FAULT_NEEDS_EMBEDDED, FaultSet};
use crate::source::Source;

/// How the fleet is to be put there. Everything but the devices themselves.
#[derive(Clone, Debug)]
pub struct DeployOptions {
    /// The namespace to name in every object; none for that of `kubectl`.
    pub namespace: Option<Name>,
    /// The image of the program.
    pub image: Image,
    /// Devices in each pod.
    pub devices_per_pod: u32,
    /// Whether pods and devices have names that last, and know each other: `sensor-0`, `sensor-1` and so on.
    pub stable_names: bool,
    /// Most memory that a pod may use.
    pub memory: Quantity,
    /// Most processor time.
    pub cpu: Quantity,
    /// Where pods find their behaviour.
    pub behaviour: BehaviourMount,
    /// The broker.
    pub broker: BrokerEndpoint,
    /// Whether the same seed is for all pods, or each draws its own.
    pub same_seed: bool,
}

/// How a behaviour gets into its pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BehaviourMount {
    /// A ConfigMap, mounted as a folder.
    ConfigMap,
    /// The program's own image, compiled ahead; for built-in behaviours.
    Program,
    /// An image of its own with the component at its root, mounted as a volume.
    Volume(Image),
}

/// A fleet as it will be.
#[derive(Clone, Debug)]
pub struct FleetManifests {
    /// How.
    pub options: DeployOptions,
    /// The devices: a group is a Deployment or a StatefulSet.
    pub groups: Vec<PodGroup>,
    /// The behaviours in ConfigMaps, each once.
    pub components: Vec<MountedComponent>,
    /// What all pods are told, as environment.
    pub common_env: Vec<(&'static str, String)>,
}

/// Devices with one behaviour.
#[derive(Clone, Debug)]
pub struct PodGroup {
    /// What its devices are named after.
    pub group: String,
    /// The name of its objects.
    pub name: Name,
    /// What Kubernetes calls it in labels.
    pub instance: Name,
    /// The word for the behaviour: a built-in one, or what is mounted.
    pub behaviour: String,
    /// The ConfigMap with it, if that is where it comes from.
    pub config_map: Option<Name>,
    /// Pods.
    pub replicas: u32,
    /// What its pods are told, as environment.
    pub env: Vec<(&'static str, String)>,
    /// A faults file, where the faults are no preset.
    pub faults: Option<FaultFile>,
}

impl PodGroup {
    /// Whether its behaviour is mounted, and so is compiled by its pods.
    pub fn is_mounted(&self) -> bool {
        self.behaviour == BEHAVIOUR_FOLDER
    }
}

/// Faults that pods read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultFile {
    /// The document.
    pub json: String,
    /// So that pods start anew when it changes.
    pub sha256: String,
}

/// A component in a ConfigMap.
#[derive(Clone, Debug)]
pub struct MountedComponent {
    /// The ConfigMap.
    pub name: Name,
    /// The file in it.
    pub file: String,
    /// Its content.
    pub compressed: CompressedComponent,
    /// Of the component.
    pub sha256: String,
}

impl FleetManifests {
    /// Put a fleet together. The number of devices of each group is that of all its pods together.
    pub fn new(settings: &Settings, options: DeployOptions) -> Result<Self, ManifestError> {
        let mut components: Vec<(Source, MountedComponent)> = Vec::new();
        let mut groups = Vec::new();
        for group in &settings.groups {
            let config_map = match options.behaviour {
                BehaviourMount::ConfigMap => Some(mounted_name(&group.behaviour, &mut components)?),
                _ => None,
            };
            groups.push(pod_group(settings, group, config_map, &options)?);
        }
        let components = components.into_iter().map(|(_, component)| component).collect();
        Ok(Self { common_env: common_environment(settings, &options), options, groups, components })
    }
}

fn mounted_name(
    source: &Source,
    components: &mut Vec<(Source, MountedComponent)>,
) -> Result<Name, ManifestError> {
    if let Some((_, known)) = components.iter().find(|(known, _)| known == source) {
        return Ok(known.name.clone());
    }
    let component = mounted_component(source)?;
    if components.iter().any(|(_, other)| other.name == component.name) {
        return Err(ManifestError::SameName { name: component.name.to_string() });
    }
    let name = component.name.clone();
    components.push((source.clone(), component));
    Ok(name)
}

/// A behaviour as its ConfigMap has it.
pub fn mounted_component(source: &Source) -> Result<MountedComponent, ManifestError> {
    let bytes = source.read()?;
    let base_name = source.name();
    let compressed = CompressedComponent::new(&bytes)
        .map_err(|problem| ManifestError::TooLarge { behaviour: source.display_name(), problem })?;
    Ok(MountedComponent {
        name: sanitized_name(&format!("behaviour-{base_name}"), &base_name)?,
        file: format!("{base_name}.wasm.gz"),
        compressed,
        sha256: hex(&Sha256::digest(&bytes)),
    })
}

fn pod_group(
    settings: &Settings,
    group: &Group,
    config_map: Option<Name>,
    options: &DeployOptions,
) -> Result<PodGroup, ManifestError> {
    /// What Kubernetes adds to the name of a Deployment for its pods' names and labels.
    const NAME_SUFFIX_LEN: usize = 17;
    let name = sanitized_name(&format!("iot-{}", group.name), &group.name)?;
    if name.as_str().len() + NAME_SUFFIX_LEN > Name::MAX_LEN {
        return Err(ManifestError::LongName {
            name: name.to_string(),
            max_len: Name::MAX_LEN - NAME_SUFFIX_LEN - 4,
        });
    }
    let behaviour = match &options.behaviour {
        BehaviourMount::Program => match &group.behaviour {
            Source::Builtin(name) => name.clone(),
            Source::File(path) => return Err(ManifestError::NotBuiltIn { path: path.display().to_string() }),
        },
        BehaviourMount::ConfigMap | BehaviourMount::Volume(_) => BEHAVIOUR_FOLDER.into(),
    };
    let per_pod = options.devices_per_pod;
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
        faults,
        group: group.name.clone(),
    })
}

/// Where pods have the folder with their behaviour.
pub const BEHAVIOUR_FOLDER: &str = "/behaviours";
/// Where pods have the folder with their faults.
pub const FAULTS_FOLDER: &str = "/faults";
/// The file in it.
pub const FAULTS_FILE: &str = "faults.json";

/// A preset goes by its name; everything else is a file. What is for other groups is left out: the pods of
/// this one know nothing of them.
fn fault_file(set: &FaultSet, group: &str) -> Result<(Option<FaultFile>, String), ManifestError> {
    if FaultSet::preset(&set.origin).is_some_and(|preset| preset.document == set.document) {
        return Ok((None, set.origin.clone()));
    }
    set.reject_broker_faults(BROKER_FAULT_NEEDS_EMBEDDED)
        .map_err(|problem| ManifestError::Faults(problem.to_string()))?;
    let mut document = set.document.clone();
    document.faults.retain_mut(|fault| applies_to(fault, group));
    let is_file = |name: &&String| builtins::fault_models().all(|builtin| builtin.name != name.as_str());
    if let Some(file) = document.faults.iter().filter_map(|fault| fault.file.as_ref()).find(is_file) {
        return Err(ManifestError::FaultModel(file.clone()));
    }
    let json = serde_json::to_value(&document).map(|mut value| {
        strip_nulls(&mut value);
        format!("{value:#}\n")
    });
    let json = json.map_err(|problem| ManifestError::Faults(problem.to_string()))?;
    let sha256 = hex(&Sha256::digest(json.as_bytes()));
    Ok((Some(FaultFile { json, sha256 }), format!("{FAULTS_FOLDER}/{FAULTS_FILE}")))
}

/// Whether a fault is for pods of this group. Those on the other side of a partition have a part in it too, and know
/// the devices of another group by their names.
fn applies_to(fault: &mut FaultEntry, group: &str) -> bool {
    let is_two_sided = fault.kind == Kind::Partition && fault.peers.is_some();
    match fault.group.take_if(|name| name != group) {
        None => true,
        Some(other) if is_two_sided => {
            fault.device.get_or_insert(format!("{other}-*"));
            true
        }
        Some(_) => false,
    }
}

/// The faults of a group as its pods are told them over HTTP: a preset's name, or a document.
pub fn faults_request(set: &FaultSet, group: &str) -> Result<serde_json::Value, ManifestError> {
    let faults = |problem: serde_json::Error| ManifestError::Faults(problem.to_string());
    match fault_file(set, group)? {
        (Some(file), _) => serde_json::from_str(&file.json).map_err(faults),
        (None, preset) => Ok(preset.into()),
    }
}

fn strip_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(strip_nulls);
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

/// What the pods of one group are told.
fn environment(group: &Group, options: &DeployOptions, faults: String) -> Vec<(&'static str, String)> {
    let devices = if options.stable_names { group.count } else { options.devices_per_pod };
    let mut variables = vec![("WASMOTE_DEVICES", devices.to_string()), ("WASMOTE_FAULTS", faults)];
    if group.name != group.behaviour.name() {
        variables.push(("WASMOTE_GROUP", group.name.clone()));
    }
    if !group.config.is_empty() {
        variables
            .push(("WASMOTE_DEVICE_CONFIG", serde_json::Value::Object(group.config.clone()).to_string()));
    }
    if let Some(limits) = non_default_limits(&group.limits) {
        variables.push(("WASMOTE_LIMIT", limits));
    }
    if !group.allow_hosts.is_empty() {
        variables.push(("WASMOTE_ALLOW_HOST", group.allow_hosts.join(",")));
    }
    variables
}

/// The limits that are not as they would be anyway.
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

/// What all pods are told, where it is not as it would be anyway.
fn common_environment(settings: &Settings, options: &DeployOptions) -> Vec<(&'static str, String)> {
    use wasmote_mqtt::protocol::Protocol;
    let time = |time| humantime::format_duration(time).to_string();
    let connection = &settings.connection;
    let all = [
        ("WASMOTE_SEED", options.same_seed.then(|| settings.seed.to_string())),
        ("WASMOTE_TOPIC_ROOT", (&*settings.topic_root != "wasmote").then(|| settings.topic_root.to_string())),
        ("WASMOTE_MQTT", (settings.protocol != Protocol::V5).then(|| "3.1.1".to_owned())),
        ("WASMOTE_KEEPALIVE", (connection.keepalive.as_secs() != 10).then(|| time(connection.keepalive))),
        (
            "WASMOTE_SESSION_EXPIRY",
            (!connection.session_expiry.is_zero()).then(|| time(connection.session_expiry)),
        ),
        ("WASMOTE_RAMP", settings.ramp.map(|rate| rate.to_string())),
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
