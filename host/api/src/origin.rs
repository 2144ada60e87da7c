//! Protection against cross-origin requests. A browser sends the requests of foreign web pages with its user's
//! access, and names the page's origin in the header `Origin`.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// Refuses unsafe requests from pages of other hosts.
pub(super) async fn check(request: Request, next: Next) -> Response {
    match cross_origin(request.headers()) {
        Some(origin) if !request.method().is_safe() => {
            let problem = "cross-origin requests are read-only; send this request from outside a browser";
            ApiError::new(StatusCode::FORBIDDEN, "origin", problem).found(origin).into_response()
        }
        _ => next.run(request).await,
    }
}

/// The origin, if it differs from the requested host. Programs other than browsers send no origin.
fn cross_origin(headers: &HeaderMap) -> Option<String> {
    let origin = String::from_utf8_lossy(headers.get(ORIGIN)?.as_bytes()).into_owned();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_same = origin
        .split_once("://")
        .zip(host)
        .is_some_and(|((_, origin_host), host)| origin_host.eq_ignore_ascii_case(host));
    if is_same { None } else { Some(origin) }
}
