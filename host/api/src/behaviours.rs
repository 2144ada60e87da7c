//! Behaviour resources: `GET /behaviours` lists the behaviours of the fleet with their versions;
//! `PUT /behaviours/{name}` rolls out a new version.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Request, State as Shared};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_fleet::actions::audit::BehaviourUpdate;
use wasmote_fleet::component_file::{ComponentFileError, MAX_BYTES};
use wasmote_fleet::component_info::ComponentInfo;
use wasmote_fleet::config::Group;
use wasmote_fleet::config::values::Sha256Pin;
use wasmote_fleet::versions::record::{UpdateCounts, UpdateRefusal};
use wasmote_fleet::versions::{
    AppliedUpdate, NewVersion, RunningBehaviour, UpdateError, UpdateProgress, VersionInfo,
};
use wasmote_live::fleet::RolloutReport;
use wasmote_live::status::Totals;
use wasmote_registry::error::FetchError;
use wasmote_registry::reference::{Reference, has_scheme};
use wasmote_sim::limits::Limits;

use super::Api;
use super::endpoint::{Endpoint, get, post, put};
use super::error::ApiError;
use super::extract::{Body, Params};
use super::refusal::Refusal;

/// A behaviour that the fleet runs, with its versions.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Behaviour")]
struct BehaviourView {
    #[serde(flatten)]
    info: ComponentInfo,
    /// Number of devices that run it.
    devices: u32,
    /// Groups that run it.
    groups: Vec<String>,
    /// What each group allows its devices.
    quotas: Vec<GroupQuota>,
    /// Versions, latest first.
    versions: Vec<VersionView>,
    /// Counts of updates.
    updates: UpdateCounts,
    /// The update in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<UpdateProgress>,
    /// Whether `POST /behaviours/{name}/rollback` has a version to return to.
    can_roll_back: bool,
    /// The last update that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_refusal: Option<UpdateRefusal>,
}

