//! `GET /behaviours`: what the devices of this fleet run, and in which versions. `PUT /behaviours/{name}`:
//! another version for them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Request, State as Shared};
use axum::http::StatusCode;
use serde::Serialize;
use wasmote_live::fleet::Rolled;
use wasmote_live::status::Totals;

use super::Api;
use super::endpoint::{Endpoint, get, put};
use super::error::ApiError;
use super::extract::Body;
use super::journal::{Edit, Swapped};
use crate::cli::behaviours::Card;
use crate::component_file::{LARGEST, Unpacked};
use crate::versions::record::Refusal;
use crate::versions::{Behaviour, UpdateError, Updated, VersionCard};

#[derive(Serialize)]
struct Running {
    #[serde(flatten)]
    card: Card,
    devices: u32,
    groups: Vec<String>,
    versions: Vec<Version>,
    updates: Updates,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_refusal: Option<Refusal>,
}

#[derive(Serialize)]
struct Version {
    #[serde(flatten)]
    card: VersionCard,
    devices: u64,
}

#[derive(Serialize)]
struct Updates {
    done: u64,
    refused: u64,
}

/// What became of an update.
#[derive(Serialize)]
struct Update {
    behaviour: String,
    sha256: String,
    replaced: String,
    changed: bool,
    canaries: Vec<String>,
    swapped: u64,
    waiting: u64,
    refused: u64,
    gained_imports: Vec<String>,
    dropped_imports: Vec<String>,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let component = ["application/wasm", "application/gzip", "application/octet-stream"];
    vec![
        get("/behaviours", list).summary("The fleet's behaviours and their versions").answers("Behaviours"),
        get("/behaviours/{name}", one)
            .summary("A behaviour and its versions")
            .answers("Behaviour")
            .refuses(404, "No device runs it"),
        put("/behaviours/{name}", replace)
            .takes(LARGEST)
            .summary("Another version: tried on one device of each group, then given to all, with their sessions up")
            .reads_bytes(&component)
            .answers("Update")
            .refuses(404, "No device runs it")
            .refuses(408, "The body did not arrive in time")
            .refuses(409, "Another update is under way")
            .refuses(413, "The component is too large")
            .refuses(422, "It is no component for this host, or a canary failed; the old version runs on"),
    ]
}

async fn list(Shared(api): Shared<Arc<Api>>) -> Result<Json<Vec<Running>>, ApiError> {
    let totals = api.fleet.totals().await?;
    Ok(Json(api.versions.all().into_iter().map(|behaviour| running(&api, behaviour, &totals)).collect()))
}

async fn one(Shared(api): Shared<Arc<Api>>, Name(name): Name) -> Result<Json<Running>, ApiError> {
    let behaviour = api.versions.find(&name)?;
    let totals = api.fleet.totals().await?;
    Ok(Json(running(&api, behaviour, &totals)))
}

fn running(api: &Api, behaviour: Behaviour, totals: &Totals) -> Running {
    let name = behaviour.card.name.clone();
    let devices = |sha256: &str| {
        let runs = totals.versions.iter();
        let runs = runs.filter(|(version, _)| *version.name == *name && *version.sha256 == *sha256);
        runs.map(|(_, devices)| devices).sum()
    };
    let version = |card: VersionCard| Version { devices: devices(&card.sha256), card };
    Running {
        devices: api.versions.groups_of(&name).map(|group| group.count).sum(),
        groups: api.versions.groups_of(&name).map(|group| group.name.clone()).collect(),
        versions: behaviour.versions.into_iter().map(version).collect(),
        updates: Updates { done: behaviour.updated, refused: behaviour.refused },
        last_refusal: behaviour.last_refusal,
        card: behaviour.card,
    }
}

async fn replace(
    Shared(api): Shared<Arc<Api>>,
    Name(name): Name,
    Component(bytes): Component,
) -> Result<Json<Update>, ApiError> {
    let replaced = api.versions.find(&name)?.card.sha256;
    let (behaviour, updating) = (name.clone(), Arc::clone(&api));
    // It goes on when whoever asked has gone.
    let task = tokio::spawn(async move { updating.versions.update(&name, bytes, "http").await });
    let updated = task.await.map_err(|failed| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "behaviour", failed.to_string())
    })?;
    let Updated { card, bytes, began, rolled, gained, dropped } = updated?;
    let changed = rolled.is_some();
    if let Some(Rolled { canaries, .. }) = &rolled {
        api.enter(Edit::Swap(Swapped {
            groups: api.versions.groups_of(&behaviour).map(|group| group.name.clone()).collect(),
            behaviour: behaviour.clone(),
            sha256: card.sha256.clone(),
            bytes,
            began,
            canaries: canaries.clone(),
            trial: api.versions.trial(),
        }));
    }
    let Rolled { canaries, swapped, waiting, refused, .. } = rolled.unwrap_or_default();
    Ok(Json(Update {
        behaviour,
        sha256: card.sha256,
        replaced,
        changed,
        canaries: canaries.iter().map(ToString::to_string).collect(),
        swapped,
        waiting,
        refused,
        gained_imports: gained,
        dropped_imports: dropped,
    }))
}

/// The behaviour that the path names.
struct Name(String);

impl FromRequestParts<Arc<Api>> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        api: &Arc<Api>,
    ) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        path.map(|Path(name)| Self(name)).map_err(|rejection| ApiError::bad("path", rejection.body_text()))
    }
}

/// A component, whatever the content type calls it: its first bytes say what it is.
struct Component(Vec<u8>);

impl FromRequest<Arc<Api>> for Component {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ApiError> {
        let Body { bytes, .. } = Body::within(LARGEST, request, api).await?;
        if bytes.is_empty() {
            let how = "send the component as the body, as curl does with --data-binary @FILE";
            return Err(ApiError::bad("body", how));
        }
        Ok(Self(bytes.into()))
    }
}

impl From<UpdateError> for ApiError {
    fn from(error: UpdateError) -> Self {
        let message = error.to_string();
        match error {
            UpdateError::Unknown { name, .. } => Self::not_found("behaviour", message, &name),
            UpdateError::Busy(name) => Self::new(StatusCode::CONFLICT, "behaviour", message).found(name),
            UpdateError::Unpacked(Unpacked::TooLarge { .. }) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body", message)
            }
            UpdateError::Unpacked(_) | UpdateError::Load(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "body", message)
            }
            UpdateError::Canary { device, .. } => {
                let message = format!("{message}; the old version runs on");
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "canary", message).found(device.as_str())
            }
            UpdateError::Ask(error) => error.into(),
        }
    }
}
