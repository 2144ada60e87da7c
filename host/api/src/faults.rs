//! Fault endpoints: `/faults` of the fleet, of a group and of a device. The faults of a narrower scope replace the
//! inherited ones.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use wasmote_fleet::actions::Action;
use wasmote_fleet::actions::faults::Faults;
use wasmote_fleet::actions::scope::EntryScope;
use wasmote_fleet::document::{Format, parse_json, parse_object};
use wasmote_fleet::fault_registry::{FaultScope, FaultsView};
use wasmote_fleet::fault_set::{BROKER_FAULT_NEEDS_EMBEDDED, BROKER_FAULT_NEEDS_FLEET, FaultSet};
use wasmote_fleet::suggest::did_you_mean;
use wasmote_sim::faults::document::FaultDocument;

use super::Api;
use super::endpoint::{Endpoint, delete, get, put};
use super::error::ApiError;
use super::extract::{Body, Device, Group, is_json, wrong_type};

const TOML: &str = "application/toml";
/// Expected JSON body, for error messages.
const EXPECTED_BODY: &str = r#"a JSON object like {"fault": […]}, or a preset's name as a JSON string"#;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let shows = |endpoint: Endpoint, summary| {
        endpoint.summary(summary).response::<FaultsView>().error(404, "No group or device has this name")
    };
    let reads = |endpoint: Endpoint, summary| {
        shows(endpoint, summary)
            .body::<FaultsBody>(&["application/json", TOML])
            .error(400, "A field is missing or wrong")
            .error(413, "There are too many faults for the devices, or the body is too large")
            .error(415, "The body is neither JSON nor TOML")
    };
    vec![
        shows(get("/faults", show_fleet), "The fleet's faults"),
        reads(
            put("/faults", set_fleet),
            "Replace the fleet's faults; groups and devices with their own faults keep them",
        ),
        shows(delete("/faults", reset_fleet), "Restore the initial faults of the run"),
        get("/faults/scopes", scopes)
            .summary("The faults of the fleet, and of every group and device that has its own")
            .response::<Vec<FaultsView>>(),
        shows(get("/groups/{group}/faults", show_group), "The group's faults: its own, or the fleet's"),
        reads(put("/groups/{group}/faults", set_group), "Set the group's own faults"),
        shows(delete("/groups/{group}/faults", reset_group), "Restore the fleet's faults"),
        shows(
            get("/devices/{id}/faults", show_device),
            "The device's faults: its own, its group's or the fleet's",
        ),
        reads(put("/devices/{id}/faults", set_device), "Set the device's own faults"),
        shows(delete("/devices/{id}/faults", reset_device), "Restore the group's or the fleet's faults"),
    ]
}

/// Body of a request: a fault document, or the name of a preset.
struct FaultsBody;

impl JsonSchema for FaultsBody {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FaultsBody".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let document = generator.subschema_for::<FaultDocument>();
        json_schema!({"oneOf": [document, {"enum": FaultDocument::PRESETS}]})
    }
}

type FaultsResponse = Result<Json<FaultsView>, ApiError>;

async fn show_fleet(Shared(api): Shared<Arc<Api>>) -> FaultsResponse {
    show(&api, FaultScope::Fleet).await
}

async fn scopes(Shared(api): Shared<Arc<Api>>) -> Json<Vec<FaultsView>> {
    Json(api.faults.lock().await.own_sets(&api.fleet.devices()))
}

async fn set_fleet(Shared(api): Shared<Arc<Api>>, body: Body) -> FaultsResponse {
    let faults = read(&body, &api)?;
    change(&api, FaultScope::Fleet, Some(faults)).await
}

async fn reset_fleet(Shared(api): Shared<Arc<Api>>) -> FaultsResponse {
    change(&api, FaultScope::Fleet, None).await
}

async fn show_group(Shared(api): Shared<Arc<Api>>, group: Group) -> FaultsResponse {
    show(&api, FaultScope::Group(group.name)).await
}

async fn set_group(Shared(api): Shared<Arc<Api>>, group: Group, body: Body) -> FaultsResponse {
    let faults = read(&body, &api)?;
    change(&api, FaultScope::Group(group.name), Some(faults)).await
}

