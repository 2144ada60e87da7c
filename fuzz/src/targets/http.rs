//! Requests to the HTTP API of a small fleet.
//!
//! No request panics, waits for ever, or gets an answer of 500. A refusal says what is wrong, as JSON.

#[path = "../../../host/app/tests/api/echo_fleet.rs"]
mod echo_fleet;

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt;
use wasmote_api::guard::Ends;
use wasmote_fleet::config::options::Options;

/// Devices of the fleet.
const DEVICES: u32 = 2;
/// Longest time for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request: method, path and type of the body on the first line, then the body.
pub(super) fn check(bytes: &[u8]) -> bool {
    thread_local! {
        static API: RefCell<Option<(Runtime, Router)>> = const { RefCell::new(None) };
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let line = String::from_utf8_lossy(&bytes[..end]);
    let body = bytes.get(end + 1..).unwrap_or_default();
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // A client on the same machine, which may change the fleet.
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
    let ends = Ends { client: local, host: local };
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost").extension(ends);
    if let Some(content_type) = words.next() {
        request = request.header("content-type", content_type);
    }
    // The server's parser, which is not part of this project, refuses what cannot be built.
    let Ok(request) = request.body(Body::from(body.to_vec())) else { return false };
    // A stream of events has no end.
    if request.uri().path().starts_with("/events") {
        return false;
    }
    API.with_borrow_mut(|api| {
        let (runtime, router) = api.get_or_insert_with(start);
        runtime.block_on(async {
            let answer = tokio::time::timeout(TIMEOUT, router.clone().oneshot(request)).await;
            let response = answer.expect("an answer").unwrap_or_else(|never| match never {});
            let status = response.status().as_u16();
            let body = tokio::time::timeout(TIMEOUT, to_bytes(response.into_body(), 16 << 20)).await;
            let body = body.expect("a whole answer").expect("an answer of a known size");
            let text = String::from_utf8_lossy(&body);
            // 503: the device is off, or has no connection. 504: it does not answer.
            assert!(status < 500 || matches!(status, 503 | 504), "{line}: {status} {text}");
            // The app of a device and probes answer in their own format.
            if status >= 400 && !path.contains("/app") && !path.contains("/readyz") {
                let error: Value =
                    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{line}: {why}: {text}"));
                let message = error["error"]["message"].as_str().unwrap_or_default();
                assert!(message.split_whitespace().count() >= 3, "{line}: {status} {text}");
            }
            status < 400
        })
    })
}

fn start() -> (Runtime, Router) {
    // One thread, so that the memory of the fleet counts.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let options = Options { http_rate: "1000000/s".parse().ok(), ..Options::default() };
    let router = runtime.block_on(echo_fleet::start(DEVICES, options));
    (runtime, router)
}
