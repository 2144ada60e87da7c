//! TLS configuration: client certificates of devices and of the host, and trusted authorities.
//!
//! * `pem`: certificates and keys in PEM files. `sessions`: state of each device, such as the
//!   session to resume. `validity`: dates of certificates.

mod pem;
pub(crate) mod sessions;
#[cfg(test)]
pub(crate) mod test_server;
mod validity;

use std::sync::{Arc, LazyLock};

use rustls::client::{Resumption, UnbufferedClientConnection, WantsClientCert};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use crate::config::{BrokerUrl, ConnectionOptions, TlsMaterial, TlsOptions};
use crate::credentials::ClientCertificate;
use crate::reason_text::tls;
use sessions::DeviceSessions;

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
    /// The name from the options is neither a DNS name nor an IP address.
    #[error("`{0}` is neither a DNS name nor an IP address, so no certificate can be for it")]
    ServerName(String),
    /// A protocol for ALPN cannot be sent.
    #[error("{0}")]
    Alpn(String),
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
    /// Configuration without session resumption.
    config: Arc<ClientConfig>,
    /// Server name that the broker's certificate must contain.
    server_name: ServerName<'static>,
    resumption: bool,
}

impl TlsClient {
    /// Configuration for a broker; `None` without TLS.
    pub(crate) fn for_broker(
        broker: &BrokerUrl,
        options: &ConnectionOptions,
    ) -> Result<Option<Self>, TlsError> {
        let tls = || Self::new(&broker.host, options.tls.as_deref(), &options.tls_options);
        broker.tls.then(tls).transpose()
    }

    pub(crate) fn new(
        host: &str,
        material: Option<&TlsMaterial>,
        options: &TlsOptions,
    ) -> Result<Self, TlsError> {
        options.check()?;
        let name = options.server_name.as_deref().unwrap_or(host).to_owned();
        let server_name =
            ServerName::try_from(name).map_err(|_| TlsError::HostName(host.to_owned()))?.to_owned();
        let mut config = ClientConfig::clone(&*client_config(material)?);
        config.enable_sni = options.sends_server_name;
        config.alpn_protocols = options.alpn.iter().map(|protocol| protocol.clone().into_bytes()).collect();
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), server_name, resumption: options.resumption })
    }

    /// Starts a connection, which resumes the last session of the same device if that is permitted.
    pub(crate) fn connection(
        &self,
        sessions: &mut DeviceSessions,
    ) -> Result<UnbufferedClientConnection, rustls::Error> {
        UnbufferedClientConnection::new(self.config_for(sessions), self.server_name.clone())
    }

    /// Configuration of the connections that share these sessions.
    pub(crate) fn config_for(&self, sessions: &mut DeviceSessions) -> Arc<ClientConfig> {
        let certificate = sessions.certificate().map(ClientCertificate::resolver);
        if !self.resumption && certificate.is_none() {
            return Arc::clone(&self.config);
        }
        // The clone shares certificates and authorities, without which rustls resumes no session.
        let mut config = ClientConfig::clone(&self.config);
        if let Some(resolver) = certificate {
            config.client_auth_cert_resolver = resolver;
        }
        if self.resumption {
            config.resumption = Resumption::store(sessions.store());
        }
        Arc::new(config)
    }

    /// Server name as text.
    pub(crate) fn server_name(&self) -> String {
        self.server_name.to_str().into_owned()
    }
}

impl TlsOptions {
    /// Checks the server name and the protocols for ALPN.
    pub fn check(&self) -> Result<(), TlsError> {
        if let Some(name) = &self.server_name {
            ServerName::try_from(name.as_str()).map_err(|_| TlsError::ServerName(name.clone()))?;
        }
        match self.alpn.iter().find(|protocol| !(1..=MAX_ALPN).contains(&protocol.len())) {
            None => Ok(()),
            Some(empty) if empty.is_empty() => {
                Err(TlsError::Alpn("a protocol for ALPN is empty; use a name such as `mqtt`".to_owned()))
            }
            Some(long) => {
                let length = long.len();
                Err(TlsError::Alpn(format!(
                    "a protocol for ALPN has {length} bytes; the maximum is {MAX_ALPN}"
                )))
            }
        }
    }
}

/// Maximum length of a protocol's name (RFC 7301, section 3.1).
const MAX_ALPN: usize = 255;

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

/// One provider for the certificates of all devices, because each holds a list of cipher suites.
static PROVIDER: LazyLock<CryptoProvider> = LazyLock::new(rustls::crypto::ring::default_provider);

/// Reads the client certificate of a device with its chain, and its key, both in PEM, and checks that they belong together.
pub fn read_client_certificate(chain: &[u8], key: &[u8]) -> Result<ClientCertificate, TlsError> {
    let chain = certificates(chain, TlsFile::Cert)?;
    let key = pem::key(key).map_err(|problem| TlsError::Unusable { file: TlsFile::Key, problem })?;
    let validity = chain.first().and_then(|first| validity::of(first)).ok_or_else(|| TlsError::Unusable {
        file: TlsFile::Cert,
        problem: "cannot be decoded: its PEM holds no X.509 certificate".to_owned(),
    })?;
    let key = CertifiedKey::from_der(chain, key, &PROVIDER).map_err(|error| client_auth_error(&error))?;
    Ok(ClientCertificate::new(Arc::new(SingleCertAndKey::from(key)), validity))
}

/// The first certificate of a PEM file, in DER.
pub fn first_certificate(pem: &[u8], file: TlsFile) -> Result<Vec<u8>, TlsError> {
    let found = certificates(pem, file)?;
    Ok(found.first().map(|first| first.to_vec()).unwrap_or_default())
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
