//! HTTP requests to the pods of a fleet, and the faults that pods have acknowledged.
//!
//! A pod treats its group as its whole fleet and accepts only complete fault sets. So the faults of the fleet, of
//! the group and temporary faults are merged into one set for each pod, and into one for each device that differs
//! from its pod.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use wasmote_fleet::actions::pods::{DeviceRequest, GroupChange, RequestBody};
use wasmote_fleet::fault_registry::FaultRegistry;
use wasmote_fleet::sha256::sha256;
use wasmote_fleet::source::SourceError;
use wasmote_fleet::versions::groups::MAX_ADDED;
use wasmote_mqtt::device_id::Identity;

use crate::fleet_query::send::PodRequest;
use crate::manifests::fleet::{FleetManifests, PodGroup, config_of_pods, faults_request};
use crate::manifests::gzip;

/// A pod and a path of its API.
type Endpoint = (String, String);

/// Creates the requests for a fleet.
pub struct FleetRequests<'a> {
    fleet: &'a FleetManifests,
    /// Last faults acknowledged by each endpoint; `None` for devices with the faults of their pod. An endpoint
    /// whose last request failed is absent.
    acknowledged: BTreeMap<Endpoint, Option<Value>>,
}

impl<'a> FleetRequests<'a> {
    /// Creates the requests for a fleet whose manifests have these faults.
    pub fn new(fleet: &'a FleetManifests, devices: &[Arc<Identity>], faults: &FaultRegistry) -> Self {
        let mut requests = Self { fleet, acknowledged: BTreeMap::new() };
        requests.acknowledged = requests.desired(faults, devices).into_iter().collect();
        requests
    }

    /// Converts a request for a device into a request for its pod.
    pub fn pod_request(&self, request: DeviceRequest, devices: &[Arc<Identity>]) -> Option<PodRequest> {
        let device = devices.get(request.device)?;
        let path = format!("/devices/{}{}", device.id, request.path);
        let method = request.method.parse().ok()?;
        Some(PodRequest { to: self.pod_of(device)?, method, path, body: request.body })
    }

    /// The same request to each pod of a group.
    fn to_group(&self, group: &str, method: Method, path: &str, body: &Value) -> Vec<PodRequest> {
        let pods = self.fleet.groups.iter().filter(|pods| pods.group == group);
        let names = pods.flat_map(|pods| (0..pods.replicas).map(move |number| pod(pods, number)));
        let body = RequestBody::json(body);
        names
            .map(|to| PodRequest {
                to,
                method: method.clone(),
                path: format!("/groups/{group}{path}"),
                body: Some(body.clone()),
            })
            .collect()
    }

    /// Requests that add devices to a group. Each pod adds those of its shard.
    pub fn add(&self, group: &str, count: u32) -> Vec<PodRequest> {
        let parts = (0..count).step_by(MAX_ADDED as usize).map(|from| (count - from).min(MAX_ADDED));
        parts
            .flat_map(|count| self.to_group(group, Method::POST, "/devices", &json!({"count": count})))
            .collect()
    }

    /// Requests that change the configuration or the behaviour of a group.
    pub fn change(
        &self,
        change: &GroupChange,
        devices: &[Arc<Identity>],
    ) -> Result<Vec<PodRequest>, SourceError> {
        let group = &change.group;
        let mut body = json!({
            "config": config_of_pods(group),
            "restart": change.restart,
            "trial": humantime::format_duration(change.trial).to_string(),
        });
        if change.with_component {
            let bytes = group.behaviour.read(&self.fleet.fetcher)?;
            body["behaviour"] = group.behaviour.name().into();
            body["sha256"] = sha256(&bytes).into();
            body["component"] = gzip::packed_base64(&bytes).into();
        }
        if let Some(positions) = &change.devices {
            let names = positions.iter().filter_map(|at| devices.get(*at)).map(|device| device.id.as_str());
            body["devices"] = names.collect::<Vec<_>>().into();
        }
        Ok(self.to_group(&group.name, Method::PUT, "/behaviour", &body))
    }

