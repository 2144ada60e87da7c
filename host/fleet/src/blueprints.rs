//! Device blueprints from the settings of a run.

mod laid_out_factory;
mod linked_factory;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use wasmote_engine::{Component, DeviceSettings, Engine, LoadError};
use wasmote_mqtt::device_id::{DeviceId, Identity, InvalidId, PeerNames};
use wasmote_registry::fetcher::Fetcher;
use wasmote_sim::behaviour::BehaviourFactory;
use wasmote_sim::device::Blueprint;
use wasmote_sim::layout::CONFIG_KEY as LAYOUT;

use crate::component_info::ComponentInfo;
use crate::config::fleet_shard::FleetShard;
use crate::config::identity::IdentityProblem;
use crate::config::identity::names::{DeviceName, GroupNames};
use crate::config::{Group, Settings};
use crate::source::{Source, SourceError};

/// Blueprints of all devices of a process.
pub struct Blueprints {
    /// The devices, in the order in which they start.
    pub devices: Vec<Blueprint>,
    /// Descriptions of their behaviours, each once.
    pub behaviours: Vec<ComponentInfo>,
    /// The components of their behaviours, by name.
    pub components: BTreeMap<String, Component>,
}

/// Reason why the blueprints cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BlueprintError {
    /// The behaviour's file is missing or unreadable.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The behaviour's file cannot be used.
    #[error("the behaviour `{name}` ({from}) cannot be used: {problem}")]
    Load {
        /// The behaviour.
        name: String,
        /// Source of the behaviour.
        from: String,
        /// The error of the engine.
        problem: LoadError,
    },
    /// A device name, which is a prefix with a number, is too long.
    #[error("--device-id or a group's name is too long: {0}")]
    Name(#[from] InvalidId),
    /// A device has no name.
    #[error(transparent)]
    Identity(#[from] IdentityProblem),
}

/// Loaded components of behaviours, each once.
#[derive(Clone, Default)]
pub struct Components(BTreeMap<Source, Component>);

impl Components {
    /// Loads the components of these sources.
    pub fn load<'a>(
        sources: impl IntoIterator<Item = &'a Source>,
        engine: &Engine,
        fetcher: &Fetcher,
    ) -> Result<Self, BlueprintError> {
        let mut loaded = BTreeMap::new();
        for source in sources {
            if !loaded.contains_key(source) {
                loaded.insert(source.clone(), load(source, engine, fetcher)?);
            }
        }
        Ok(Self(loaded))
    }

    /// The component of a source.
    pub fn get(&self, source: &Source) -> Option<&Component> {
        self.0.get(source)
    }

    /// All components, by source.
    pub fn iter(&self) -> impl Iterator<Item = (&Source, &Component)> {
        self.0.iter()
    }
}

impl Blueprints {
    /// Loads the behaviours and makes the blueprints.
    pub fn new(settings: &Settings, engine: &Engine) -> Result<Self, BlueprintError> {
        let sources = settings.groups.iter().map(|group| &group.behaviour);
        let components = Components::load(sources, engine, settings.models.fetcher())?;
        Self::from_components(settings, &components)
    }

    /// Makes the blueprints with components that are loaded already. A group whose component is missing gets no devices.
    pub fn from_components(settings: &Settings, components: &Components) -> Result<Self, BlueprintError> {
        let mut devices = Vec::with_capacity(settings.devices());
        let mut first = 0;
        for group in &settings.groups {
            if let Some(component) = components.get(&group.behaviour) {
                check_group(group, component)?;
                add_group(settings, group, first, component, &mut devices)?;
            }
            first += group.count as usize;
        }
        let fetcher = settings.models.fetcher();
        let info = |(source, component): (&Source, &Component)| {
            ComponentInfo::new(source.described(fetcher), component.inspect())
        };
        let named = |(_, component): (_, &Component)| (component.name().to_owned(), component.clone());
        Ok(Self {
            devices,
            behaviours: components.iter().map(info).collect(),
            components: components.iter().map(named).collect(),
        })
    }
}

/// Checks that the devices of a group can start with this component.
fn check_group(group: &Group, component: &Component) -> Result<(), BlueprintError> {
    group.check(component).map_err(|problem| BlueprintError::Load {
        name: component.name().to_owned(),
        from: group.behaviour.to_string(),
        problem,
    })
}