async fn reset_group(Shared(api): Shared<Arc<Api>>, group: Group) -> FaultsResponse {
    change(&api, FaultScope::Group(group.name), None).await
}

async fn show_device(Shared(api): Shared<Arc<Api>>, device: Device) -> FaultsResponse {
    show(&api, FaultScope::Device(device.position)).await
}

async fn set_device(Shared(api): Shared<Arc<Api>>, device: Device, body: Body) -> FaultsResponse {
    let faults = read(&body, &api)?;
    change(&api, FaultScope::Device(device.position), Some(faults)).await
}

async fn reset_device(Shared(api): Shared<Arc<Api>>, device: Device) -> FaultsResponse {
    change(&api, FaultScope::Device(device.position), None).await
}

async fn show(api: &Api, scope: FaultScope) -> FaultsResponse {
    Ok(Json(api.faults.lock().await.view(&scope, &api.fleet.devices())))
}

/// Changes the registry and the devices under one lock, so that concurrent changes keep them consistent.
async fn change(api: &Api, scope: FaultScope, faults: Option<FaultSet>) -> FaultsResponse {
    if let Some(faults) = faults.as_ref().filter(|_| !matches!(scope, FaultScope::Fleet)) {
        faults.reject_broker_faults(BROKER_FAULT_NEEDS_FLEET)?;
    }
    let mut registry = api.faults.lock().await;
    let is_new = faults.is_some();
    let action = Action::Faults(Faults::new(entry_scope(&scope, api), faults.as_ref()));
    registry
        .set_within_limit(&scope, faults, &api.fleet.devices())
        .map_err(|error| ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "fault", error.to_string()))?;
    api.audit(action);
    if let (FaultScope::Fleet, Some(broker)) = (&scope, api.fleet.broker()) {
        broker.set_faults(Arc::clone(&registry.of_fleet().faults), api.run_info.seed);
    }
    let devices = api.fleet.devices();
    let positions = registry.affected(&scope, &devices);
    api.fleet.assign_faults(registry.assignments(positions.clone(), &devices)).await?;
    let view = registry.view(&scope, &devices);
    // Only new sets get warnings: an inherited set may be intended for other devices.
    Ok(Json(if is_new { view.with_warnings(registry.warnings(&scope, &positions, &devices)) } else { view }))
}

/// Converts a scope to the form of timeline entries.
fn entry_scope(scope: &FaultScope, api: &Api) -> EntryScope {
    match scope {
        FaultScope::Fleet => EntryScope::default(),
        FaultScope::Group(name) => EntryScope { group: Some(name.clone()), device: None },
        FaultScope::Device(position) => {
            let name = api.fleet.devices().get(*position).map(|device| device.id.to_string());
            EntryScope { group: None, device: name }
        }
    }
}

/// Reads a document in JSON or TOML, or a preset's name as a JSON string.
fn read(body: &Body, api: &Api) -> Result<FaultSet, ApiError> {
    let library = api.run_info.models.without_files();
    let set = match body.content_type.as_str() {
        json if is_json(json) => match parse_json::<serde_json::Value>(&body.bytes)? {
            serde_json::Value::String(name) => return preset(&name),
            _ => FaultSet::new("http", parse_object(&body.bytes, EXPECTED_BODY)?, &library)?,
        },
        TOML | "text/toml" | "text/x-toml" => {
            let text = std::str::from_utf8(&body.bytes)
                .map_err(|_| ApiError::bad_request("body", "the body is not valid UTF-8"))?;
            FaultSet::parse("http", text, Format::Toml, &library)?
        }
        other => return Err(wrong_type(other, "application/json or application/toml")),
    };
    if api.fleet.broker().is_none() {
        set.reject_broker_faults(BROKER_FAULT_NEEDS_EMBEDDED)?;
    }
    set.check_groups(api.run_info.groups.keys().map(String::as_str))?;
    Ok(set)
}

fn preset(name: &str) -> Result<FaultSet, ApiError> {
    FaultSet::preset(name).ok_or_else(|| {
        let hint = did_you_mean(name, FaultDocument::PRESETS);
        let known = FaultDocument::PRESETS.join("`, `");
        ApiError::bad_request("body", format!("the preset is unknown; use one of `{known}`{hint}"))
            .found(name)
    })
}
