//! `GET /healthz` and `GET /readyz`, liveness and readiness probes.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;

use super::Api;
use super::endpoint::{Endpoint, get};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/healthz", healthz)
            .summary("Whether the process lives; never depends on the broker")
            .response_as::<String>("text/plain"),
        get("/readyz", readyz)
            .summary("Whether each device was connected once, or has failed for good")
            .response_as::<String>("text/plain")
            .error(503, "Not yet, in plain text"),
    ]
}

/// Independent of the broker, because a simulated failure of the broker must not restart this process.
async fn healthz() -> &'static str {
    "ok\n"
}

/// Behaviours need no check: they are loaded before the API starts.
async fn readyz(Shared(api): Shared<Arc<Api>>) -> (StatusCode, &'static str) {
    match api.fleet.is_ready() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "waiting for the first connection of each device\n"),
    }
}
