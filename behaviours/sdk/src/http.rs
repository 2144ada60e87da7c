//! HTTP requests and responses, in either direction.

use crate::config::comma_separated;
use crate::json::Value;
use crate::object;

pub use crate::bindings::wasmote::device::types::{
    HttpFailure as Failure, HttpHeader as Header, HttpRequest as Request, HttpResponse as Response,
};

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, url: &str) -> Self {
        Request { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A GET request.
    pub fn get(url: &str) -> Self {
        Request::new("GET", url)
    }

    /// The path of a request to this device, without the query.
    pub fn path(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    /// Method and path, for matching: `("GET", "/peers")`.
    pub fn route(&self) -> (&str, &str) {
        (&self.method, self.path())
    }
}

impl Response {
    /// A response with status 200 and JSON.
    pub fn json(value: &Value) -> Self {
        Response::with_status(200, value)
    }

    /// A response with any status and JSON.
    pub fn with_status(status: u16, value: &Value) -> Self {
        let json = Header { name: "content-type".into(), value: "application/json".into() };
        Response { status, headers: vec![json], body: value.to_bytes() }
    }

    /// A response with a status and `{"error": reason}`.
    pub fn error(status: u16, reason: &str) -> Self {
        Response::with_status(status, &object! { "error": reason })
    }

    /// A response with status 404.
    pub fn not_found() -> Self {
        Response::error(404, "not found")
    }

    /// Response for unhandled requests of a device that supports only GET: 405 for another method, 404 for
    /// another path.
    pub fn fallback(request: &Request, paths: &[&str]) -> Self {
        if paths.contains(&request.path()) {
            Response::error(405, "only GET is answered here")
        } else {
            Response::error(404, &format!("not found; this device answers {}", comma_separated(paths)))
        }
    }
}
