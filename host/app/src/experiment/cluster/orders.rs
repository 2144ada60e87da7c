//! What pods are asked to do over their own API, and what of their faults they have been told.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::Value;
use wasmote_sim::device_id::Identity;

use super::faults::Faults;
use crate::gather::tell::{Body, Order};
use crate::manifests::fleet::{Fleet, PodGroup};

/// A pod, and what of its API.
type Place = (String, String);

/// Makes orders for a fleet.
pub struct Orders<'a> {
    fleet: &'a Fleet,
    devices: &'a [Arc<Identity>],
    /// The faults that places have; `None` where devices have those of their pods. Of a place that is not here it is not
    /// known, as an order came to nothing.
    told: BTreeMap<Place, Option<Value>>,
}

impl<'a> Orders<'a> {
    /// For a fleet that has been told of these faults by its manifests.
    pub fn new(fleet: &'a Fleet, devices: &'a [Arc<Identity>], faults: &Faults<'_>) -> Self {
        let mut orders = Self { fleet, devices, told: BTreeMap::new() };
        orders.told = orders.wanted(faults).into_iter().collect();
        orders
    }

    /// A request of one device, by its position.
    pub fn of_device(
        &self,
        position: usize,
        method: &Method,
        path: &str,
        body: Option<Body>,
    ) -> Option<Order> {
        let device = self.devices.get(position)?;
        let path = format!("/devices/{}{path}", device.id);
        Some(Order { to: self.pod_of(device)?, method: method.clone(), path, body })
    }

    /// For whoever has other faults now, or may not know of those that it has.
    pub fn of_faults(&mut self, faults: &Faults<'_>) -> Vec<Order> {
        let mut orders = Vec::new();
        for (place, now) in self.wanted(faults) {
            if self.told.get(&place) == Some(&now) {
                continue;
            }
            let (to, path) = place.clone();
            let method = if now.is_some() { Method::PUT } else { Method::DELETE };
            orders.push(Order { to, method, path, body: now.as_ref().map(Body::json) });
            self.told.insert(place, now);
        }
        orders
    }

    /// One of these came to nothing, or nobody knows.
    pub fn came_to_nothing(&mut self, order: &Order) {
        self.told.remove(&(order.to.clone(), order.path.clone()));
    }

    /// The faults that every place has to have.
    fn wanted(&self, faults: &Faults<'_>) -> Vec<(Place, Option<Value>)> {
        let groups = self.fleet.groups.iter().flat_map(|group| {
            let now = faults.of_group(&group.group);
            let pods = (0..group.replicas).map(|number| (pod(group, number), "/faults".to_owned()));
            pods.map(move |place| (place, now.clone()))
        });
        let devices = self.devices.iter().enumerate().filter_map(|(position, device)| {
            let place = (self.pod_of(device)?, format!("/devices/{}/faults", device.id));
            Some((place, faults.of_device(position)))
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
