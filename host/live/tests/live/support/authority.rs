//! Certificate authority for tests.

use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use wasmote_live::config::TlsMaterial;

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Default authority of the test brokers.
pub static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("authority of the tests"));

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = named(name, Vec::new());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// Creates a certificate and its key.
    pub fn sign(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        self.sign_params(named(name, vec![name.to_owned()]))
    }

    pub fn sign_params(&self, params: CertificateParams) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }

    /// TLS material that trusts this authority, without a client certificate.
    pub fn material(&self) -> Arc<TlsMaterial> {
        Arc::new(TlsMaterial { ca: Some(self.pem()), client: None })
    }
}

/// The issuer needs another name, since a certificate whose issuer has the same name counts as self-signed.
pub fn named(name: &str, hosts: Vec<String>) -> CertificateParams {
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
