//! Accept loop of the API, with a timeout against idle connections.

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

/// Delay before accepting again after an error of the system.
const ACCEPT_BACKOFF: Duration = Duration::from_secs(1);
/// Minimum interval between warnings about such errors.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// The `errno` of "Too many open files".
const EMFILE: i32 = 24;

/// Serves connections until the process ends.
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
                    tracing::warn!("the HTTP API cannot accept connections: {problem}{}", advice(&problem));
                }
                sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        // Nagle's algorithm would delay small responses.
        let _ = stream.set_nodelay(true);
        let (http, service) = (http.clone(), service.clone());
        tokio::spawn(async move {
            // Errors of a client, such as a disconnect or a timeout, are ignored.
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
