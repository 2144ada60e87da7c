//! `/devices/{id}/app/...`: whatever a behaviour answers itself.

use std::sync::Arc;

use axum::body::Body as ResponseBody;
use axum::extract::State as Shared;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use wasmote_sim::http::{HttpRequest, HttpResponse};

use super::Api;
use super::endpoint::{Endpoint, any, text};
use super::error::ApiError;
use super::extract::{Body, Device};
use super::journal::Edit;

/// These are between two ends of a connection, and ours are not the behaviour's.
const NOT_PASSED_ON: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        any("/devices/{id}/app/{*path}", ask)
            .summary("Whatever the device's behaviour answers itself")
            .answers_as("*/*", text())
            .refuses(404, "No device has this name, or what the behaviour says")
            .refuses(413, "The body exceeds the device's limit")
            .refuses(502, "The behaviour's answer makes no sense")
            .refuses(503, "The behaviour does not run")
            .refuses(504, "The behaviour did not answer"),
        any("/devices/{id}/app/", ask),
        any("/devices/{id}/app", ask),
    ]
}

async fn ask(
    Shared(api): Shared<Arc<Api>>,
    device: Device,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let limit = api.group(&device.identity.group)?.limits.host_call_bytes as usize;
    if body.bytes.len() > limit {
        let problem = format!("the body has {} bytes and the device's limit is {limit}", body.bytes.len());
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body", problem));
    }
    let request = HttpRequest {
        method: method.as_str().to_ascii_uppercase(),
        url: inner_url(&uri),
        headers: readable(&headers),
        body: body.bytes,
    };
    // The others are safe [RFC 9110, 9.2.1]: they ask for nothing to be changed.
    if !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS) {
        api.enter(Edit::Ask(device.position, request.clone()));
    }
    response(api.fleet.ask(device.id(), request).await?)
}

/// What follows `/devices/{id}/app`, as it was sent.
fn inner_url(uri: &Uri) -> String {
    let path = uri.path().splitn(5, '/').nth(4).unwrap_or_default();
    match uri.query() {
        Some(query) => format!("/{path}?{query}"),
        None => format!("/{path}"),
    }
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    let passed = headers.iter().filter(|(name, _)| !NOT_PASSED_ON.contains(name));
    passed.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect()
}

fn response(answer: HttpResponse) -> Result<Response, ApiError> {
    let nonsense = |problem: String| ApiError::new(StatusCode::BAD_GATEWAY, "device", problem);
    let status = StatusCode::from_u16(answer.status).ok().filter(|status| !status.is_informational());
    let status =
        status.ok_or_else(|| nonsense(format!("the behaviour answered with status {}", answer.status)))?;
    let mut response = Response::new(ResponseBody::from(answer.body));
    *response.status_mut() = status;
    for (name, value) in answer.headers {
        let header = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value).ok());
        let (header, value) = header
            .ok_or_else(|| nonsense(format!("the behaviour answered with a header `{name}` that is none")))?;
        if !NOT_PASSED_ON.contains(&header) {
            response.headers_mut().append(header, value);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_behaviour_sees_path_and_query_as_they_were_sent() {
        for (outer, inner) in [
            ("/devices/a-0/app/peers/a%2Fb?since=1&x", "/peers/a%2Fb?since=1&x"),
            ("/devices/a-0/app/", "/"),
            ("/devices/a-0/app", "/"),
            ("/devices/a-0/app?x=1", "/?x=1"),
        ] {
            assert_eq!(inner_url(&outer.parse().unwrap()), inner, "{outer}");
        }
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_a_bad_gateway() {
        let answer = |status, name: &str| {
            let headers = vec![(name.to_owned(), "1".to_owned())];
            response(HttpResponse { status, headers, body: Default::default() })
        };
        assert!(answer(200, "x-a").is_ok());
        assert!(
            answer(99, "x-a").is_err() && answer(101, "x-a").is_err() && answer(200, "not a name").is_err()
        );
        assert!(!answer(200, "content-length").unwrap().headers().contains_key(CONTENT_LENGTH));
    }
}
