//! A server of finished runs for the page: `wasmote experiment view`.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use wasmote_fleet::http_access::HttpAccess;
use wasmote_page::assets::index_of_viewer;
use wasmote_page::journey::Journey;

use super::error::ApiError;
use super::guard::{self, Guard};
use super::{page, threads};

/// Runs that the page can show.
pub trait Runs: Send + Sync + 'static {
    /// Titles of the runs.
    fn titles(&self) -> Vec<String>;

    /// The recording of a run as JSON. The error says why it cannot be shown.
    fn recording(&self, run: usize) -> Result<String, String>;

    /// The journey of a message of a run; `None` if the run has no steps of it.
    fn journey(&self, run: usize, id: &str) -> Result<Option<Journey>, String>;
}

/// Serves runs until the process ends.
pub async fn serve(listener: TcpListener, runs: Arc<dyn Runs>) {
    let access = HttpAccess::default();
    let counters = Arc::default();
    let guard = Arc::new(Guard::new(access.clone(), Arc::clone(&counters)));
    let router = Router::new()
        .route("/", get(async || page::with_policy(Html(index_of_viewer()))))
        .route("/page/{name}", get(page::file))
        .route("/runs", get(titles))
        .route("/runs/{run}", get(recording))
        .route("/runs/{run}/messages/{device}/{number}", get(journey))
        .layer(axum::middleware::from_fn_with_state(guard, guard::check))
        .with_state(runs);
    threads::serve(listener, router, access.connections, counters).await;
}

async fn titles(Shared(runs): Shared<Arc<dyn Runs>>) -> Json<Vec<String>> {
    Json(runs.titles())
}

async fn recording(
    Shared(runs): Shared<Arc<dyn Runs>>,
    Path(run): Path<usize>,
) -> Result<Response, ApiError> {
    check_run(&*runs, run)?;
    let read = spawn_blocking(move || runs.recording(run)).await;
    let read = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let json = read.map_err(|problem| ApiError::bad_request("run", problem))?;
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}

fn check_run(runs: &dyn Runs, run: usize) -> Result<(), ApiError> {
    match run < runs.titles().len() {
        true => Ok(()),
        false => Err(ApiError::not_found(
            "run",
            format!("there is no run {run}; GET /runs lists them"),
            &run.to_string(),
        )),
    }
}

async fn journey(
    Shared(runs): Shared<Arc<dyn Runs>>,
    Path((run, device, number)): Path<(usize, String, String)>,
) -> Result<Json<Journey>, ApiError> {
    check_run(&*runs, run)?;
    let id = format!("{device}/{number}");
    let asked = id.clone();
    let read = spawn_blocking(move || runs.journey(run, &asked)).await;
    let read = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let found = read.map_err(|problem| ApiError::bad_request("run", problem))?;
    found.map(Json).ok_or_else(|| {
        let problem = format!(
            "the run has no steps of the message `{id}`; log_messages = \"on\" in the plan records those of all messages"
        );
        ApiError::not_found("message", problem, &id)
    })
}