    /// Requests for all endpoints that have not acknowledged the desired faults.
    pub fn fault_updates(&mut self, faults: &FaultRegistry, devices: &[Arc<Identity>]) -> Vec<PodRequest> {
        let mut requests = Vec::new();
        for (endpoint, now) in self.desired(faults, devices) {
            if self.acknowledged.get(&endpoint) == Some(&now) {
                continue;
            }
            let (to, path) = endpoint.clone();
            let method = if now.is_some() { Method::PUT } else { Method::DELETE };
            requests.push(PodRequest { to, method, path, body: now.as_ref().map(RequestBody::json) });
            self.acknowledged.insert(endpoint, now);
        }
        requests
    }

    /// Notes devices that have joined: they have the faults of their pod.
    pub fn joined(&mut self, devices: &[Arc<Identity>]) {
        for device in devices {
            if let Some(pod) = self.pod_of(device) {
                self.acknowledged.insert((pod, format!("/devices/{}/faults", device.id)), None);
            }
        }
    }

    /// Marks a request as failed, or its outcome as unknown.
    pub fn mark_failed(&mut self, request: &PodRequest) {
        self.acknowledged.remove(&(request.to.clone(), request.path.clone()));
    }

    /// Desired faults of every endpoint.
    fn desired(&self, faults: &FaultRegistry, all: &[Arc<Identity>]) -> Vec<(Endpoint, Option<Value>)> {
        let groups = self.fleet.groups.iter().flat_map(|group| {
            let now = group_faults(faults, &group.group);
            let pods = (0..group.replicas).map(|number| (pod(group, number), "/faults".to_owned()));
            pods.map(move |endpoint| (endpoint, now.clone()))
        });
        let devices = all.iter().enumerate().filter_map(|(position, device)| {
            let endpoint = (self.pod_of(device)?, format!("/devices/{}/faults", device.id));
            Some((endpoint, device_faults(faults, position, all)))
        });
        groups.chain(devices).collect()
    }

    /// The pod of a device. Devices are assigned to the pods of their group round-robin.
    fn pod_of(&self, device: &Identity) -> Option<String> {
        let group = self.fleet.groups.iter().find(|pods| pods.group == *device.group)?;
        Some(pod(group, device.index % group.replicas.max(1)))
    }
}

/// Request body for the pods of a group.
fn group_faults(faults: &FaultRegistry, group: &str) -> Option<Value> {
    faults_request(&faults.group_set(group), group).ok()
}

/// Request body for a device whose faults differ from those of its pod.
fn device_faults(faults: &FaultRegistry, position: usize, devices: &[Arc<Identity>]) -> Option<Value> {
    faults_request(&faults.device_set(position, devices)?, &devices.get(position)?.group).ok()
}

/// Name of the pod with this 0-based number in its group. Pod names and shards count from 1.
fn pod(group: &PodGroup, number: u32) -> String {
    format!("{}-{}", group.name, number + 1)
}

#[cfg(test)]
mod tests {
    use wasmote_fleet::actions::scope::Scope;
    use wasmote_fleet::config::Settings;
    use wasmote_fleet::config::options::Options;
    use wasmote_fleet::config::resolve::resolve;
    use wasmote_fleet::document::Format;
    use wasmote_fleet::fault_registry::TemporaryFault;
    use wasmote_fleet::fault_set::FaultSet;
    use wasmote_sim::faults::component::NoLibrary;
    use wasmote_sim::faults::target::Pattern;

    use super::*;

    fn settings() -> Settings {
        let mut settings = resolve(&Options::default()).unwrap();
        let group = settings.groups[0].clone();
        settings.groups = ["west", "east"]
            .map(|name| wasmote_fleet::config::Group { name: name.into(), count: 2, ..group.clone() })
            .into();
        settings.faults = FaultSet::preset("none").unwrap();
        settings
    }

    fn set(id: &str) -> FaultSet {
        let text = format!("[[fault]]\nkind = \"loss\"\nid = \"{id}\"\nprobability = 1\n");
        FaultSet::parse("test", &text, Format::Toml, &NoLibrary).unwrap()
    }

    fn ids(effective: &Value) -> String {
        let ids =
            effective["fault"].as_array().into_iter().flatten().filter_map(|fault| fault["id"].as_str());
        effective.as_str().map_or_else(|| ids.collect::<Vec<_>>().join("+"), str::to_owned)
    }