/// What a group allows its devices.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct GroupQuota {
    /// The group.
    group: String,
    /// Resource limits of each device.
    limits: Limits,
    /// Capabilities that the behaviour may not import.
    deny: Vec<String>,
    /// SHA-256 that the behaviour must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl GroupQuota {
    fn of(group: &Group) -> Self {
        Self {
            group: group.name.clone(),
            limits: (*group.limits).clone(),
            deny: group.deny.to_vec(),
            sha256: group.sha256.clone(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct VersionView {
    #[serde(flatten)]
    info: VersionInfo,
    /// Number of devices that run this version.
    devices: u64,
}

/// Result of an update.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Update")]
struct UpdateResponse {
    /// Name of the behaviour.
    behaviour: String,
    /// SHA-256 of the new version.
    sha256: String,
    /// SHA-256 of the previous version.
    replaced: String,
    /// False if all devices already had this version.
    changed: bool,
    /// Devices that tried the new version first.
    canaries: Vec<String>,
    /// Number of devices that run the new version.
    swapped: u64,
    /// Number of devices that get the new version after a hang ends.
    waiting: u64,
    /// Number of devices that keep the old version.
    refused: u64,
    /// Interfaces that only the new version imports.
    gained_imports: Vec<String>,
    /// Interfaces that only the old version imported.
    dropped_imports: Vec<String>,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let component = ["application/wasm", "application/gzip", "application/octet-stream"];
    vec![
        get("/behaviours", list)
            .summary("The fleet's behaviours and their versions")
            .response::<Vec<BehaviourView>>(),
        get("/behaviours/{name}", one)
            .summary("A behaviour and its versions")
            .response::<BehaviourView>()
            .error(404, "No device runs it"),
        put("/behaviours/{name}", replace)
            .body_limit(MAX_BYTES)
            .summary("Roll out a new version to a canary of each group, then to all; sessions stay connected")
            .query::<UpdateQuery>()
            .binary_body(&component)
            .response::<UpdateResponse>()
            .error(400, "There is no component, or two; or a parameter is wrong")
            .error(403, "The component may not be fetched from this host")
            .error(404, "No device runs it")
            .error(408, "The body did not arrive in time")
            .error(409, "Another update is in progress")
            .error(413, "The component is too large")
            .error(
                422,
                "The component is invalid for this host, or a canary failed; the old version keeps running",
            )
            .error(502, "The registry or the server does not give the component"),
        post("/behaviours/{name}/rollback", roll_back)
            .summary("Return to the version before the present one, as an update does: canaries first")
            .response::<UpdateResponse>()
            .error(404, "No device runs it")
            .error(409, "Another update is in progress, or this host has no earlier version")
            .error(422, "A canary failed; the present version keeps running"),
    ]
}

async fn list(Shared(api): Shared<Arc<Api>>) -> Result<Json<Vec<BehaviourView>>, ApiError> {
    let totals = api.fleet.totals().await?;
    Ok(Json(api.versions.all().into_iter().map(|behaviour| view(&api, behaviour, &totals)).collect()))
}

async fn one(Shared(api): Shared<Arc<Api>>, Name(name): Name) -> Result<Json<BehaviourView>, ApiError> {
    let behaviour = api.versions.find(&name)?;
    let totals = api.fleet.totals().await?;
    Ok(Json(view(&api, behaviour, &totals)))
}

fn view(api: &Api, behaviour: RunningBehaviour, totals: &Totals) -> BehaviourView {
    let name = behaviour.info.name.clone();
    let groups = api.versions.groups_of(&name);
    let devices = |sha256: &str| {
        let runs = totals.versions.iter();
        let runs = runs.filter(|(version, _)| *version.name == *name && *version.sha256 == *sha256);
        runs.map(|(_, devices)| devices).sum()
    };
    let version = |info: VersionInfo| VersionView { devices: devices(&info.sha256), info };
    BehaviourView {
        devices: groups.iter().map(|group| group.count).sum(),
        groups: groups.iter().map(|group| group.name.clone()).collect(),
        quotas: groups.iter().map(GroupQuota::of).collect(),
        versions: behaviour.versions.into_iter().map(version).collect(),
        updates: behaviour.updates,
        progress: api.versions.progress(&name),
        can_roll_back: api.versions.has_earlier(&name),
        last_refusal: behaviour.last_refusal,
        info: behaviour.info,
    }
}

/// Parameters of an update.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UpdateQuery {
    /// SHA-256 that the decompressed component must have.
    sha256: Option<Sha256Pin>,
    /// Reference to the component, instead of a body: `oci://REGISTRY/NAME:TAG` or a URL. Its host must be allowed by
    /// `--http-fetch-from`.
    from: Option<String>,
    /// Signature of the component in the body, in base64: the file that minisign writes.
    signature: Option<String>,
}

async fn replace(
    Shared(api): Shared<Arc<Api>>,
    Name(name): Name,
    Params(query): Params<UpdateQuery>,
    ComponentBody(bytes): ComponentBody,
) -> Result<Json<UpdateResponse>, ApiError> {
    let replaced = api.versions.find(&name)?.info.sha256;
    let (behaviour, updating) = (name.clone(), Arc::clone(&api));
    let pin = query.sha256.map(|pin| pin.0);
    let signature = query.signature.as_deref().map(decoded_signature).transpose()?;
    let reference = query.from.as_deref().map(parsed_reference).transpose()?;
    match (&reference, bytes.is_empty()) {
        (None, true) => {
            let advice = "send the component as the body, as curl does with --data-binary @FILE, or name it with `from`";
            return Err(ApiError::bad_request("body", advice));
        }
        (Some(_), false) => {
            return Err(ApiError::bad_request(
                "from",
                "there is a component in the body, too; send one of them",
            ));
        }
        _ => {}
    }
    // The update continues when the client disconnects.
    let task = tokio::spawn(async move {
        match reference {
            Some(reference) => {
                let hosts = &updating.run_info.access.fetch_from;
                updating.versions.update_from(&name, &reference, pin, hosts).await
            }
            None => {
                let pins = pin.into_iter().collect();
                let version = NewVersion { bytes, source: "http".to_owned(), pins, signature };
                updating.versions.update(&name, version).await
            }
        }
    });
    let updated = task.await.map_err(ended_early)?;
    answer(&api, behaviour, replaced, updated?)
}

async fn roll_back(
    Shared(api): Shared<Arc<Api>>,
    Name(name): Name,
) -> Result<Json<UpdateResponse>, ApiError> {
    let replaced = api.versions.find(&name)?.info.sha256;
    let (behaviour, updating) = (name.clone(), Arc::clone(&api));
    // The update continues when the client disconnects.
    let task = tokio::spawn(async move { updating.versions.roll_back(&name).await });
    let updated = task.await.map_err(ended_early)?;
    answer(&api, behaviour, replaced, updated?)
}

fn ended_early(failed: tokio::task::JoinError) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "behaviour", failed.to_string())
}

