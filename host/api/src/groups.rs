//! Group resources: `POST /groups/{group}/devices` adds devices; `PUT /groups/{group}/behaviour` gives a group another
//! configuration or behaviour. The steps of a plan on a cluster are such requests to its pods.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, Request, State as Shared};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use wasmote_fleet::actions::Action;
use wasmote_fleet::actions::add::Add;
use wasmote_fleet::actions::configure::Configure;
use wasmote_fleet::component_file::MAX_BYTES;
use wasmote_fleet::config::values::{DeviceCount, Sha256Pin};
use wasmote_fleet::document::parse_object;
use wasmote_fleet::versions::NewVersion;
use wasmote_fleet::versions::groups::{ChangedGroup, GroupChange, MAX_ADDED};
use wasmote_live::fleet::PowerCommand;
use wasmote_mqtt::device_id::is_name;
use wasmote_sim::faults::span::Span;

use super::Api;
use super::behaviours::{decoded_signature, parsed_reference};
use super::endpoint::{Endpoint, post, put};
use super::error::ApiError;
use super::extract::{Body, Example, Group, JsonBody, is_json, wrong_type};

/// Devices to add.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MoreDevices {
    /// The number of devices.
    #[serde(deserialize_with = "whole_number")]
    #[schemars(range(min = 1, max = 10_000))]
    count: u32,
}

/// Reads a whole number. JSON Schema counts `2.0` among the integers.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = f64::deserialize(deserializer)?;
    let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    match is_whole {
        true => Ok(number as u32),
        false => Err(D::Error::custom(format!("expected a whole number from 0 on, found {number}"))),
    }
}

impl Example for MoreDevices {
    const EXAMPLE: &'static str = r#"{"count": 5}"#;
}

/// Devices that joined.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Joined")]
struct Joined {
    /// The group.
    group: String,
    /// Names of the devices that joined in this process; with `--shard`, other processes have the rest.
    devices: Vec<String>,
    /// Number of devices of the group, also those of other processes.
    count: u32,
}

/// A change of a group. Fields that are absent stay as they are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("anyOf" = [{"required": ["component"]}, {"required": ["from"]}, {"required": ["config"]}]))]
struct BehaviourChange {
    /// The component in base64, plain or packed with gzip.
    #[schemars(extend("contentEncoding" = "base64"))]
    component: Option<String>,
    /// Reference to the component, instead of `component`: `oci://REGISTRY/NAME:TAG` or a URL. Its host must be allowed by
    /// `--http-fetch-from`.
    from: Option<String>,
    /// Signature of `component`, in base64: the file that minisign writes.
    signature: Option<String>,
    /// Name of the component; by default that of the group's behaviour.
    behaviour: Option<String>,
    /// SHA-256 that the component must have.
    sha256: Option<Sha256Pin>,
    /// The whole configuration of the devices.
    config: Option<Map<String, Value>>,
    /// Whether running devices start again, without their state; otherwise they keep their state and their sessions.
    restart: bool,
    /// Time during which a trap restores the old version; 10 s by default.
    trial: Option<Span>,
    /// Names of the devices that change; all by default. Names of other processes are ignored.
    devices: Option<Vec<String>>,
}

/// Result of a change of a group.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GroupChange")]
struct Changed {
    /// The group.
    group: String,
    /// Name of the behaviour that the devices have now.
    behaviour: String,
    /// SHA-256 of its component.
    sha256: String,
    /// Number of devices of this process that were to change.
    devices: u64,
    /// Number of them that changed; the others hang, or keep the old version.
    changed: u64,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let described = |endpoint: Endpoint| {
        endpoint
            .error(400, "A field is missing or wrong")
            .error(403, "The component may not be fetched from this host")
            .error(502, "The registry or the server does not give the component")
            .error(404, "No group has this name")
            .error(408, "The body did not arrive in time")
            .error(409, "A change is in progress, or the fleet belongs to a plan")
            .error(413, "The body is too large")
            .error(415, "The body is not JSON")
            .error(422, "The devices cannot have this, and nothing has changed")
    };
    vec![
        described(post("/groups/{group}/devices", add))
            .summary("Add devices to the group; the same request to each process of a sharded fleet adds all of them")
            .body::<MoreDevices>(&["application/json"])
            .response::<Joined>(),
        described(put("/groups/{group}/behaviour", change).body_limit(MAX_BYTES))
            .summary("Give the group, or some of its devices, another configuration or behaviour")
            .body::<BehaviourChange>(&["application/json"])
            .response::<Changed>(),
    ]
}

