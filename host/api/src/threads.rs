//! Threads of the API. Connections and probes have a thread of their own, and all other requests share two more. So
//! neither busy devices nor requests with much work delay `/healthz`.

use std::future::pending;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::connections;
use super::guard::is_probe;
use super::refusal::Counters;

/// Threads for the requests that are not probes.
const WORKERS: usize = 2;

/// Serves connections until the future is dropped. Needs the maximum number of connections.
pub(super) async fn serve(listener: TcpListener, router: Router, limit: usize, counters: Arc<Counters>) {
    match start(listener, router, limit, counters) {
        // Never resolves: dropping the future drops the threads.
        Ok(_threads) => pending().await,
        Err(problem) => tracing::error!("the HTTP API could not start: {problem}"),
    }
}

/// Threads of the API. Dropping it ends them.
struct Threads {
    _stop: oneshot::Sender<()>,
    workers: Option<Runtime>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A runtime must not wait for its tasks inside of another one.
        if let Some(workers) = self.workers.take() {
            workers.shutdown_background();
        }
    }
}

fn start(
    listener: TcpListener,
    router: Router,
    limit: usize,
    counters: Arc<Counters>,
) -> std::io::Result<Threads> {
    let workers = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("http-worker")
        .enable_all()
        .build()?;
    let handle = workers.handle().clone();
    let router = router.layer(from_fn(move |request, next| on_workers(handle.clone(), request, next)));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listener = listener.into_std()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let accept = async move {
        match TcpListener::from_std(listener) {
            Ok(listener) => connections::serve(listener, router, limit, counters).await,
            Err(problem) => tracing::error!("the HTTP API could not start: {problem}"),
        }
    };
    std::thread::Builder::new().name("http".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = accept => {}
                _ = stopped => {}
            }
        });
        runtime.shutdown_background();
    })?;
    Ok(Threads { _stop: stop, workers: Some(workers) })
}

/// Runs the handler of a request on the workers, unless it is a probe.
async fn on_workers(workers: Handle, request: Request, next: Next) -> Response {
    if is_probe(request.method(), request.uri()) {
        return next.run(request).await;
    }
    // Dropping the set, as when the client disconnects, aborts the handler.
    let mut handlers = JoinSet::new();
    handlers.spawn_on(next.run(request), &workers);
    match handlers.join_next().await {
        Some(Ok(response)) => response,
        // The handler panicked, or the process ends.
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
