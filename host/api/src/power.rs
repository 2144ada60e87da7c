//! Power endpoints: `POST /devices/{id}/{start,stop,crash}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use schemars::JsonSchema;
use serde::Serialize;
use wasmote_fleet::actions::Action;
use wasmote_live::fleet::PowerCommand;

use super::Api;
use super::endpoint::{Endpoint, post};
use super::error::ApiError;
use super::extract::Device;

/// A power command that has been executed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Order")]
struct PowerResponse {
    /// Name of the device.
    device: String,
    /// The command.
    #[schemars(extend("enum" = ["start", "stop", "crash"]))]
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
    ]
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
    Ok(Json(PowerResponse { device: device.id().into(), order: name }))
}
