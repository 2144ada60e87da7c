//! HTTP as a device sees it: requests addressed to it, and requests it makes.

use bytes::Bytes;

/// A request, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// In upper case.
    pub method: String,
    /// Outbound an absolute URL, inbound path and query.
    pub url: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// At most the device's limit.
    pub body: Bytes,
}

/// A response, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// 100 to 599.
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// At most the device's limit.
    pub body: Bytes,
}

impl HttpResponse {
    /// A short answer in plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "text/plain; charset=utf-8".into())],
            body: Bytes::from(body.into()),
        }
    }
}

/// Why an outbound request brought no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// Nothing came within the request's time-out.
    #[error("no answer in time")]
    TimedOut,
    /// No connection, or it broke.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// Larger than the limit, in bytes.
    #[error("the answer exceeds {0} bytes")]
    TooLarge(u32),
}
