//! Error responses: JSON that names the invalid field.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use wasmote_fleet::document::DocumentError;
use wasmote_live::fleet::FleetError;

use super::refusal::Refusal;

/// Maximum length of `found`, in characters.
const MAX_FOUND_CHARS: usize = 100;

/// Response to a failed request.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct ErrorBody {
    /// The error.
    error: ApiError,
}

/// A request error, sent as an [`ErrorBody`].
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ApiError {
    #[serde(skip)]
    status: StatusCode,
    /// Reason of a refusal that is counted.
    #[serde(skip)]
    refusal: Option<Refusal>,
    /// The invalid field or part of the request.
    field: String,
    /// The problem and its remedy.
    message: String,
    /// The invalid value.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<Value>,
}

impl ApiError {
    /// Creates an error for a field.
    pub fn new(status: StatusCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, refusal: None, field: field.into(), message: message.into(), found: None }
    }

    /// Creates an error for a refusal that is counted.
    pub fn refused(
        refusal: Refusal,
        status: StatusCode,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { refusal: Some(refusal), ..Self::new(status, field, message) }
    }

    /// Creates an error with status 400.
    pub fn bad_request(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, field, message)
    }

    /// Creates an error with status 404, for an unknown name.
    pub fn not_found(field: &str, message: impl Into<String>, found: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, field, message).found(found)
    }

    /// The reason of a refusal that is counted.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body of the response.
    pub fn body(&self) -> String {
        serde_json::to_string(&ErrorBody { error: self.clone() }).unwrap_or_default()
    }

    /// Adds the invalid value.
    #[must_use]
    pub fn found(self, found: impl Into<Value>) -> Self {
        let found = match found.into() {
            Value::String(text) => truncated(text),
            other => other,
        };
        Self { found: Some(found), ..self }
    }
}

/// Truncates a text from a request to [`MAX_FOUND_CHARS`].
fn truncated(text: String) -> Value {
    match text.char_indices().nth(MAX_FOUND_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

impl From<FleetError> for ApiError {
    fn from(error: FleetError) -> Self {
        let message = error.to_string();
        match error {
            FleetError::UnknownDevice(id) => Self::not_found("device", message, &id),
            FleetError::NotRunning(id) => {
                let message = format!("{message}; start it with POST /devices/{id}/start");
                Self::new(StatusCode::CONFLICT, "device", message).found(id)
            }
            FleetError::NameTaken(id) => Self::new(StatusCode::CONFLICT, "device", message).found(id),
            FleetError::TimedOut(id, _) => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "device", message).found(id)
            }
            FleetError::Closed => Self::new(StatusCode::SERVICE_UNAVAILABLE, "fleet", message),
        }
    }
}

impl From<DocumentError> for ApiError {
    fn from(error: DocumentError) -> Self {
        let field = if error.field.is_empty() { "body".into() } else { error.field };
        let location = error.location.map(|(line, column)| format!(" (line {line}, column {column})"));
        Self::bad_request(field, error.problem + &location.unwrap_or_default())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, refusal) = (self.status, self.refusal);
        let mut response = (status, Json(ErrorBody { error: self })).into_response();
        let header = match status {
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer realm=\"wasmote\"")),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, "1")),
            _ => None,
        };
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        if let Some(refusal) = refusal {
            response.extensions_mut().insert(refusal);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rendered(error: ApiError) -> (u16, String) {
        let response = error.into_response();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_body_names_the_field_and_the_invalid_value() {
        let error = ApiError::bad_request("qos", "expected QoS 0, 1 or 2, found 3").found(3);
        let body = r#"{"error":{"field":"qos","message":"expected QoS 0, 1 or 2, found 3","found":3}}"#;
        assert_eq!(rendered(error).await, (400, body.into()));
    }

    #[test]
    fn a_long_value_is_truncated() {
        let found =
            |length: usize| ApiError::bad_request("x", "is wrong").found("ü".repeat(length)).found.unwrap();
        assert_eq!(found(100), "ü".repeat(100));
        assert_eq!(found(101), "ü".repeat(100) + "…");
    }

    #[tokio::test]
    async fn a_stopped_device_is_a_conflict_with_advice() {
        let (status, body) = rendered(FleetError::NotRunning("a-0".into()).into()).await;
        assert_eq!(status, 409);
        assert!(body.contains("POST /devices/a-0/start"), "{body}");
    }
}
