//! `GET /metrics`: JSON, or text for Prometheus if the Accept header asks for it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use wasmote_fleet::metrics::accept::{MetricsFormat, negotiate};
use wasmote_fleet::metrics::{GroupLimits, Snapshot, json, openmetrics};

use super::Api;
use super::endpoint::{Endpoint, get};
use super::error::ApiError;
use super::extract::Params;
use super::status::DeviceQuery;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/metrics", metrics)
            .summary("Counts and latencies of the named device, of a single-device fleet's device, or of the fleet")
            .query::<DeviceQuery>()
            .response::<json::Metrics>()
            .response_as::<String>("application/openmetrics-text")
            .response_as::<String>("text/plain")
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
    // For a fleet of one device, JSON describes that device, as the predecessor of this simulator does. Prometheus
    // text always describes the fleet.
    let device =
        if format == MetricsFormat::Json || query.named().is_some() { query.device(&api)? } else { None };
    let snapshot = match device {
        Some(id) => {
            let totals = api.fleet.status(&id).await?.totals;
            // The API belongs to no device: its counts are shown unless the request is about one device.
            let http = query.named().is_none().then(|| api.http.snapshot());
            Snapshot { totals, http, uptime: api.uptime(), ..Snapshot::default() }
        }
        None => {
            let updates = api.versions.all().into_iter().map(|it| (it.info.name, it.updates)).collect();
            let totals = api.fleet.totals().await?;
            // A change of faults may hold the lock for long.
            let fault_bytes = api.faults.try_lock().map(|faults| faults.report()).unwrap_or_default();
            let limits = api.versions.groups().iter().map(GroupLimits::of).collect();
            Snapshot {
                totals,
                is_fleet: true,
                updates,
                limits,
                http: Some(api.http.snapshot()),
                uptime: api.uptime(),
                fault_bytes,
                journey_bytes: api.journeys.report(),
            }
        }
    };
    let body = match format {
        MetricsFormat::Json => Json(json::Metrics::new(&snapshot)).into_response(),
        _ => openmetrics::write(&snapshot, format).into_response(),
    };
    Ok(([(CONTENT_TYPE, format.content_type()), (VARY, "accept")], body).into_response())
}
