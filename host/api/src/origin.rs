//! Pages of other hosts may not change anything: a browser would send their requests as if they were its
//! user's, and says in `Origin` whose they are.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// Refuse what would change something and comes from another host's page.
pub(super) async fn check(request: Request, next: Next) -> Response {
    match cross_origin(request.headers()) {
        Some(origin) if !request.method().is_safe() => {
            let problem = "pages of other hosts may not change anything here; ask from outside a browser";
            ApiError::new(StatusCode::FORBIDDEN, "origin", problem).found(origin).into_response()
        }
        _ => next.run(request).await,
    }
}

/// The origin, if it is another than the host that is asked. Programs other than browsers send none.
fn cross_origin(headers: &HeaderMap) -> Option<String> {
    let origin = String::from_utf8_lossy(headers.get(ORIGIN)?.as_bytes()).into_owned();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let same =
        origin.split_once("://").zip(host).is_some_and(|((_, of), host)| of.eq_ignore_ascii_case(host));
    if same { None } else { Some(origin) }
}
