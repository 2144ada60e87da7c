//! What pods are asked to do over their own API, and what of their faults they have been told.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::Value;
use wasmote_mqtt::device_id::Identity;

use super::faults::ClusterFaults;
use crate::fleet_query::send::{PodRequest, RequestBody};
use crate::manifests::fleet::{FleetManifests, PodGroup};

/// A pod, and what of its API.
type Endpoint = (String, String);

/// Makes orders for a fleet.
pub struct FleetRequests<'a> {
    fleet: &'a FleetManifests,
    devices: &'a [Arc<Identity>],
    /// The faults that places have; `None` where devices have those of their pods. Of a place that is not here it is not
    /// known, as an order came to nothing.
    acknowledged: BTreeMap<Endpoint, Option<Value>>,
}

impl<'a> FleetRequests<'a> {
    /// For a fleet that has been told of these faults by its manifests.
    pub fn new(fleet: &'a FleetManifests, devices: &'a [Arc<Identity>], faults: &ClusterFaults<'_>) -> Self {
        let mut requests = Self { fleet, devices, acknowledged: BTreeMap::new() };
        requests.acknowledged = requests.desired(faults).into_iter().collect();
        requests
    }

    /// A request of one device, by its position.
    pub fn device_request(
        &self,
        position: usize,
        method: &Method,
        path: &str,
        body: Option<RequestBody>,
    ) -> Option<PodRequest> {
        let device = self.devices.get(position)?;
        let path = format!("/devices/{}{path}", device.id);
        Some(PodRequest { to: self.pod_of(device)?, method: method.clone(), path, body })
    }

    /// For whoever has other faults now, or may not know of those that it has.
    pub fn fault_updates(&mut self, faults: &ClusterFaults<'_>) -> Vec<PodRequest> {
        let mut requests = Vec::new();
        for (endpoint, now) in self.desired(faults) {
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

    /// One of these came to nothing, or nobody knows.
    pub fn mark_failed(&mut self, request: &PodRequest) {
        self.acknowledged.remove(&(request.to.clone(), request.path.clone()));
    }

    /// The faults that every place has to have.
    fn desired(&self, faults: &ClusterFaults<'_>) -> Vec<(Endpoint, Option<Value>)> {
        let groups = self.fleet.groups.iter().flat_map(|group| {
            let now = faults.group_faults(&group.group);
            let pods = (0..group.replicas).map(|number| (pod(group, number), "/faults".to_owned()));
            pods.map(move |endpoint| (endpoint, now.clone()))
        });
        let devices = self.devices.iter().enumerate().filter_map(|(position, device)| {
            let endpoint = (self.pod_of(device)?, format!("/devices/{}/faults", device.id));
            Some((endpoint, faults.device_faults(position)))
        });
        groups.chain(devices).collect()
    }

    /// Devices are dealt out to pods in turn.
    fn pod_of(&self, device: &Identity) -> Option<String> {
        let group = self.fleet.groups.iter().find(|pods| pods.group == *device.group)?;
        Some(pod(group, device.index % group.replicas.max(1)))
    }
}

/// The pod with this number of a group, from 0 on. Kubernetes counts them from 1, as shares are counted.
fn pod(group: &PodGroup, number: u32) -> String {
    format!("{}-{}", group.name, number + 1)
}