fn load(source: &Source, engine: &Engine, fetcher: &Fetcher) -> Result<Component, BlueprintError> {
    let bytes = source.read(fetcher).map_err(|problem| match problem {
        SourceError::Pinned { wanted, found, .. } => BlueprintError::Load {
            name: source.name(),
            from: source.to_string(),
            problem: LoadError::Pinned { wanted, found },
        },
        problem => problem.into(),
    })?;
    let began = Instant::now();
    let component = engine.load(&source.name(), &bytes).map_err(|problem| BlueprintError::Load {
        name: source.name(),
        from: source.to_string(),
        problem,
    })?;
    log_code_origin(&component, began.elapsed());
    Ok(component)
}

/// Logs the origin of a component's code, and the reasons why cached code was not used.
pub fn log_code_origin(component: &Component, duration: Duration) {
    for problem in component.cache_warnings() {
        tracing::warn!("{problem}");
    }
    let (behaviour, origin) = (component.name(), component.origin());
    tracing::debug!("code of {behaviour}: {origin:?}, in {} ms", duration.as_millis());
}

/// Creates the behaviour factory of a group.
pub fn behaviour_factory(group: &Group, component: &Component) -> Arc<dyn BehaviourFactory> {
    let mut config = group.config.clone();
    // The host lays the messages out, and the behaviour knows nothing of it.
    config.remove(LAYOUT);
    let settings = DeviceSettings {
        config: Value::Object(config),
        limits: Arc::clone(&group.limits),
        allow_hosts: Arc::clone(&group.allow_hosts),
    };
    let inner = match &group.links {
        None => component.behaviour_factory(settings),
        Some(links) => Arc::new(linked_factory::LinkedFactory {
            component: component.clone(),
            settings,
            links: Arc::clone(links),
        }),
    };
    match group.layout().transpose() {
        None => inner,
        Some(layout) => Arc::new(laid_out_factory::LaidOutFactory { inner, layout: layout.map(Arc::new) }),
    }
}

/// Adds the devices of a group that belong to this process. `first` is the fleet position of the group's first device.
fn add_group(
    settings: &Settings,
    group: &Group,
    first: usize,
    component: &Component,
    devices: &mut Vec<Blueprint>,
) -> Result<(), BlueprintError> {
    let factory = behaviour_factory(group, component);
    let members = identities(settings, group, first)?.into_iter();
    devices.extend(members.map(|identity| blueprint(settings, group, identity, &factory)));
    Ok(())
}

/// Blueprints of the devices of a group from this number on that belong to this process. `first` is the fleet position of
/// the group's first device.
pub fn added_devices(
    settings: &Settings,
    group: &Group,
    first: usize,
    from: u32,
    factory: &Arc<dyn BehaviourFactory>,
) -> Result<Vec<Blueprint>, BlueprintError> {
    let members = identities(settings, group, first)?.into_iter().filter(|identity| identity.index >= from);
    Ok(members.map(|identity| blueprint(settings, group, identity, factory)).collect())
}

fn blueprint(
    settings: &Settings,
    group: &Group,
    identity: Identity,
    factory: &Arc<dyn BehaviourFactory>,
) -> Blueprint {
    Blueprint {
        identity: Arc::new(identity),
        factory: Arc::clone(factory),
        limits: Arc::clone(&group.limits),
        protocol: settings.protocol,
        seed: settings.seed,
        faults: Arc::clone(&group.faults.as_ref().unwrap_or(&settings.faults).faults),
    }
}

/// Identities of all devices of the whole fleet, in order.
pub fn all_identities(settings: &Settings) -> Vec<Arc<Identity>> {
    let whole = Settings { shard: FleetShard::default(), ..settings.clone() };
    let all = whole.groups.iter().flat_map(|group| identities(&whole, group, 0).unwrap_or_default());
    all.map(Arc::new).collect()
}

