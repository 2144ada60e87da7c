//! `GET /healthz` and `GET /readyz`, for whoever keeps this process running.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;

use super::Api;
use super::endpoint::{Endpoint, get, text};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/healthz", healthz)
            .summary("Whether the process lives; never depends on the broker")
            .response_as("text/plain", text()),
        get("/readyz", readyz)
            .summary("Whether each device was connected once, or has failed for good")
            .response_as("text/plain", text())
            .error(503, "Not yet, in plain text"),
    ]
}

/// A simulated failure of the broker must not get this process restarted.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The behaviours were loaded before the API was there.
async fn readyz(Shared(api): Shared<Arc<Api>>) -> (StatusCode, &'static str) {
    match api.fleet.is_ready() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "waiting for the first connection of each device\n"),
    }
}
