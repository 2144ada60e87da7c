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

/// A power command that was carried out.
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
        described(post("/devices/{id}/start", start))
            .summary("Switch the device on, or start it again after a stop"),
        described(post("/devices/{id}/stop", stop)).summary("End the device in order; it stays off"),
        described(post("/devices/{id}/crash", crash)).summary(
            "Cut the device's power; it starts again after five seconds, with its state store alone",
        ),
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
