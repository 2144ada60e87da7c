//! Certificates of one's own.

use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use wasmote_live::config::TlsMaterial;

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// The authority of all brokers that need no other.
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

    /// A certificate and its key.
    pub fn sign(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        self.sign_params(named(name, vec![name.to_owned()]))
    }

    pub fn sign_params(&self, params: CertificateParams) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }

    /// Trust in it, without a certificate of the client's own.
    pub fn material(&self) -> Arc<TlsMaterial> {
        Arc::new(TlsMaterial { ca: Some(self.pem()), client: None })
    }
}

/// A certificate whose issuer has its own name would count as signed by itself.
pub fn named(name: &str, hosts: Vec<String>) -> CertificateParams {
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
