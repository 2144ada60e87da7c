//! `GET /healthz` and `GET /readyz`, liveness and readiness probes.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;

use super::Api;
use super::endpoint::{Endpoint, get};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/healthz", healthz)
            .summary("Liveness of the process, independent of the broker")
            .response_as::<String>("text/plain"),
        get("/readyz", readyz)
            .summary("Readiness: each device has been connected once or has failed permanently")
            .response_as::<String>("text/plain")
            .text_error(503, "The fleet is not ready"),
    ]
}

/// Liveness probe. Independent of the broker, because a simulated broker failure must not restart this process.
async fn healthz() -> &'static str {
    "ok\n"
}

/// Readiness probe. Behaviours need no check, because they are loaded before the API starts.
async fn readyz(Shared(api): Shared<Arc<Api>>) -> (StatusCode, &'static str) {
    match api.fleet.is_ready() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "waiting for the first connection of each device\n"),
    }
}
