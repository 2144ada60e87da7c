//! `/faults`, of the fleet, of a group, and of a device. What is narrower replaces what it inherits.

pub mod book;

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use wasmote_sim::faults::document::FaultDocument;

use super::Api;
use super::endpoint::{Endpoint, delete, get, put};
use super::error::ApiError;
use super::extract::{Body, Device, Group, is_json, wrong_type};
use super::journal::Edit;
use crate::document::{Format, parse_json, parse_object};
use crate::fault_set::{BROKER_IS_ANOTHERS, BROKER_SERVES_ALL, FaultSet};
use crate::nearest::did_you_mean;
use book::{FaultsView, Scope};

const TOML: &str = "application/toml";
/// What a JSON body is to be.
const WANTED: &str = r#"a JSON object like {"fault": […]}, or a preset's name as a JSON text"#;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let shows = |endpoint: Endpoint, summary| {
        endpoint.summary(summary).answers("Faults").refuses(404, "No group or device has this name")
    };
    let reads = |endpoint: Endpoint, summary| {
        shows(endpoint, summary)
            .reads(&["application/json", TOML], "FaultDocument")
            .refuses(400, "A field is missing or wrong")
            .refuses(415, "The body is neither JSON nor TOML")
    };
    vec![
        shows(get("/faults", show_fleet), "The fleet's faults"),
        reads(
            put("/faults", set_fleet),
            "Give the fleet other faults; groups and devices with their own keep them",
        ),
        shows(delete("/faults", reset_fleet), "Go back to the faults that the run began with"),
        shows(get("/groups/{group}/faults", show_group), "The group's faults, its own or the fleet's"),
        reads(put("/groups/{group}/faults", set_group), "Give the group faults of its own"),
        shows(delete("/groups/{group}/faults", reset_group), "Go back to the fleet's faults"),
        shows(
            get("/devices/{id}/faults", show_device),
            "The device's faults, its own or its group's or the fleet's",
        ),
        reads(put("/devices/{id}/faults", set_device), "Give the device faults of its own"),
        shows(delete("/devices/{id}/faults", reset_device), "Go back to the group's faults, or the fleet's"),
    ]
}

type Answer = Result<Json<FaultsView>, ApiError>;

async fn show_fleet(Shared(api): Shared<Arc<Api>>) -> Answer {
    show(&api, Scope::Fleet).await
}

async fn set_fleet(Shared(api): Shared<Arc<Api>>, body: Body) -> Answer {
    let faults = read(&body, &api)?;
    change(&api, Scope::Fleet, Some(faults)).await
}

async fn reset_fleet(Shared(api): Shared<Arc<Api>>) -> Answer {
    change(&api, Scope::Fleet, None).await
}

async fn show_group(Shared(api): Shared<Arc<Api>>, group: Group) -> Answer {
    show(&api, Scope::Group(group.name)).await
}

async fn set_group(Shared(api): Shared<Arc<Api>>, group: Group, body: Body) -> Answer {
    let faults = read(&body, &api)?;
    change(&api, Scope::Group(group.name), Some(faults)).await
}

async fn reset_group(Shared(api): Shared<Arc<Api>>, group: Group) -> Answer {
    change(&api, Scope::Group(group.name), None).await
}

async fn show_device(Shared(api): Shared<Arc<Api>>, device: Device) -> Answer {
    show(&api, Scope::Device(device.position)).await
}

async fn set_device(Shared(api): Shared<Arc<Api>>, device: Device, body: Body) -> Answer {
    let faults = read(&body, &api)?;
    change(&api, Scope::Device(device.position), Some(faults)).await
}

async fn reset_device(Shared(api): Shared<Arc<Api>>, device: Device) -> Answer {
    change(&api, Scope::Device(device.position), None).await
}

async fn show(api: &Api, scope: Scope) -> Answer {
    Ok(Json(api.faults.lock().await.view(&scope, &api.fleet.devices())))
}

/// Change the book and the devices as one, so that two who change at once do not leave them apart.
async fn change(api: &Api, scope: Scope, faults: Option<FaultSet>) -> Answer {
    if let Some(faults) = faults.as_ref().filter(|_| !matches!(scope, Scope::Fleet)) {
        faults.check_no_broker(BROKER_SERVES_ALL)?;
    }
    let mut book = api.faults.lock().await;
    let is_new = faults.is_some();
    api.enter(Edit::Faults(scope.clone(), faults.clone()));
    book.set(&scope, faults);
    if let (Scope::Fleet, Some(broker)) = (&scope, api.fleet.broker()) {
        broker.set_faults(Arc::clone(&book.of_fleet().faults), api.facts.seed);
    }
    let devices = api.fleet.devices();
    let positions = book.touched(&scope, &devices);
    api.fleet.assign_faults(book.assigned(positions.clone(), &devices)).await?;
    let view = book.view(&scope, &devices);
    // What is inherited may well be for others.
    Ok(Json(if is_new { view.with(book.warnings(&scope, &positions, &devices)) } else { view }))
}

/// A document in JSON or TOML, or a preset's name as a JSON text.
fn read(body: &Body, api: &Api) -> Result<FaultSet, ApiError> {
    let library = api.facts.models.at_hand();
    let set = match body.content_type.as_str() {
        json if is_json(json) => match parse_json::<serde_json::Value>(&body.bytes)? {
            serde_json::Value::String(name) => return preset(&name),
            _ => FaultSet::new("http", parse_object(&body.bytes, WANTED)?, &library)?,
        },
        TOML | "text/toml" | "text/x-toml" => {
            let text =
                std::str::from_utf8(&body.bytes).map_err(|_| ApiError::bad("body", "it is no UTF-8 text"))?;
            FaultSet::parse("http", text, Format::Toml, &library)?
        }
        other => return Err(wrong_type(other, "application/json or application/toml")),
    };
    if api.fleet.broker().is_none() {
        set.check_no_broker(BROKER_IS_ANOTHERS)?;
    }
    set.check_groups(api.facts.groups.keys().map(String::as_str))?;
    Ok(set)
}

fn preset(name: &str) -> Result<FaultSet, ApiError> {
    FaultSet::preset(name).ok_or_else(|| {
        let hint = did_you_mean(name, FaultDocument::PRESETS);
        let known = FaultDocument::PRESETS.join("` and `");
        ApiError::bad("body", format!("there is no such preset; there are `{known}`{hint}")).found(name)
    })
}