async fn add(
    Shared(api): Shared<Arc<Api>>,
    group: Group,
    JsonBody(MoreDevices { count }): JsonBody<MoreDevices>,
) -> Result<Json<Joined>, ApiError> {
    if !(1..=MAX_ADDED).contains(&count) {
        let problem = format!("a request adds 1 to {MAX_ADDED} devices");
        return Err(ApiError::bad_request("count", problem).found(count));
    }
    let added = api.versions.add_devices(&group.name, count)?;
    api.audit(Action::Add(Add { group: group.name.clone(), count: DeviceCount(count) }));
    let positions: Vec<usize> = added.positions.collect();
    let devices = api.fleet.devices();
    {
        let registry = api.faults.lock().await;
        api.fleet.assign_faults(registry.assignments(positions.clone(), &devices)).await?;
    }
    api.fleet.power_all(&positions, PowerCommand::Start).await?;
    let names = positions.iter().map(|position| devices[*position].id.to_string()).collect();
    Ok(Json(Joined { group: group.name, devices: names, count: added.count }))
}

async fn change(
    Shared(api): Shared<Arc<Api>>,
    group: Group,
    ChangeBody(body): ChangeBody,
) -> Result<Json<Changed>, ApiError> {
    /// Trial of a plan's `swap`.
    const TRIAL: Duration = Duration::from_secs(10);
    let BehaviourChange { component, from, signature, behaviour, sha256, config, restart, trial, devices } =
        body;
    let name = behaviour.unwrap_or_else(|| group.info.behaviour.clone());
    let signature = signature.as_deref().map(decoded_signature).transpose()?;
    if !is_name(&name) {
        let problem = "a name has 1 to 64 letters, digits and `-._`";
        return Err(ApiError::bad_request("behaviour", problem).found(name.as_str()));
    }
    let decoded = component.map(|text| STANDARD.decode(text)).transpose();
    let bytes = decoded.map_err(|problem| ApiError::bad_request("component", problem.to_string()))?;
    let reference = from.as_deref().map(parsed_reference).transpose()?;
    let (bytes, signature, pin) = match (bytes, reference) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request("from", "there is a `component`, too; send one of them"));
        }
        (None, Some(reference)) => {
            let fetched = api.versions.fetch(&name, &reference, &api.run_info.access.fetch_from).await?;
            let NewVersion { bytes, signature, pins, .. } = NewVersion::fetched(&reference, fetched);
            (Some(bytes), signature, pins.into_iter().next())
        }
        (bytes, None) => (bytes, signature, None),
    };
    if bytes.is_none() && config.is_none() {
        return Err(ApiError::bad_request(
            "component",
            "give `component`, `config` or both; `from` can stand for `component`",
        ));
    }
    let change = GroupChange {
        component: bytes.map(|bytes| (name, bytes)),
        signature,
        sha256: pin.or(sha256.map(|pin| pin.0)),
        config,
        restart,
        trial: trial.map_or(TRIAL, |Span(trial)| trial),
        devices,
    };
    // A component is recorded with the versions of its behaviour, as that of `PUT /behaviours/{name}` is.
    let recorded = match (&change.component, &change.config, &change.devices, change.restart) {
        (None, Some(config), None, true) => Some(Action::Configure(Configure {
            group: group.name.clone(),
            config: config.clone(),
            behaviour: None,
        })),
        _ => None,
    };
    let (changing, group) = (Arc::clone(&api), group.name);
    let of = group.clone();
    // The change continues when the client disconnects.
    let task = tokio::spawn(async move { changing.versions.change_group(&of, change).await });
    let changed = task
        .await
        .map_err(|failed| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "group", failed.to_string()))?;
    let ChangedGroup { info, devices, changed } = changed?;
    recorded.into_iter().for_each(|action| api.audit(action));
    Ok(Json(Changed { group, behaviour: info.name, sha256: info.sha256, devices, changed }))
}

/// A body of up to [`MAX_BYTES`].
struct ChangeBody(BehaviourChange);

impl FromRequest<Arc<Api>> for ChangeBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ApiError> {
        let body = Body::within(MAX_BYTES, request, api).await?;
        if !is_json(&body.content_type) {
            return Err(wrong_type(&body.content_type, "application/json"));
        }
        let example = r#"a JSON object like {"config": {"interval": "1s"}}"#;
        Ok(Self(parse_object(&body.bytes, example)?))
    }
}
