//! TLS configuration: client certificates of devices and of the host, and trusted authorities.
//!
//! * `pem`: certificates and keys in PEM files.

mod pem;
#[cfg(test)]
pub(crate) mod test_server;

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use crate::config::TlsMaterial;
use crate::reason_text::tls;

/// File of [`TlsMaterial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    /// Trusted authorities.
    Ca,
    /// Client certificate.
    Cert,
    /// Key of the client certificate.
    Key,
}

impl TlsFile {
    /// Flag that names the file.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Ca => "--ca",
            Self::Cert => "--cert",
            Self::Key => "--key",
        }
    }
}

impl std::fmt::Display for TlsFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Ca => "CA certificate",
            Self::Cert => "client certificate",
            Self::Key => "client key",
        })
    }
}

/// Unusable certificate or TLS configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error("the {file} {problem}")]
    Unusable {
        /// Role of the file.
        file: TlsFile,
        /// Problem and remedy, as the rest of a sentence about the file.
        problem: String,
    },
    /// The system's certificate store is empty.
    #[error("the system has no certificate authorities; give the broker's CA certificate")]
    NoSystemStore,
    /// The broker's host is neither a DNS name nor an IP address.
    #[error(
        "`{0}` is neither a DNS name nor an IP address, so no certificate can be for it; use another name of the broker"
    )]
    HostName(String),
    /// The TLS library cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl TlsError {
    /// File that cannot be used, if it is one of the material's.
    pub fn file(&self) -> Option<TlsFile> {
        match self {
            Self::Unusable { file, .. } => Some(*file),
            _ => None,
        }
    }
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
            let chain = certificates(chain, TlsFile::Cert)?;
            let key = pem::key(key).map_err(|problem| TlsError::Unusable { file: TlsFile::Key, problem })?;
            builder.with_client_auth_cert(chain, key).map_err(|error| client_auth_error(&error))?
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
    for certificate in certificates(pem, TlsFile::Ca)? {
        roots.add(certificate).map_err(|_| TlsError::Unusable {
            file: TlsFile::Ca,
            problem: "cannot be decoded: its PEM holds no X.509 certificate".to_owned(),
        })?;
    }
    Ok(roots)
}

/// Error of the library about the client certificate and its key.
fn client_auth_error(error: &rustls::Error) -> TlsError {
    let (file, problem) = match error {
        rustls::Error::InconsistentKeys(_) => (
            TlsFile::Key,
            "does not belong to the client certificate; give the key that the certificate was made with".to_owned(),
        ),
        rustls::Error::InvalidCertificate(error) => (TlsFile::Cert, tls::own_certificate(error)),
        _ => (
            TlsFile::Key,
            "has a type or size that is not supported; use RSA of 2048 bits or more, ECDSA P-256 or P-384, or Ed25519"
                .to_owned(),
        ),
    };
    TlsError::Unusable { file, problem }
}

/// Certificate store of the system. Unreadable certificates are skipped, as browsers do.
fn system_store() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoSystemStore) } else { Ok(roots) }
}

fn certificates(pem: &[u8], file: TlsFile) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    pem::certificates(pem).map_err(|problem| TlsError::Unusable { file, problem })
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
        let found = "the CA certificate holds no PEM; expected lines such as `-----BEGIN CERTIFICATE-----`";
        assert_eq!(error_text(ca("hello")), found);
        let damaged = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        let found = error_text(ca(damaged));
        assert!(found.starts_with("the CA certificate is damaged: "), "{found}");
        let not_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(error_text(ca(not_x509)).contains("cannot be decoded"), "{}", error_text(ca(not_x509)));
    }
}