/// Identities of a group's devices. A single device with a configured name, such as that of a pod, has no peer names:
/// this process does not know the other devices.
fn identities(settings: &Settings, group: &Group, first: usize) -> Result<Vec<Identity>, BlueprintError> {
    let name: Arc<str> = group.name.as_str().into();
    let identity = |id, index, peers| Identity {
        id,
        client_id: None,
        group: Arc::clone(&name),
        index,
        count: group.count,
        topic_root: Arc::clone(&settings.topic_root),
        peers,
    };
    if let Some(names) = &group.names {
        return named(settings, group, names, first);
    }
    if let (Some(id), 1) = (&settings.device_id, group.count) {
        return Ok(vec![identity(id.clone(), 0, None)]);
    }
    let prefix: Arc<str> = group.device_prefix(settings.device_id.as_ref()).into();
    let peers = PeerNames::Numbered(Arc::clone(&prefix));
    (0..group.count)
        .filter(|index| settings.shard.contains(first + *index as usize))
        .map(|index| Ok(identity(DeviceId::new(&format!("{prefix}{index}"))?, index, Some(peers.clone()))))
        .collect()
}

/// Identities of a group with names of its own.
fn named(
    settings: &Settings,
    group: &Group,
    names: &GroupNames,
    first: usize,
) -> Result<Vec<Identity>, BlueprintError> {
    let all: Vec<DeviceName> =
        (0..group.count).map(|index| device_name(names, index)).collect::<Result<_, _>>()?;
    let is_alone = settings.device_id.is_some() && group.count == 1;
    let listed: Arc<[DeviceId]> = all.iter().map(|name| name.id.clone()).collect();
    let (name, peers) = (Arc::from(group.name.as_str()), (!is_alone).then_some(PeerNames::Listed(listed)));
    let identity = |(index, device): (u32, DeviceName)| Identity {
        id: device.id,
        client_id: device.client_id,
        group: Arc::clone(&name),
        index,
        count: group.count,
        topic_root: Arc::clone(&settings.topic_root),
        peers: peers.clone(),
    };
    let own = (0..).zip(all).filter(|(index, _)| settings.shard.contains(first + *index as usize));
    Ok(own.map(identity).collect())
}

/// The name of a device of a group with names of its own.
pub fn device_name(names: &GroupNames, index: u32) -> Result<DeviceName, BlueprintError> {
    Ok(names.get(index)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::Options;
    use crate::config::resolve::resolve;
    use crate::config::values::DeviceCount;

    fn names(devices: u32, device_id: Option<&str>) -> Vec<(String, Option<String>)> {
        let device_id = device_id.map(|id| DeviceId::new(id).unwrap());
        let settings =
            resolve(&Options { devices: Some(DeviceCount(devices)), device_id, ..Options::default() })
                .unwrap();
        let all = identities(&settings, &settings.groups[0], 0).unwrap();
        all.into_iter().map(|identity| (identity.id.to_string(), identity.peer(0))).collect()
    }

    #[test]
    fn devices_are_numbered_after_their_group() {
        let first = Some("heartbeat-0".to_owned());
        assert_eq!(names(2, None), [("heartbeat-0".into(), first.clone()), ("heartbeat-1".into(), first)]);
    }

    #[test]
    fn the_shards_of_a_fleet_have_all_its_devices_under_the_same_names() {
        let names = |shard: Option<&str>| -> Vec<_> {
            let shard = shard.map(|shard| shard.parse().unwrap());
            let settings =
                resolve(&Options { devices: Some(DeviceCount(7)), shard, ..Options::default() }).unwrap();
            let all = identities(&settings, &settings.groups[0], 0).unwrap();
            assert_eq!(all.len(), settings.devices());
            assert!(all.iter().all(|identity| identity.count == 7));
            all.into_iter().map(|identity| identity.id.to_string()).collect()
        };
        let mut together = [names(Some("1/3")), names(Some("2/3")), names(Some("3/3"))].concat();
        together.sort();
        assert_eq!(together, names(None));
    }

    #[test]
    fn a_pod_name_is_its_only_device_and_has_no_peers() {
        assert_eq!(names(1, Some("iot-mqtt-757f-5nbgr")), [("iot-mqtt-757f-5nbgr".into(), None)]);
        assert_eq!(names(2, Some("pod"))[1], ("pod-1".into(), Some("pod-0".into())));
    }
}
