//! HTTP requests and responses of devices, inbound and outbound.

use bytes::Bytes;

/// A request, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Method in upper case.
    pub method: String,
    /// Outbound: an absolute URL. Inbound: path and query.
    pub url: String,
    /// Headers in order, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, at most the device's limit.
    pub body: Bytes,
}

/// A response, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// Status code, 100 to 599.
    pub status: u16,
    /// Headers in order, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, at most the device's limit.
    pub body: Bytes,
}

impl HttpResponse {
    /// The response of a device whose behaviour cannot answer, because it does not run or hangs.
    pub fn unavailable() -> Self {
        Self::text(503, "the device's behaviour is not running\n")
    }

    /// A response in plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "text/plain; charset=utf-8".into())],
            body: Bytes::from(body.into()),
        }
    }
}

/// Reason for which an outbound request has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// No response within the request's timeout.
    #[error("no answer in time")]
    TimedOut,
    /// The connection failed or broke.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The response exceeds the limit, in bytes.
    #[error("the answer exceeds {0} bytes")]
    TooLarge(u32),
}
