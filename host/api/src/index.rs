//! `GET /`: the page for browsers, and a list of all endpoints as text for other clients.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, VARY};
use axum::response::{IntoResponse, Response};

use super::endpoint::{Endpoint, get};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/", index)
            .summary("The page in a browser, and this list of all endpoints for other programs")
            .response_as::<String>("text/plain")
            .response_as::<String>("text/html"),
    ]
}

/// Browsers accept HTML by name; curl and other programs accept anything.
async fn index(headers: HeaderMap) -> Response {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let is_browser = accepted.flat_map(|value| value.split(',')).any(|it| it.trim().starts_with("text/html"));
    let body = if is_browser { super::page::index() } else { list().into_response() };
    ([(VARY, "accept")], body).into_response()
}

fn list() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!("wasmote {version}: a fleet of simulated devices\n\n");
    for endpoint in super::endpoints().iter().filter(|endpoint| !endpoint.summary.is_empty()) {
        let method =
            if endpoint.methods.len() > 1 { "ANY".into() } else { endpoint.methods[0].to_uppercase() };
        page.push_str(&format!("{method:6} {:27} {}\n", endpoint.documented_path(), endpoint.summary));
    }
    page
}
