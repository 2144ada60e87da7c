//! `GET /metrics`: JSON, or text for Prometheus where Accept asks for it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};

use super::Api;
use super::endpoint::{Endpoint, get, text};
use super::error::ApiError;
use super::extract::Params;
use super::status::DeviceQuery;
use crate::metrics::accept::{MetricsFormat, negotiate};
use crate::metrics::{Snapshot, json, openmetrics};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/metrics", metrics)
            .summary("Counts and latencies of the only device, the device that is named, or the fleet")
            .query("device", text(), "A device's name")
            .response("Metrics")
            .response_as("application/openmetrics-text", text())
            .response_as("text/plain", text())
            .error(404, "No device has this name"),
    ]
}

async fn metrics(
    Shared(api): Shared<Arc<Api>>,
    Params(query): Params<DeviceQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let accepted: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = negotiate(&accepted.join(","));
    // The old simulator's JSON is of its only device. Prometheus adds fleets up, and one device is one, too.
    let device =
        if format == MetricsFormat::Json || query.named().is_some() { query.device(&api)? } else { None };
    let snapshot = match device {
        Some(id) => Snapshot::of_device(api.fleet.status(&id).await?, api.uptime()),
        None => {
            let updates = api.versions.all().into_iter();
            let updates = updates.map(|it| (it.info.name, (it.updated, it.refused))).collect();
            Snapshot { updates, ..Snapshot::of_fleet(api.fleet.totals().await?, api.uptime()) }
        }
    };
    let body = match format {
        MetricsFormat::Json => Json(json::Metrics::new(&snapshot)).into_response(),
        _ => openmetrics::write(&snapshot, format).into_response(),
    };
    Ok(([(CONTENT_TYPE, format.content_type()), (VARY, "accept")], body).into_response())
}
