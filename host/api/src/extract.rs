//! Extractors for requests. Every rejection is a JSON error that names the field.

use std::sync::Arc;

use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use wasmote_fleet::document::{DocumentError, explain, parse_object};
use wasmote_mqtt::device_id::Identity;

use super::error::ApiError;
use super::refusal::Refusal;
use super::{Api, BODY_LIMIT, GroupInfo, REQUEST_TIMEOUT};

/// The device that the path names as `{id}`.
pub struct Device {
    /// Position in the fleet.
    pub position: usize,
    /// Identity of the device.
    pub identity: Arc<Identity>,
}

impl Device {
    /// Its name.
    pub fn id(&self) -> &str {
        self.identity.id.as_str()
    }
}

impl FromRequestParts<Arc<Api>> for Device {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let id = path_value(parts, api, "id").await?;
        let position = api.position(&id)?;
        Ok(Self { position, identity: Arc::clone(&api.fleet.devices()[position]) })
    }
}

/// The group that the path names as `{group}`.
pub struct Group {
    /// Its name.
    pub name: String,
    /// Information about the group.
    pub info: GroupInfo,
}

impl FromRequestParts<Arc<Api>> for Group {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let name = path_value(parts, api, "group").await?;
        let info = api.group(&name)?.clone();
        Ok(Self { name, info })
    }
}

async fn path_value(parts: &mut Parts, api: &Arc<Api>, name: &'static str) -> Result<String, ApiError> {
    let values = RawPathParams::from_request_parts(parts, api)
        .await
        .map_err(|rejection| ApiError::bad_request("path", rejection.body_text()))?;
    let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
    value.ok_or_else(|| ApiError::bad_request("path", format!("the path has no `{name}`")))
}

/// Query parameters. Unknown names are rejected.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri).map(|Query(params)| Self(params)).map_err(|rejection| {
            let text = rejection.body_text();
            let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            match text.split_once(": ") {
                Some((field, problem)) => DocumentError::located(field.into(), explain(problem), None).into(),
                None => ApiError::bad_request("query", explain(text)),
            }
        })
    }
}

/// A request body within the size limit, with its content type.
pub struct Body {
    /// Content type in lower case, without parameters; empty if the header is absent.
    pub content_type: String,
    /// The body.
    pub bytes: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Self::within(BODY_LIMIT, request, state).await
    }
}

impl Body {
    /// Reads a body on a route with this limit in bytes. The router enforces the limit; here it is needed for
    /// the error message.
    pub async fn within<S: Send + Sync>(limit: usize, request: Request, state: &S) -> Result<Self, ApiError> {
        let content_type = content_type(request.headers());
        let late = |_| {
            let problem = format!("the body did not arrive within {} s", REQUEST_TIMEOUT.as_secs());
            ApiError::refused(Refusal::BodyTime, StatusCode::REQUEST_TIMEOUT, "body", problem)
        };
        let too_large = || {
            let problem = format!("the body exceeds {limit} bytes");
            ApiError::refused(Refusal::BodySize, StatusCode::PAYLOAD_TOO_LARGE, "body", problem)
        };
        // A client that announces too much need not send it.
        if request.body().size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        let bytes = timeout(REQUEST_TIMEOUT, Bytes::from_request(request, state)).await.map_err(late)?;
        let bytes = bytes.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            status => ApiError::new(status, "body", rejection.body_text()),
        })?;
        Ok(Self { content_type, bytes })
    }
}

/// Example of a JSON body, for error messages.
pub trait Example: DeserializeOwned {
    /// An object with the required fields.
    const EXAMPLE: &'static str;
}

/// A JSON body.
pub struct JsonBody<T>(pub T);

impl<T: Example, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Body::from_request(request, state).await?;
        if !is_json(&body.content_type) {
            return Err(wrong_type(&body.content_type, "application/json"));
        }
        Ok(Self(parse_object(&body.bytes, &format!("a JSON object like {}", T::EXAMPLE))?))
    }
}

/// True if a content type is JSON.
pub fn is_json(content_type: &str) -> bool {
    content_type == "application/json" || content_type.ends_with("+json")
}

/// Creates the error for an unsupported content type.
pub fn wrong_type(found: &str, wanted: &str) -> ApiError {
    let message = format!("send {wanted}, as curl does with -H \"Content-Type: application/json\"");
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", message).found(found)
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
