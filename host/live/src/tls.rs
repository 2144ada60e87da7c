//! TLS configuration: client certificates of devices and of the host, and trusted authorities.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use crate::config::TlsMaterial;

/// Unusable certificate or TLS configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The file is not valid PEM.
    #[error("the {what} cannot be read: {why}; expected PEM, with lines such as `-----BEGIN {label}-----`")]
    NotPem {
        /// Name of the file's role.
        what: &'static str,
        /// Error of the parser.
        why: String,
        /// PEM label that was expected.
        label: &'static str,
    },
    /// The PEM file contains no certificate.
    #[error("the {what} holds no certificate")]
    NoCertificate {
        /// Name of the file's role.
        what: &'static str,
    },
    /// The system's certificate store is empty.
    #[error("the system has no certificate authorities; give the broker's CA certificate")]
    NoSystemStore,
    /// Certificate and key do not match, or have an unsupported type.
    #[error("the client certificate and its key cannot be used: {0}")]
    ClientAuth(String),
    /// The broker's host is neither a DNS name nor an IP address.
    #[error(
        "`{0}` is neither a DNS name nor an IP address, so no certificate can be for it; use another name of the broker"
    )]
    HostName(String),
    /// The TLS library cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// TLS client configuration for one broker, shared by all connections.
#[derive(Clone, Debug)]
pub(crate) struct TlsClient {
    pub(crate) config: Arc<ClientConfig>,
    /// Server name that the broker's certificate must contain.
    pub(crate) server_name: ServerName<'static>,
}

impl TlsClient {
    pub(crate) fn new(host: &str, material: Option<&TlsMaterial>) -> Result<Self, TlsError> {
        let name = ServerName::try_from(host.to_owned());
        let server_name = name.map_err(|_| TlsError::HostName(host.to_owned()))?;
        Ok(Self { config: client_config(material)?, server_name })
    }
}

impl TlsMaterial {
    /// Validates the certificates. A fleet makes the same check at its start, and an error becomes every
    /// device's disconnect reason.
    pub fn check(&self) -> Result<(), TlsError> {
        client_config(Some(self)).map(drop)
    }
}

/// TLS client configuration. Without material it trusts the system's authorities.
pub(crate) fn client_config(material: Option<&TlsMaterial>) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match material.and_then(|material| material.ca.as_deref()) {
        Some(pem) => root_store(pem)?,
        None => system_store()?,
    };
    let builder = builder(roots)?;
    let config = match material.and_then(|material| material.client.as_ref()) {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = certificates(chain, "client certificate")?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::NotPem {
                what: "client key",
                why: error.to_string(),
                label: "PRIVATE KEY",
            })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| TlsError::ClientAuth(error.to_string()))?
        }
    };
    Ok(Arc::new(config))
}

/// TLS client configuration for a system without a certificate store: every server is refused.
pub(crate) fn client_config_without_roots() -> Result<ClientConfig, TlsError> {
    Ok(builder(RootCertStore::empty())?.with_no_client_auth())
}

fn builder(roots: RootCertStore) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setup(error.to_string()))?;
    Ok(builder.with_root_certificates(roots))
}

fn root_store(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, "CA certificate")? {
        roots.add(certificate).map_err(|error| TlsError::NotPem {
            what: "CA certificate",
            why: error.to_string(),
            label: "CERTIFICATE",
        })?;
    }
    Ok(roots)
}

/// Certificate store of the system. Unreadable certificates are skipped, as browsers do.
fn system_store() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoSystemStore) } else { Ok(roots) }
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found =
        found.map_err(|error| TlsError::NotPem { what, why: error.to_string(), label: "CERTIFICATE" })?;
    if found.is_empty() { Err(TlsError::NoCertificate { what }) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_text(material: TlsMaterial) -> String {
        material.check().unwrap_err().to_string()
    }

    #[test]
    fn bad_material_names_the_file_and_what_was_expected() {
        let ca = |text: &str| TlsMaterial { ca: Some(text.into()), client: None };
        assert_eq!(error_text(ca("hello")), "the CA certificate holds no certificate");
        let damaged = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        assert!(
            error_text(ca(damaged)).starts_with("the CA certificate cannot be read"),
            "{}",
            error_text(ca(damaged))
        );
    }
}
