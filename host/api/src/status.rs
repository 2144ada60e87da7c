//! `GET /status`: state of a device or of the fleet.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_live::fleet::STATUS_BATCH;
use wasmote_live::status::DeviceStatus;
use wasmote_page::recording::State;

use super::Api;
use super::endpoint::{Endpoint, get};
use super::error::ApiError;
use super::extract::Params;
use super::state::{ActiveFaultView, state_at, state_of};

/// State of one device.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeviceStatus")]
pub struct DeviceView {
    /// Name of the device.
    device: String,
    /// Name of its group.
    group: String,
    /// Name of its behaviour.
    behaviour: String,
    /// SHA-256 of the running component, or of the component for the next start.
    behaviour_version: String,
    /// State of the device.
    state: State,
    /// MQTT client identifier.
    client_id: String,
    /// Reason why the device is not connected.
    why: Option<String>,
    /// Seconds since the behaviour started; null if it is not running.
    uptime_s: Option<f64>,
    /// Seed of the run.
    seed: u64,
    /// URL of the broker.
    broker: String,
    /// Faults that act on the device now.
    active_faults: Vec<ActiveFaultView>,
    /// Version of the program.
    version: &'static str,
}

impl DeviceView {
    /// Creates the view of a device at the current time.
    pub fn new(status: &DeviceStatus, api: &Api) -> Self {
        let now = api.uptime();
        let (state, why) = state_at(status, now);
        Self {
            device: status.identity.id.to_string(),
            group: status.identity.group.to_string(),
            behaviour: status.behaviour.clone(),
            behaviour_version: status.version.sha256.to_string(),
            client_id: status.identity.client_id().to_owned(),
            state,
            why,
            uptime_s: status.uptime.map(|uptime| uptime.as_millis() as f64 / 1_000.0),
            seed: api.run_info.seed.value(),
            broker: api.run_info.broker.clone(),
            active_faults: status
                .active_faults
                .iter()
                .map(|fault| ActiveFaultView::new(fault, now))
                .collect(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// State of the fleet.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "FleetStatus")]
struct FleetView {
    /// Number of devices.
    devices: usize,
    /// Number of devices by state.
    #[schemars(with = "BTreeMap<String, u64>")]
    states: BTreeMap<State, u64>,
    /// The groups.
    groups: Vec<GroupView>,
    /// Seconds since the fleet started.
    uptime_s: f64,
    /// Seed of the run.
    seed: u64,
    /// URL of the broker.
    broker: String,
    /// Number of devices that each fault acts on now.
    active_faults: BTreeMap<String, u64>,
    /// Version of the program.
    version: &'static str,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct GroupView {
    /// Name of the group.
    group: String,
    /// Name of its behaviour.
    behaviour: String,
    /// Number of its devices.
    devices: usize,
}

/// State of one device, or of the fleet.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Status {
    Device(DeviceView),
    Fleet(FleetView),
}

/// Query with the name of a device.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceQuery {
    /// A device's name
    device: Option<String>,
}

impl DeviceQuery {
    /// The name in the query.
    pub fn named(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// The named device, or the device of a single-device fleet; `None` for a fleet of several devices.
    pub fn device(&self, api: &Api) -> Result<Option<String>, ApiError> {
        match &self.device {
            Some(id) => api.position(id).map(|_| Some(id.clone())),
            None => Ok(api.only_device().map(|device| device.id.to_string())),
        }
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/status", status)
            .summary("State of the named device, of a single-device fleet's device, or of the fleet")
            .query::<DeviceQuery>()
            .response::<Status>()
            .error(404, "No device has this name"),
    ]
}

async fn status(
    Shared(api): Shared<Arc<Api>>,
    Params(query): Params<DeviceQuery>,
) -> Result<Json<Status>, ApiError> {
    Ok(Json(match query.device(&api)? {
        Some(id) => Status::Device(DeviceView::new(&api.fleet.status(&id).await?, &api)),
        None => Status::Fleet(fleet(&api).await?),
    }))
}

async fn fleet(api: &Api) -> Result<FleetView, ApiError> {
    let mut view = FleetView {
        devices: api.fleet.devices().len(),
        groups: groups(api),
        seed: api.run_info.seed.value(),
        broker: api.run_info.broker.clone(),
        version: env!("CARGO_PKG_VERSION"),
        ..FleetView::default()
    };
    let now = api.uptime();
    view.uptime_s = now.as_millis() as f64 / 1_000.0;
    for first in (0..view.devices).step_by(STATUS_BATCH) {
        let last = (first + STATUS_BATCH).min(view.devices);
        for status in api.fleet.statuses(first..last).await? {
            *view.states.entry(state_of(&status).0).or_default() += 1;
            for fault in &status.active_faults {
                *view.active_faults.entry(fault.id.to_string()).or_default() += 1;
            }
        }
    }
    Ok(view)
}

fn groups(api: &Api) -> Vec<GroupView> {
    let devices = api.fleet.devices();
    let count = |name: &str| devices.iter().filter(|device| *device.group == *name).count();
    let view = |(name, info): (&String, &super::GroupInfo)| GroupView {
        group: name.clone(),
        behaviour: info.behaviour.clone(),
        devices: count(name),
    };
    api.run_info.groups.iter().map(view).collect()
}
