//! HTTP client of devices and of callers of the fleet's HTTP API.

use std::error::Error;

use reqwest::{Client, redirect};

use crate::tls;

/// HTTP client without redirects, since they would bypass the allow-list of a device's hosts, and without
/// proxy environment variables.
pub fn client() -> Result<Client, String> {
    let mut builder = Client::builder().redirect(redirect::Policy::none()).no_proxy();
    match tls::client_config(None) {
        Ok(config) => builder = builder.tls_backend_preconfigured((*config).clone()),
        // Without a certificate store only `http` works, and each `https` request reports an untrusted
        // certificate.
        Err(error) => {
            tracing::warn!("outbound HTTPS is unavailable: {error}");
            builder = builder
                .tls_backend_preconfigured(tls::client_config_without_roots().map_err(|e| e.to_string())?);
        }
    }
    builder.build().map_err(|error| error_chain(&error))
}

/// Error text with all its sources, which `Display` of `reqwest` errors leaves out.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
