//! HTTP client of devices and of callers of the fleet's HTTP API.

use std::error::Error;
use std::io;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, redirect};

use crate::reason_text::hidden_tls;
use crate::reason_text::tls::{Peer, problem};
use crate::tls;

/// HTTP client without redirects, since they would bypass the allow-list of a device's hosts, and without
/// proxy environment variables.
pub fn client() -> Result<Client, String> {
    client_with(Client::builder().no_proxy(), HeaderMap::new())
}

/// HTTP client for downloads from the internet, through the proxy that the environment names. It follows no redirect, since
/// its caller checks each.
pub fn downloading_client() -> Result<Client, String> {
    client_with(Client::builder(), HeaderMap::new())
}

/// The same client, which sends a secret in this header of every request.
pub fn client_with_secret(name: &'static str, secret: &str) -> Result<Client, String> {
    // The error does not show the secret.
    let mut value = HeaderValue::from_str(secret).map_err(|_| "the secret is no valid header".to_owned())?;
    value.set_sensitive(true);
    let headers = [(HeaderName::from_static(name), value)].into_iter().collect();
    client_with(Client::builder().no_proxy(), headers)
}

fn client_with(builder: ClientBuilder, headers: HeaderMap) -> Result<Client, String> {
    let mut builder = builder.redirect(redirect::Policy::none()).default_headers(headers);
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

/// Error text with all its sources, which `Display` of `reqwest` errors leaves out. The text of a TLS error
/// includes its remedy.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let in_io = cause.downcast_ref::<io::Error>().and_then(hidden_tls);
        if let Some(error) = cause.downcast_ref::<rustls::Error>().or(in_io) {
            return format!("{text}: TLS failed: {}", problem(Peer::HttpServer, error));
        }
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::ServerConnection;

    use super::*;
    use crate::tls::test_server::self_signed_server;

    #[tokio::test]
    async fn a_tls_error_of_a_request_is_told_in_words() {
        let (_, config) = self_signed_server();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
            // Ends with the client's alert.
            connection.complete_io(&mut stream).unwrap_err()
        });
        let error = client().unwrap().get(&url).send().await.unwrap_err();
        let text = error_chain(&error);
        assert!(
            text.contains("TLS failed: no authority of this system signed the server's certificate"),
            "{text}"
        );
        server.join().unwrap();
    }
}
