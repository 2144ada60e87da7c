//! Steps on a cluster: the HTTP requests that pods need for them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::Message;
use wasmote_sim::rng::Seed;

use super::selector::Devices;
use crate::config::Group;
use crate::fault_registry::FaultRegistry;

/// Interface of steps to a fleet in pods.
#[derive(Clone, Debug)]
pub struct PodFleet {
    /// All devices, also those that have joined.
    pub identities: Vec<Arc<Identity>>,
    /// The seed by which some of them are drawn.
    pub seed: Seed,
    /// The faults that pods and devices must have.
    pub faults: FaultRegistry,
}

/// Requests that a step needs.
#[derive(Clone, Debug)]
pub enum PodRequests {
    /// One request for each of these devices.
    Devices(Vec<DeviceRequest>),
    /// Fault sets for all pods and devices whose faults changed in the registry.
    Faults,
    /// Fault sets for all changed pods and devices. The fault with this number is removed again as soon as the devices have
    /// it, because each device ends its effect by itself.
    BriefFault(usize),
    /// A change of a group, sent to each of its pods.
    Change(Box<GroupChange>),
    /// More devices of a group: each of its pods adds some.
    Add {
        /// The group.
        group: String,
        /// The number of devices.
        count: u32,
    },
    /// A message of the host, over a connection of its own to the broker.
    Host(Message),
}

/// A change of a group's configuration or behaviour.
#[derive(Clone, Debug)]
pub struct GroupChange {
    /// The group as it is from then on.
    pub group: Group,
    /// True if its behaviour changes, and not only its configuration.
    pub with_component: bool,
    /// True if running devices start again.
    pub restart: bool,
    /// Time during which a trap restores the old version.
    pub trial: Duration,
    /// Positions of the devices that change; `None` for all.
    pub devices: Option<Vec<usize>>,
}

/// A request to the HTTP API for one device.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceRequest {
    /// The device, by position.
    pub device: usize,
    /// The HTTP method.
    pub method: String,
    /// The path below `/devices/NAME`.
    pub path: String,
    /// The body, if there is one.
    pub body: Option<RequestBody>,
}

/// The body of a request with its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestBody {
    /// Names and values, the content type among them.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub bytes: Bytes,
}

impl RequestBody {
    /// A JSON document.
    pub fn json(value: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { headers, bytes: value.to_string().into() }
    }
}

impl PodFleet {
    /// All devices, and the seed by which some of them are drawn.
    pub fn devices(&self) -> Devices<'_> {
        Devices { identities: &self.identities, seed: self.seed }
    }

    /// Adds devices to a group, under the names that its pods give them.
    pub fn add(&mut self, group: &str, count: u32) -> Result<(), String> {
        let members = self.identities.iter().filter(|device| *device.group == *group);
        let Some(template) = members.max_by_key(|device| device.index).cloned() else {
            return Err(format!("the group `{group}` has no device"));
        };
        let from = template.index + 1;
        let count = from.checked_add(count).ok_or("a group cannot have so many devices")?;
        for index in from..count {
            let id = DeviceId::new(&format!("{group}-{index}")).map_err(|invalid| invalid.to_string())?;
            self.identities.push(Arc::new(Identity { id, index, count, ..(*template).clone() }));
        }
        Ok(())
    }

    /// The same request for each of these devices.
    pub fn request_each(
        devices: Vec<usize>,
        method: &str,
        path: &str,
        body: Option<&RequestBody>,
    ) -> PodRequests {
        let request = |device| DeviceRequest {
            device,
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.cloned(),
        };
        PodRequests::Devices(devices.into_iter().map(request).collect())
    }
}
