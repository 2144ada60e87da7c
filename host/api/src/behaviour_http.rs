//! Behaviour endpoints: `/devices/{id}/app/...` passes requests to the device's behaviour.

use std::sync::Arc;

use axum::body::Body as ResponseBody;
use axum::extract::State as Shared;
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use wasmote_fleet::actions::Action;
use wasmote_fleet::actions::request::Request;
use wasmote_fleet::http_access::HttpToken;
use wasmote_sim::http::{HttpRequest, HttpResponse};

use super::Api;
use super::endpoint::{Endpoint, any};
use super::error::ApiError;
use super::extract::{Body, Device};
use super::guard::is_secret;
use super::refusal::Refusal;

/// Hop-by-hop headers, which are not forwarded [RFC 9110, 7.6.1].
const CONNECTION_HEADERS: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];

/// Rules for a page that a behaviour serves.
const PAGE_POLICY: &str = "sandbox allow-scripts";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        any("/devices/{id}/app/{*path}", handle)
            .summary("The HTTP endpoints of the device's behaviour")
            .response_as::<String>("*/*")
            .any_status()
            .error(404, "No device has this name, or the behaviour's own error")
            .error(413, "The body exceeds the device's limit")
            .error(502, "The behaviour's response is invalid")
            .error(503, "The behaviour is not running")
            .error(504, "The behaviour did not respond in time"),
        any("/devices/{id}/app/", handle),
        any("/devices/{id}/app", handle),
    ]
}

async fn handle(
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
        return Err(ApiError::refused(Refusal::BodySize, StatusCode::PAYLOAD_TOO_LARGE, "body", problem));
    }
    let token = api.run_info.access.token.as_ref();
    let request = HttpRequest {
        method: method.as_str().to_ascii_uppercase(),
        url: behaviour_url(&uri),
        headers: forwarded_headers(&headers, token),
        body: body.bytes,
    };
    // The other methods are safe: they change nothing [RFC 9110, 9.2.1].
    if !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS) {
        api.audit(Action::Request(Request::of_device(device.id(), &request)));
    }
    let answer = api.fleet.http_request(device.id(), request).await?;
    if answer == HttpResponse::unavailable() {
        let id = device.id();
        let problem = format!(
            "the behaviour of `{id}` is not running, or a fault makes it hang; GET /devices/{id} has the reason, and \
             POST /devices/{id}/start starts a stopped device"
        );
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "device", problem).found(id));
    }
    response(answer)
}

/// Path and query after `/devices/{id}/app`, unchanged.
fn behaviour_url(uri: &Uri) -> String {
    let path = uri.path().splitn(5, '/').nth(4).unwrap_or_default();
    match uri.query() {
        Some(query) => format!("/{path}?{query}"),
        None => format!("/{path}"),
    }
}

/// Headers for the behaviour. The host's token is not for behaviours, nor for the record of changes.
fn forwarded_headers(headers: &HeaderMap, token: Option<&HttpToken>) -> Vec<(String, String)> {
    let passed = headers
        .iter()
        .filter(|(name, value)| !CONNECTION_HEADERS.contains(name) && !is_secret(token, name, value));
    passed.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect()
}

fn response(answer: HttpResponse) -> Result<Response, ApiError> {
    let bad_gateway = |problem: String| ApiError::new(StatusCode::BAD_GATEWAY, "device", problem);
    let status = StatusCode::from_u16(answer.status).ok().filter(|status| !status.is_informational());
    let status =
        status.ok_or_else(|| bad_gateway(format!("the behaviour answered with status {}", answer.status)))?;
    let mut response = Response::new(ResponseBody::from(answer.body));
    *response.status_mut() = status;
    for (name, value) in answer.headers {
        let header = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value).ok());
        let (header, value) = header
            .ok_or_else(|| bad_gateway(format!("the behaviour answered with an invalid header `{name}`")))?;
        if !CONNECTION_HEADERS.contains(&header) {
            response.headers_mut().append(header, value);
        }
    }
    // A page of a behaviour must not act as the API's own: in a sandbox it has no origin, and so it changes nothing.
    response.headers_mut().append(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_behaviour_gets_path_and_query_unchanged() {
        for (outer, inner) in [
            ("/devices/a-0/app/peers/a%2Fb?since=1&x", "/peers/a%2Fb?since=1&x"),
            ("/devices/a-0/app/", "/"),
            ("/devices/a-0/app", "/"),
            ("/devices/a-0/app?x=1", "/?x=1"),
        ] {
            assert_eq!(behaviour_url(&outer.parse().unwrap()), inner, "{outer}");
        }
    }

    #[test]
    fn an_invalid_response_is_a_bad_gateway() {
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
