//! HTTP requests of the device.

use super::nanos;
use crate::host::imports;
use crate::{Device, Request};
use std::time::Duration;

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
use wasmote_sim::context::HttpRefusal;

pub use crate::bindings::wasmote::device::http::SendError;

imports! {
    http::send => fn http_send(host, request: &Request, timeout: u64) -> Result<u64, SendError> {
        let sent = crate::bench::convert::request_from_wit(request.clone());
        let timeout = Duration::from_nanos(timeout);
        let id = host.context(|context| context.http_send(sent, timeout)).map_err(|refused| match refused {
            HttpRefusal::TooMany(limit) => SendError::TooMany(limit),
            HttpRefusal::BodyTooLarge(limit) => SendError::BodyTooLarge(limit),
        })?;
        host.records().requests.push(request.clone());
        Ok(id)
    }
}

impl From<SendError> for String {
    fn from(reason: SendError) -> Self {
        match reason {
            SendError::Denied(host) => format!("{host} is not on the allow-list"),
            SendError::Invalid(reason) => format!("invalid request: {reason}"),
            SendError::BodyTooLarge(limit) => format!("the body is larger than {limit} bytes"),
            SendError::TooMany(limit) => format!("more than {limit} requests without a response"),
        }
    }
}

/// Outbound HTTP.
impl Device {
    /// Sends a request. The response arrives in `on_http_reply` with the number returned here.
    pub fn send_http(&mut self, request: &Request, timeout: Duration) -> Result<u64, SendError> {
        self.host().http_send(request, nanos(timeout))
    }
}
