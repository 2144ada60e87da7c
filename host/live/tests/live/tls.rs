//! TLS, with certificates of one's own.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use wasmote_live::config::{BrokerUrl, ConnectionOptions, TlsMaterial};

use crate::refusals::why_down;
use crate::support::device::{PROTOCOLS, listener, start};
use crate::support::mosquitto::{Mosquitto, free_port};
use crate::support::server::options;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = named(name, Vec::new());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A certificate and its key.
    fn sign(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let params = named(name, vec![name.to_owned()]);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }
}

/// A certificate whose issuer has its own name would count as signed by itself.
fn named(name: &str, hosts: Vec<String>) -> CertificateParams {
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Speaks TLS, and asks for a client certificate.
fn guarded(authority: &Authority) -> Mosquitto {
    let (certificate, key) = authority.sign("localhost");
    let lines = "allow_anonymous true\ncafile @/ca.pem\ncertfile @/server.pem\nkeyfile @/server.key\nrequire_certificate true";
    let ca = authority.pem();
    Mosquitto::with(
        free_port(),
        lines,
        &[("ca.pem", &ca), ("server.pem", &certificate), ("server.key", &key)],
    )
}

fn url(host: &str, port: u16) -> BrokerUrl {
    BrokerUrl { host: host.into(), port, tls: true }
}

fn trusting(ca: &Authority, client: Option<(Vec<u8>, Vec<u8>)>) -> ConnectionOptions {
    ConnectionOptions { tls: Some(Arc::new(TlsMaterial { ca: Some(ca.pem()), client })), ..options() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutual_tls_connects() {
    let authority = Authority::new("authority");
    let server = guarded(&authority);
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &["t/#"]);
        let options = trusting(&authority, Some(authority.sign("device")));
        let fleet = start(url("localhost", server.port), options, vec![device.blueprint.clone()]);
        device.ready().await;
        let text = "through TLS";
        fleet.publish("device", crate::support::device::message("t/x", text)).await.unwrap();
        device.message(text).await;
        fleet.shutdown(Duration::from_secs(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_errors_have_readable_reasons() {
    let authority = Authority::new("authority");
    let server = guarded(&authority);
    let stranger = Authority::new("stranger");
    let client = || Some(authority.sign("device"));
    let plain = Mosquitto::start();
    let damaged = TlsMaterial { ca: Some(b"hello".to_vec()), client: None };
    assert_eq!(damaged.check().unwrap_err().to_string(), "the CA certificate holds no certificate");
    let damaged = ConnectionOptions { tls: Some(Arc::new(damaged)), ..options() };
    let cases = [
        (url("localhost", server.port), trusting(&stranger, client()), "is not the one that signed"),
        (
            url("127.0.0.1", server.port),
            trusting(&authority, client()),
            "use a name that the broker's certificate is for",
        ),
        (url("localhost", server.port), trusting(&authority, None), "asks for a client certificate"),
        (url("localhost", plain.port), trusting(&authority, None), "TLS with localhost"),
        (url("localhost", server.port), damaged, "the CA certificate holds no certificate"),
        (BrokerUrl { tls: false, ..url("localhost", server.port) }, options(), "connection"),
    ];
    for protocol in PROTOCOLS {
        for (broker, options, expected) in cases.clone() {
            let device = listener("device", protocol, &[]);
            let fleet = start(broker, options, vec![device.blueprint]);
            let why = why_down(&fleet, "device").await;
            assert!(why.contains(expected), "{protocol:?}: expected `{expected}`, found `{why}`");
            fleet.shutdown(Duration::from_secs(5)).await;
        }
    }
}
