//! The HTTP client, for devices and for whoever asks fleets.

use std::error::Error;

use reqwest::{Client, redirect};

use crate::tls;

/// A client that follows no redirects, since they would lead past the list of hosts that a device may reach, and
/// that listens to no proxy variables.
pub fn client() -> Result<Client, String> {
    let mut builder = Client::builder().redirect(redirect::Policy::none()).no_proxy();
    match tls::client_config(None) {
        Ok(config) => builder = builder.tls_backend_preconfigured((*config).clone()),
        // Without a store only `http` can work, and `https` will say that nobody is trusted.
        Err(error) => {
            tracing::warn!("outbound HTTPS is not possible: {error}");
            builder = builder
                .tls_backend_preconfigured(tls::client_config_without_roots().map_err(|e| e.to_string())?);
        }
    }
    builder.build().map_err(|error| error_chain(&error))
}

/// What went wrong with all that is behind it; the library's own words leave that out.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(cause) = behind {
        text = format!("{text}: {cause}");
        behind = cause.source();
    }
    text
}
