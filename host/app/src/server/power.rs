//! `POST /devices/{id}/{start,stop,crash}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use serde::Serialize;
use wasmote_live::fleet::Order;

use super::Api;
use super::endpoint::{Endpoint, post};
use super::error::ApiError;
use super::extract::Device;
use super::journal::Edit;

#[derive(Debug, Serialize)]
struct Done {
    device: String,
    order: &'static str,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let described = |endpoint: Endpoint| endpoint.answers("Order").refuses(404, "No device has this name");
    vec![
        described(post("/devices/{id}/start", start))
            .summary("Switch the device on, or start it again after a stop"),
        described(post("/devices/{id}/stop", stop)).summary("End the device in order; it stays off"),
        described(post("/devices/{id}/crash", crash)).summary(
            "Cut the device's power; it starts again after five seconds, with its state store alone",
        ),
    ]
}

async fn start(Shared(api): Shared<Arc<Api>>, device: Device) -> Result<Json<Done>, ApiError> {
    give(&api, &device, Order::Start, "start").await
}

async fn stop(Shared(api): Shared<Arc<Api>>, device: Device) -> Result<Json<Done>, ApiError> {
    give(&api, &device, Order::Stop, "stop").await
}

async fn crash(Shared(api): Shared<Arc<Api>>, device: Device) -> Result<Json<Done>, ApiError> {
    give(&api, &device, Order::Crash, "crash").await
}

async fn give(api: &Api, device: &Device, order: Order, name: &'static str) -> Result<Json<Done>, ApiError> {
    api.enter(Edit::Power(device.position, order));
    api.fleet.order(device.id(), order).await?;
    Ok(Json(Done { device: device.id().into(), order: name }))
}
