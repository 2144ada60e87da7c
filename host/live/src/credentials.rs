//! Credentials of single devices: user name, password and client certificate.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::ResolvesClientCert;

/// A secret, which is read like a text. Its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl<T: Into<Arc<str>>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl std::ops::Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Credentials of one device, instead of those of the fleet.
#[derive(Clone, Debug, Default)]
pub struct DeviceCredentials {
    /// User name, which may be a token. With a password, both replace those of the fleet.
    pub username: Option<Secret>,
    /// Password, or a token.
    pub password: Option<Secret>,
    /// Client certificate.
    pub certificate: Option<Arc<ClientCertificate>>,
}

impl DeviceCredentials {
    /// Whether the device has a user name or a password of its own.
    pub(crate) fn has_login(&self) -> bool {
        self.username.is_some() || self.password.is_some()
    }
}

/// Client certificate with its key, made by [`read_client_certificate`](crate::tls::read_client_certificate). Its debug
/// form does not show the key.
pub struct ClientCertificate {
    /// The same object for every connection: rustls resumes a session only with the one that began it.
    resolver: Arc<dyn ResolvesClientCert>,
    /// Beginning and end of its validity, in seconds since 1970.
    validity: (i64, i64),
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("validity", &self.validity).finish_non_exhaustive()
    }
}

impl ClientCertificate {
    pub(crate) fn new(resolver: Arc<dyn ResolvesClientCert>, validity: (i64, i64)) -> Self {
        Self { resolver, validity }
    }

    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::clone(&self.resolver)
    }

    /// Beginning and end of its validity, in seconds since 1970.
    pub fn validity(&self) -> (i64, i64) {
        self.validity
    }
}

/// Credentials by the names of devices, which may be replaced while a fleet runs: a device uses its new ones from its
/// next connection on.
#[derive(Default)]
pub struct CredentialStore(RwLock<HashMap<Box<str>, Arc<DeviceCredentials>>>);

impl fmt::Debug for CredentialStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let devices = self.0.read().unwrap_or_else(PoisonError::into_inner).len();
        write!(f, "CredentialStore({devices} devices)")
    }
}

impl CredentialStore {
    /// The credentials of a device.
    pub fn get(&self, device: &str) -> Option<Arc<DeviceCredentials>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(device).cloned()
    }

    /// Sets the credentials of a device.
    pub fn set(&self, device: &str, credentials: Arc<DeviceCredentials>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(device.into(), credentials);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{ConnectionOptions, TlsMaterial};
    use crate::tls::read_client_certificate;

    #[test]
    fn debug_forms_of_connections_show_no_secret() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let (chain, pem) = (certificate.pem(), key.serialize_pem());
        let own = DeviceCredentials {
            username: Some("token-as-user".into()),
            password: Some("hunter2".into()),
            certificate: Some(Arc::new(read_client_certificate(chain.as_bytes(), pem.as_bytes()).unwrap())),
        };
        let material = TlsMaterial { ca: None, client: Some((chain.into_bytes(), pem.into_bytes())) };
        let options = ConnectionOptions {
            password: Some("hunter2".into()),
            tls: Some(Arc::new(material)),
            ..ConnectionOptions::plain(Duration::from_secs(10))
        };
        options.devices.set("device", Arc::new(own.clone()));
        let shown = format!("{own:?} {options:?}");
        // Bytes of a PEM file in the debug form of a list begin like this.
        for secret in ["hunter2", "token-as-user", "BEGIN", "45, 45, 45"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        assert!(shown.contains("1 devices"), "{shown}");
    }
}
