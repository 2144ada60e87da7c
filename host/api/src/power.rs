//! Power endpoints: `POST /devices/{id}/{start,stop,crash}`, and `POST /devices/{id}/disconnect`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_fleet::actions::Action;
use wasmote_fleet::actions::disconnect::Disconnect;
use wasmote_fleet::fault_registry::FaultRegistry;
use wasmote_live::fleet::PowerCommand;
use wasmote_sim::faults::span::Span;

use super::Api;
use super::endpoint::{Endpoint, post};
use super::error::ApiError;
use super::extract::{Device, Params};
use super::recorder;

/// Seconds without a connection: by default, at least and at most.
const DEFAULT_PAUSE_S: f64 = 5.0;
const MIN_PAUSE_S: f64 = 1.0;
const MAX_PAUSE_S: f64 = 3_600.0;
/// Time for which the fault is in force: several of its periods.
const BRIEF: Duration = Duration::from_millis(100);
/// Numbers of the faults, downwards, because the entries of a plan's timeline count upwards.
static NEXT_FAULT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// A power command that has been executed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Order")]
struct PowerResponse {
    /// Name of the device.
    device: String,
    /// The command.
    #[schemars(extend("enum" = ["start", "stop", "crash", "disconnect"]))]
    order: &'static str,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let described =
        |endpoint: Endpoint| endpoint.response::<PowerResponse>().error(404, "No device has this name");
    vec![
        described(post("/devices/{id}/start", start)).summary("Start the device"),
        described(post("/devices/{id}/stop", stop)).summary("Stop the device cleanly; it stays off"),
        described(post("/devices/{id}/crash", crash))
            .summary("Cut the device's power; it restarts after five seconds and keeps only its state store"),
        described(post("/devices/{id}/disconnect", disconnect))
            .summary("Break the device's connection without DISCONNECT; it connects again after a while")
            .query::<Pause>()
            .error(400, "The time is wrong"),
    ]
}

/// Query with the time without a connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pause {
    /// Seconds for which the device stays disconnected: 5 by default, from 1 to 3600
    #[schemars(range(min = 1, max = 3600))]
    seconds: Option<f64>,
}

/// Breaks the connection by a fault that each device begins once, as the action of a plan does.
async fn disconnect(
    Shared(api): Shared<Arc<Api>>,
    device: Device,
    Params(Pause { seconds }): Params<Pause>,
) -> Result<Json<PowerResponse>, ApiError> {
    let seconds = seconds.unwrap_or(DEFAULT_PAUSE_S);
    if !(MIN_PAUSE_S..=MAX_PAUSE_S).contains(&seconds) {
        let problem = format!("use {MIN_PAUSE_S} to {MAX_PAUSE_S} seconds");
        return Err(ApiError::bad_request("seconds", problem).found(seconds));
    }
    let lasting = Span(Duration::from_secs_f64(seconds));
    let selected = Disconnect { devices: Some(vec![device.id().into()]), lasting, ..Disconnect::default() };
    let number = NEXT_FAULT.fetch_sub(1, Ordering::Relaxed);
    let fault = selected
        .brief_fault(format!("disconnect-by-hand-{}", usize::MAX - number), vec![device.position])
        .map_err(|(_, problem)| ApiError::bad_request("seconds", problem))?;
    api.audit(Action::Disconnect(selected));
    set_brief(&api, device.position, |registry| registry.begin(number, fault)).await?;
    // The fault is in force for long enough that the device begins it, and is removed also if the client disconnects.
    let ending = Arc::clone(&api);
    let (position, name) = (device.position, device.id().to_owned());
    let ended = tokio::spawn(async move {
        tokio::time::sleep(BRIEF).await;
        set_brief(&ending, position, |registry| drop(registry.end(number))).await
    });
    ended
        .await
        .map_err(|failed| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "device", failed.to_string()))??;
    recorder::look_at(&api, position..position + 1).await;
    Ok(Json(PowerResponse { device: name, order: "disconnect" }))
}

/// Changes the temporary faults, and gives a device its faults.
async fn set_brief(
    api: &Api,
    position: usize,
    change: impl FnOnce(&mut FaultRegistry),
) -> Result<(), ApiError> {
    let mut registry = api.faults.lock().await;
    change(&mut registry);
    let faults = registry.assignments(vec![position], &api.fleet.devices());
    Ok(api.fleet.assign_faults(faults).await?)
}

async fn start(Shared(api): Shared<Arc<Api>>, device: Device) -> Result<Json<PowerResponse>, ApiError> {
    apply(&api, &device, PowerCommand::Start, "start").await
}

async fn stop(Shared(api): Shared<Arc<Api>>, device: Device) -> Result<Json<PowerResponse>, ApiError> {
    apply(&api, &device, PowerCommand::Stop, "stop").await
}

async fn crash(Shared(api): Shared<Arc<Api>>, device: Device) -> Result<Json<PowerResponse>, ApiError> {
    apply(&api, &device, PowerCommand::Crash, "crash").await
}

async fn apply(
    api: &Api,
    device: &Device,
    order: PowerCommand,
    name: &'static str,
) -> Result<Json<PowerResponse>, ApiError> {
    api.audit(Action::power(order, device.id()));
    api.fleet.power(device.id(), order).await?;
    // A page shows the effect of a click at once.
    recorder::look_at(api, device.position..device.position + 1).await;
    Ok(Json(PowerResponse { device: device.id().into(), order: name }))
}
