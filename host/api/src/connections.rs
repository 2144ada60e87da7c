//! Connections to the API, which nobody may hold without asking anything.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::time::sleep;
use wasmote_fleet::logging::RateLimit;

use super::REQUEST_TIMEOUT;

/// How long to wait when the system has no connections to give.
const ACCEPT_BACKOFF: Duration = Duration::from_secs(1);
/// How often to say so.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// The system's number for "Too many open files".
const EMFILE: i32 = 24;

/// Answer until the process ends.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    http.http1().timer(TokioTimer::new()).header_read_timeout(REQUEST_TIMEOUT);
    let service = TowerToHyperService::new(router);
    let mut warning_limit = RateLimit::every(WARNING_INTERVAL);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(problem) if is_client_error(&problem) => continue,
            Err(problem) => {
                if warning_limit.is_due() {
                    tracing::warn!("the HTTP API takes no connection: {problem}{}", advice(&problem));
                }
                sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        // Small answers are not to wait for more to say.
        let _ = stream.set_nodelay(true);
        let (http, service) = (http.clone(), service.clone());
        tokio::spawn(async move {
            // Whoever asks may go away, or be too slow; that is no error of ours.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn is_client_error(problem: &Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(problem.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn advice(problem: &Error) -> &'static str {
    match problem.raw_os_error() {
        Some(EMFILE) if cfg!(unix) => "; raise the limit (`ulimit -n`), or run fewer devices",
        _ => "",
    }
}
