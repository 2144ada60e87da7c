//! `GET /devices`, a paged list of devices, and `GET /devices/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wasmote_fleet::metrics::Snapshot;
use wasmote_fleet::metrics::json::Metrics;
use wasmote_live::fleet::STATUS_BATCH;
use wasmote_live::status::{DeviceStatus, SessionStatus, Totals};
use wasmote_mqtt::message::{Qos, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::TopicFilter;
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
    /// The MQTT session.
    session: SessionView,
    /// Message that the broker publishes if the connection ends without DISCONNECT.
    will: Option<WillView>,
    /// Topic filters of the behaviour.
    subscriptions: Vec<SubscriptionView>,
    /// Configuration of its group, without values whose names are those of secrets.
    config: Map<String, Value>,
    /// Energy left in its battery, in joules; null without a battery.
    battery_joules: Option<f64>,
    /// Seconds by which its calendar clock is ahead.
    clock_error_s: f64,
    /// Metrics of the device.
    metrics: Metrics,
}

/// The MQTT session of a device.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct SessionView {
    /// Version of MQTT.
    #[schemars(extend("enum" = ["3.1.1", "5"]))]
    protocol: &'static str,
    /// Keepalive in seconds, as agreed with the broker; zero means none.
    keep_alive_s: u16,
    /// Seconds that the broker keeps the session without a connection.
    expiry_s: u32,
    /// Whether each connection begins a new session.
    clean_start: bool,
    /// Messages on their way to the broker: not acknowledged or, at QoS 0, not written.
    in_flight: u64,
    /// Messages that wait for a connection, for a delay or for others to be acknowledged.
    queued: u64,
    /// Seconds for which the broker has not answered a ping; null if none is open.
    unanswered_s: Option<f64>,
}

/// The will of a device.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct WillView {
    /// Topic.
    topic: String,
    /// Payload as text, or its first 1,000 characters.
    payload: String,
    /// Quality of service.
    qos: u8,
    /// Whether the broker retains it.
    retain: bool,
    /// Seconds between the end of the connection and the will.
    delay_s: u32,
}

/// A subscription of a device.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct SubscriptionView {
    /// Topic filter.
    filter: String,
    /// Quality of service.
    qos: u8,
}

/// Length of the text of a payload.
const MAX_PAYLOAD_TEXT: usize = 1_000;
/// Parts of names of values that are not shown.
const SECRET_NAMES: [&str; 6] = ["password", "passwd", "secret", "token", "credential", "private"];

impl SessionView {
    fn new(session: SessionStatus, totals: &Totals) -> Self {
        Self {
            protocol: match session.protocol {
                Protocol::V4 => "3.1.1",
                Protocol::V5 => "5",
            },
            keep_alive_s: session.keep_alive_s,
            expiry_s: session.expiry_s,
            clean_start: session.expiry_s == 0,
            in_flight: totals.in_flight,
            queued: totals.waiting.0.saturating_sub(totals.in_flight),
            unanswered_s: session.unanswered.map(|waited| waited.as_millis() as f64 / 1_000.0),
        }
    }
}

impl WillView {
    fn new(will: &Will) -> Self {
        let Will { message, delay } = will;
        Self {
            topic: message.topic.as_str().to_owned(),
            payload: String::from_utf8_lossy(&message.payload).chars().take(MAX_PAYLOAD_TEXT).collect(),
            qos: message.qos as u8,
            retain: message.retain,
            delay_s: *delay,
        }
    }
}

/// The value without fields whose names are those of secrets, at every depth.
fn without_secrets(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(public_fields(fields)),
        Value::Array(items) => items.into_iter().map(without_secrets).collect(),
        other => other,
    }
}

fn public_fields(fields: Map<String, Value>) -> Map<String, Value> {
    let shown = |(name, value): (String, Value)| {
        let lower = name.to_lowercase();
        match SECRET_NAMES.iter().any(|secret| lower.contains(secret)) {
            true => (name, Value::from("not shown")),
            false => (name, without_secrets(value)),
        }
    };
    fields.into_iter().map(shown).collect()
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
    let detail = api.fleet.detail(device.id()).await?;
    let view = DeviceView::new(&status, &api);
    let group = api.versions.groups().into_iter().find(|group| *group.name == *status.identity.group);
    let subscription = |(filter, qos): &(TopicFilter, Qos)| SubscriptionView {
        filter: filter.as_str().to_owned(),
        qos: *qos as u8,
    };
    let session = SessionView::new(detail.session, &status.totals);
    let snapshot = Snapshot { totals: status.totals, uptime: api.uptime(), ..Snapshot::default() };
    Ok(Json(DeviceDetail {
        status: view,
        session,
        will: detail.will.as_ref().map(WillView::new),
        subscriptions: detail.subscriptions.iter().map(subscription).collect(),
        config: group.map(|group| public_fields(group.config)).unwrap_or_default(),
        battery_joules: status.joules,
        clock_error_s: status.clock_error_s,
        metrics: Metrics::new(&snapshot),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_with_the_names_of_secrets_are_not_shown() {
        let config =
            json!({"interval": "1s", "api_Token": "t", "http": {"headers": [{"Password": "p"}], "url": "u"}});
        let wanted = json!({
            "interval": "1s",
            "api_Token": "not shown",
            "http": {"headers": [{"Password": "not shown"}], "url": "u"},
        });
        assert_eq!(without_secrets(config), wanted);
    }
}
