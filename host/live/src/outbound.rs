//! Outbound HTTP requests of devices. The allow-list has been checked before.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use wasmote_mqtt::budget::{BudgetReport, ByteBudget, Lease};
use wasmote_sim::http::{HttpFailure, HttpRequest, HttpResponse};

use crate::http::{self, error_chain};

/// Bytes of the requests and answers in flight of all devices.
const MAX_BYTES: u64 = 128 << 20;
/// Bytes of a request or answer without its texts.
const FIXED: usize = 2 << 10;

/// HTTP client of the fleet, created for the first request, and the bytes in flight.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    client: Arc<OnceLock<Result<Client, String>>>,
    budget: ByteBudget,
}

impl Default for Outbound {
    fn default() -> Self {
        Self { client: Arc::default(), budget: ByteBudget::new(MAX_BYTES) }
    }
}

fn too_many_bytes() -> HttpFailure {
    HttpFailure::Unreachable(format!(
        "the devices' requests and answers in flight take more than {} MiB",
        MAX_BYTES >> 20
    ))
}

impl Outbound {
    /// Takes the bytes of a request; `None` if too many are in flight. The lease is for the answer, too.
    pub(crate) fn lease(&self, request: &HttpRequest) -> Option<Lease> {
        let headers = request.headers.iter().map(|(name, value)| name.len() + value.len());
        self.budget.take(FIXED + request.url.len() + request.body.len() + headers.sum::<usize>())
    }

    /// Bytes in flight.
    pub(crate) fn report(&self) -> BudgetReport {
        self.budget.report()
    }

    /// Sends one request. The response body is at most `max_body_bytes` bytes long.
    pub(crate) async fn fetch(
        &self,
        request: HttpRequest,
        timeout: Duration,
        max_body_bytes: u32,
        lease: &mut Option<Lease>,
    ) -> Result<HttpResponse, HttpFailure> {
        let lease = lease.as_mut().ok_or_else(too_many_bytes)?;
        let client = self.client.get_or_init(http::client).as_ref();
        let client = client.map_err(|error| HttpFailure::Unreachable(error.clone()))?;
        match tokio::time::timeout(timeout, exchange(client, request, max_body_bytes, lease)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(HttpFailure::TimedOut),
        }
    }
}

async fn exchange(
    client: &Client,
    request: HttpRequest,
    max_body_bytes: u32,
    lease: &mut Lease,
) -> Result<HttpResponse, HttpFailure> {
    let unreachable = |error: String| HttpFailure::Unreachable(error);
    let method =
        Method::from_bytes(request.method.as_bytes()).map_err(|error| unreachable(error.to_string()))?;
    let sent = client.request(method, &request.url).headers(headers(&request.headers)?).body(request.body);
    let mut response = sent.send().await.map_err(|error| unreachable(error_chain(&error)))?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(error_chain(&error)))? {
        if body.len() + chunk.len() > max_body_bytes as usize {
            return Err(HttpFailure::TooLarge(max_body_bytes));
        }
        if !lease.grow(chunk.len()) {
            return Err(too_many_bytes());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(to_response(&response, body.freeze()))
}

fn to_response(response: &reqwest::Response, body: Bytes) -> HttpResponse {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    HttpResponse { status: response.status().as_u16(), headers: headers.collect(), body }
}

fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, HttpFailure> {
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let invalid =
            |error: String| HttpFailure::Unreachable(format!("the header `{name}` cannot be sent: {error}"));
        let name = HeaderName::try_from(name).map_err(|error| invalid(error.to_string()))?;
        let value = HeaderValue::try_from(value).map_err(|error| invalid(error.to_string()))?;
        headers.append(name, value);
    }
    Ok(headers)
}
