//! `GET /status`: of the only device, of one of many, or of the fleet.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use wasmote_live::fleet::STATUS_BATCH;
use wasmote_live::status::DeviceStatus;

use super::Api;
use super::endpoint::{Endpoint, get, text};
use super::error::ApiError;
use super::extract::Params;
use super::state::{ActiveFaultView, DeviceState};

/// One device, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceView {
    device: String,
    group: String,
    behaviour: String,
    /// SHA-256 of the component that it runs, or starts with next.
    behaviour_version: String,
    state: DeviceState,
    why: Option<String>,
    uptime_s: Option<f64>,
    seed: u64,
    broker: String,
    active_faults: Vec<ActiveFaultView>,
    version: &'static str,
}

impl DeviceView {
    /// A device at this moment.
    pub fn new(status: &DeviceStatus, api: &Api) -> Self {
        let now = api.uptime();
        let (state, why) = DeviceState::of(status, now);
        Self {
            device: status.identity.id.to_string(),
            group: status.identity.group.to_string(),
            behaviour: status.behaviour.clone(),
            behaviour_version: status.version.sha256.to_string(),
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

/// A fleet, as it is shown.
#[derive(Clone, Debug, Default, Serialize)]
struct FleetView {
    devices: usize,
    states: BTreeMap<DeviceState, u64>,
    groups: Vec<GroupView>,
    uptime_s: f64,
    seed: u64,
    broker: String,
    /// Devices that each fault holds now.
    active_faults: BTreeMap<String, u64>,
    version: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct GroupView {
    group: String,
    behaviour: String,
    devices: usize,
}

/// Which device is meant; the fleet when none is named and there are several.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceQuery {
    device: Option<String>,
}

impl DeviceQuery {
    /// The name that was given.
    pub fn named(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// The device that is meant.
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
            .summary("The only device, the device that is named, or the fleet")
            .query("device", text(), "A device's name")
            .response("Status")
            .error(404, "No device has this name"),
    ]
}

async fn status(
    Shared(api): Shared<Arc<Api>>,
    Params(query): Params<DeviceQuery>,
) -> Result<Response, ApiError> {
    Ok(match query.device(&api)? {
        Some(id) => Json(DeviceView::new(&api.fleet.status(&id).await?, &api)).into_response(),
        None => Json(fleet(&api).await?).into_response(),
    })
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
            *view.states.entry(DeviceState::of(&status, now).0).or_default() += 1;
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
