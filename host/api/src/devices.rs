//! `GET /devices`, a paged list of devices, and `GET /devices/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_fleet::metrics::Snapshot;
use wasmote_fleet::metrics::json::Metrics;
use wasmote_live::fleet::STATUS_BATCH;
use wasmote_live::status::DeviceStatus;
use wasmote_page::recording::State;

use super::Api;
use super::endpoint::{Endpoint, get};
use super::error::ApiError;
use super::extract::{Device, Params};
use super::state::{state_at, state_of};
use super::status::DeviceView;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Page {
    /// Devices to skip
    #[serde(default)]
    offset: usize,
    /// Devices to return: 100 by default, at most 1000
    #[schemars(range(min = 1, max = MAX_LIMIT))]
    limit: Option<usize>,
    /// Only devices of this group
    group: Option<String>,
    /// Only devices in this state
    state: Option<State>,
}

/// A page of the list of devices.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DevicePage")]
struct Listing {
    /// Number of matching devices on all pages.
    total: usize,
    /// Number of devices before this page.
    offset: usize,
    /// Maximum number of devices on a page.
    limit: usize,
    /// The devices of this page.
    devices: Vec<DeviceRow>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct DeviceRow {
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
    /// Reason why the device is not connected.
    why: Option<String>,
    /// Seconds since the behaviour started; null if it is not running.
    uptime_s: Option<f64>,
    /// Messages handed to the MQTT connection.
    sent: u64,
    /// Messages given to the behaviour.
    received: u64,
}

/// State and metrics of one device.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Device")]
struct DeviceDetail {
    #[serde(flatten)]
    status: DeviceView,
    /// Metrics of the device.
    metrics: Metrics,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/devices", list)
            .summary("A paged list of devices")
            .query::<Page>()
            .response::<Listing>()
            .error(400, "A parameter is wrong")
            .error(404, "No group has this name"),
        get("/devices/{id}", one)
            .summary("One device, with its metrics")
            .response::<DeviceDetail>()
            .error(404, "No device has this name"),
    ]
}

async fn list(Shared(api): Shared<Arc<Api>>, Params(page): Params<Page>) -> Result<Json<Listing>, ApiError> {
    let limit = page.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(
            ApiError::bad_request("limit", format!("use 1 to {MAX_LIMIT}, found {limit}")).found(limit)
        );
    }
    if let Some(group) = &page.group {
        api.group(group)?;
    }
    let mut listing = Listing { total: 0, offset: page.offset, limit, devices: Vec::new() };
    match page.state {
        Some(state) => by_state(&api, &page, state, &mut listing).await?,
        None => by_position(&api, &page, &mut listing).await?,
    }
    Ok(Json(listing))
}

/// Lists devices in order of position. Queries only the devices on the page.
async fn by_position(api: &Api, page: &Page, listing: &mut Listing) -> Result<(), ApiError> {
    let matches = |position: &usize| {
        page.group.as_ref().is_none_or(|group| **group == *api.fleet.devices()[*position].group)
    };
    let matching: Vec<usize> = (0..api.fleet.devices().len()).filter(matches).collect();
    listing.total = matching.len();
    let mut shown = matching.into_iter().skip(page.offset).take(listing.limit).peekable();
    // Devices of a group have consecutive positions, so this is usually one query.
    while let Some(first) = shown.next() {
        let mut last = first;
        while let Some(next) = shown.next_if_eq(&(last + 1)) {
            last = next;
        }
        let statuses = api.fleet.statuses(first..last + 1).await?;
        listing.devices.extend(statuses.iter().map(|status| device_row(status, api)));
    }
    Ok(())
}

/// Lists the devices in a state. Queries all devices, because the fleet has no index by state.
async fn by_state(api: &Api, page: &Page, state: State, listing: &mut Listing) -> Result<(), ApiError> {
    let devices = api.fleet.devices().len();
    for first in (0..devices).step_by(STATUS_BATCH) {
        for status in api.fleet.statuses(first..(first + STATUS_BATCH).min(devices)).await? {
            let in_group = page.group.as_ref().is_none_or(|group| **group == *status.identity.group);
            if !in_group || state_of(&status).0 != state {
                continue;
            }
            listing.total += 1;
            if listing.total > page.offset && listing.devices.len() < listing.limit {
                listing.devices.push(device_row(&status, api));
            }
        }
    }
    Ok(())
}

fn device_row(status: &DeviceStatus, api: &Api) -> DeviceRow {
    let (state, why) = state_at(status, api.uptime());
    DeviceRow {
        device: status.identity.id.to_string(),
        group: status.identity.group.to_string(),
        behaviour: status.behaviour.clone(),
        behaviour_version: status.version.sha256.to_string(),
        state,
        why,
        uptime_s: status.uptime.map(|uptime| uptime.as_millis() as f64 / 1_000.0),
        sent: status.totals.ledger.sent,
        received: status.totals.ledger.received,
    }
}

async fn one(Shared(api): Shared<Arc<Api>>, device: Device) -> Result<Json<DeviceDetail>, ApiError> {
    let status = api.fleet.status(device.id()).await?;
    let view = DeviceView::new(&status, &api);
    let snapshot = Snapshot { totals: status.totals, uptime: api.uptime(), ..Snapshot::default() };
    Ok(Json(DeviceDetail { status: view, metrics: Metrics::new(&snapshot) }))
}