    /// Faults of both groups, and of each device with different faults.
    fn effective(faults: &FaultRegistry, devices: &[Arc<Identity>]) -> [String; 3] {
        let group = |name| ids(&group_faults(faults, name).unwrap());
        let own = (0..4).filter_map(|at| Some(format!("{at} {}", ids(&device_faults(faults, at, devices)?))));
        [group("west"), group("east"), own.collect::<Vec<_>>().join(", ")]
    }

    fn set_faults(
        faults: &mut FaultRegistry,
        devices: &[Arc<Identity>],
        scope: &Scope,
        set: Option<&FaultSet>,
    ) {
        scope.resolve(devices).iter().for_each(|scope| faults.set(scope, set.cloned()));
    }

    #[test]
    fn faults_of_a_device_precede_those_of_its_group_and_of_the_fleet() {
        let settings = settings();
        let devices = wasmote_fleet::blueprints::all_identities(&settings);
        let mut faults = FaultRegistry::new(&settings);
        assert_eq!(effective(&faults, &devices), ["none", "none", ""]);
        set_faults(&mut faults, &devices, &Scope::Group("west".into()), Some(&set("own")));
        assert_eq!(effective(&faults, &devices), ["own", "none", ""]);
        set_faults(&mut faults, &devices, &Scope::Fleet, Some(&set("all")));
        assert_eq!(effective(&faults, &devices), ["own", "all", ""]);
        set_faults(&mut faults, &devices, &Scope::Devices(Pattern::new("*-1")), Some(&set("some")));
        assert_eq!(effective(&faults, &devices), ["own", "all", "1 some, 3 some"]);
        set_faults(&mut faults, &devices, &Scope::Group("west".into()), None);
        assert_eq!(effective(&faults, &devices), ["all", "all", "1 some, 3 some"]);
        set_faults(&mut faults, &devices, &Scope::Devices(Pattern::new("west-1")), None);
        set_faults(&mut faults, &devices, &Scope::Fleet, None);
        assert_eq!(effective(&faults, &devices), ["none", "none", "3 some"]);
    }

    #[test]
    fn temporary_faults_are_added_and_removed_again() {
        let settings = settings();
        let devices = wasmote_fleet::blueprints::all_identities(&settings);
        let mut faults = FaultRegistry::new(&settings);
        let temporary = |id: &str, devices| {
            let mut set = set(id);
            TemporaryFault {
                entry: set.document.faults.remove(0),
                fault: Arc::clone(&set.faults[0]),
                devices,
            }
        };
        faults.begin(1, temporary("beside", Some(vec![2])));
        assert_eq!(effective(&faults, &devices), ["none", "none", "2 beside"]);
        set_faults(&mut faults, &devices, &Scope::Fleet, Some(&set("all")));
        assert_eq!(effective(&faults, &devices), ["all", "all", "2 all+beside"]);
        faults.begin(2, temporary("everywhere", None));
        assert_eq!(
            effective(&faults, &devices),
            ["all+everywhere", "all+everywhere", "2 all+beside+everywhere"]
        );
        faults.end(1);
        assert_eq!(effective(&faults, &devices), ["all+everywhere", "all+everywhere", ""]);
        faults.end(2);
        assert_eq!(effective(&faults, &devices), ["all", "all", ""]);
    }

    /// Pods of both sides get a partition. Pods do not get other faults of another group.
    #[test]
    fn pods_of_other_groups_know_partitioned_devices_by_their_names() {
        let settings = settings();
        let devices = wasmote_fleet::blueprints::all_identities(&settings);
        let mut faults = FaultRegistry::new(&settings);
        let text = "[[fault]]\nkind = \"partition\"\ngroup = \"west\"\npeers = [\"east-*\"]\n\
            [[fault]]\nkind = \"loss\"\ngroup = \"west\"\nprobability = 1\n";
        let set = FaultSet::parse("test", text, Format::Toml, &NoLibrary).unwrap();
        set_faults(&mut faults, &devices, &Scope::Fleet, Some(&set));
        let (west, east) = (group_faults(&faults, "west").unwrap(), group_faults(&faults, "east").unwrap());
        assert_eq!(west["fault"].as_array().map(Vec::len), Some(2));
        assert_eq!(west["fault"][0]["group"], "west");
        assert_eq!(east["fault"].as_array().map(Vec::len), Some(1));
        assert_eq!((&east["fault"][0]["device"], east["fault"][0].get("group")), (&"west-*".into(), None));
    }
}