/// Records an update, and describes it.
fn answer(
    api: &Api,
    behaviour: String,
    replaced: String,
    updated: AppliedUpdate,
) -> Result<Json<UpdateResponse>, ApiError> {
    let AppliedUpdate { info, bytes, began, rollout, gained_imports, dropped_imports } = updated;
    let changed = rollout.is_some();
    if let Some(RolloutReport { canaries, .. }) = &rollout {
        api.audit_update(BehaviourUpdate {
            groups: api.versions.groups_of(&behaviour).into_iter().map(|group| group.name).collect(),
            behaviour: behaviour.clone(),
            sha256: info.sha256.clone(),
            bytes,
            began,
            canaries: canaries.clone(),
            trial: api.versions.trial(),
        });
    }
    let RolloutReport { canaries, swapped, waiting, refused, .. } = rollout.unwrap_or_default();
    Ok(Json(UpdateResponse {
        behaviour,
        sha256: info.sha256,
        replaced,
        changed,
        canaries: canaries.iter().map(ToString::to_string).collect(),
        swapped,
        waiting,
        refused,
        gained_imports,
        dropped_imports,
    }))
}

/// Name of the behaviour in the path.
struct Name(String);

impl FromRequestParts<Arc<Api>> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        api: &Arc<Api>,
    ) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        path.map(|Path(name)| Self(name))
            .map_err(|rejection| ApiError::bad_request("path", rejection.body_text()))
    }
}

/// A reference in a request. Files are not named over HTTP.
pub(super) fn parsed_reference(text: &str) -> Result<Reference, ApiError> {
    if !has_scheme(text) {
        let problem = "a reference is oci://REGISTRY/NAME:TAG or a URL; over HTTP no file is opened";
        return Err(ApiError::bad_request("from", problem).found(text));
    }
    Reference::parse(text).map_err(|problem| ApiError::bad_request("from", problem.to_string()))
}

/// A signature in a request, which is the file of minisign in base64.
pub(super) fn decoded_signature(text: &str) -> Result<String, ApiError> {
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| {
        let problem = "it is not the base64 of a file of minisign, as `base64 -w0 FILE.minisig` writes it";
        ApiError::bad_request("signature", problem)
    })
}

/// A request body with a component, or an empty one. The first bytes determine the format; the content type is ignored.
struct ComponentBody(Vec<u8>);

impl FromRequest<Arc<Api>> for ComponentBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ApiError> {
        let Body { bytes, .. } = Body::within(MAX_BYTES, request, api).await?;
        Ok(Self(bytes.into()))
    }
}

/// The answer when a component cannot be fetched.
fn fetch_error(problem: &FetchError, message: String) -> ApiError {
    match problem {
        FetchError::Host { .. } | FetchError::PlainHttp { .. } | FetchError::Offline => {
            ApiError::refused(Refusal::Source, StatusCode::FORBIDDEN, "from", message)
        }
        FetchError::Reference(_) => ApiError::bad_request("from", message),
        FetchError::TooLarge { .. } => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "from", message),
        FetchError::Digest { .. } | FetchError::Artefact(_) | FetchError::Signature(_) => {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "from", message)
        }
        FetchError::Redirect { .. }
        | FetchError::NotFound { .. }
        | FetchError::Access { .. }
        | FetchError::Status { .. }
        | FetchError::Time { .. }
        | FetchError::Network(_) => ApiError::new(StatusCode::BAD_GATEWAY, "from", message),
    }
}

impl From<UpdateError> for ApiError {
    fn from(error: UpdateError) -> Self {
        let message = error.to_string();
        match error {
            UpdateError::Unknown { name, .. } => Self::not_found("behaviour", message, &name),
            UpdateError::Busy(name) => Self::new(StatusCode::CONFLICT, "behaviour", message).found(name),
            UpdateError::ComponentFile(ComponentFileError::TooLarge { .. }) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body", message)
            }
            UpdateError::Fetch { problem, .. } => fetch_error(&problem, message),
            UpdateError::Signature(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "signature", message),
            UpdateError::ComponentFile(_) | UpdateError::Source(_) | UpdateError::Load(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "body", message)
            }
            UpdateError::Canary { device, .. } => {
                let message = format!("{message}; the old version keeps running");
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "canary", message).found(device.as_str())
            }
            UpdateError::NotTaken { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "config", message),
            UpdateError::NoEarlierVersion(_) => Self::new(StatusCode::CONFLICT, "behaviour", message),
            UpdateError::Planned => Self::new(StatusCode::CONFLICT, "group", message),
            UpdateError::Links { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "config", message),
            UpdateError::Names(_) | UpdateError::TooManyDevices { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "count", message)
            }
            UpdateError::Ask(error) => error.into(),
        }
    }
}
