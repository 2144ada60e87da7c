//! Steps on a cluster: the HTTP requests that pods need for them.

use bytes::Bytes;
use serde_json::Value;

use super::selector::Devices;
use crate::fault_registry::FaultRegistry;

/// Interface of steps to a fleet in pods.
#[derive(Clone, Debug)]
pub struct PodFleet<'a> {
    /// All devices, and the seed by which some of them are drawn.
    pub devices: Devices<'a>,
    /// The faults that pods and devices must have.
    pub faults: FaultRegistry,
}

/// Requests that a step needs.
#[derive(Clone, Debug, PartialEq)]
pub enum PodRequests {
    /// One request for each of these devices.
    Devices(Vec<DeviceRequest>),
    /// Fault sets for all pods and devices whose faults changed in the registry.
    Faults,
    /// Fault sets for all changed pods and devices. The fault with this number is removed again as soon as the devices have
    /// it, because each device ends its effect by itself.
    BriefFault(usize),
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

impl PodFleet<'_> {
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
