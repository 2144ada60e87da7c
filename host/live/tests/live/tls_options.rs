//! Options of TLS and of the local end of a connection, seen by OpenSSL in front of Mosquitto and by rustls.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use serde_json::{Value, json};
use tempfile::TempDir;
use wasmote_live::config::{BrokerUrl, ConnectionOptions, TlsOptions};
use wasmote_live::fleet::PowerCommand;
use wasmote_live::host_client::{BrokerAnswer, HostConnection, check};
use wasmote_mqtt::protocol::Protocol;

use crate::refusals::why_down;
use crate::support::TIMEOUT;
use crate::support::authority::AUTHORITY;
use crate::support::device::{PROTOCOLS, check_ledgers, is_up, listener, start};
use crate::support::mosquitto::Mosquitto;
use crate::support::script::Script;
use crate::support::server::{Kind, Server, at_port, options};

/// TLS server of OpenSSL in front of a Mosquitto, with a certificate for this name.
struct Front {
    script: Script,
    _broker: Mosquitto,
    _files: TempDir,
}

impl Front {
    async fn start(name: &str, version: &str, alpn: &[&str]) -> Self {
        let (files, broker) = (tempfile::tempdir().unwrap(), Mosquitto::start());
        let (certificate, key) = AUTHORITY.sign(name);
        let file = |name: &str, content: &[u8]| {
            let path = files.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (certificate, key) = (file("server.pem", &certificate), file("server.key", &key));
        let port = broker.port.to_string();
        let mut arguments = vec![certificate.as_str(), &key, &port, version];
        let alpn = alpn.join(",");
        arguments.extend((!alpn.is_empty()).then_some(alpn.as_str()));
        let script = Script::start("tls_front.py", &arguments).await;
        Self { script, _broker: broker, _files: files }
    }

    fn url(&self) -> BrokerUrl {
        BrokerUrl { tls: true, ..at_port(self.script.port) }
    }

    async fn handshake(&mut self) -> Value {
        let line = self.script.line("a handshake", |line| line.starts_with('{')).await;
        serde_json::from_str(&line).unwrap()
    }
}

fn with(tls_options: TlsOptions) -> ConnectionOptions {
    ConnectionOptions { tls: Some(AUTHORITY.material()), tls_options, ..options() }
}

fn host(broker: BrokerUrl, options: ConnectionOptions, protocol: Protocol) -> HostConnection {
    HostConnection { broker, options, protocol, client_id: "host".into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_name_and_the_protocols_of_alpn_reach_the_broker() {
    let mut front = Front::start("broker.example", "TLSv1_3", &["mqtt", "x-amzn-mqtt-ca"]).await;
    let named = |sends_server_name, alpn: &[&str]| {
        with(TlsOptions {
            server_name: Some("broker.example".into()),
            sends_server_name,
            alpn: alpn.iter().map(|protocol| (*protocol).to_owned()).collect(),
            ..TlsOptions::default()
        })
    };
    let cases = [
        (named(true, &["x-amzn-mqtt-ca"]), json!("broker.example"), json!("x-amzn-mqtt-ca")),
        (named(true, &["unknown", "mqtt"]), json!("broker.example"), json!("mqtt")),
        (named(false, &[]), Value::Null, Value::Null),
    ];
    for protocol in PROTOCOLS {
        for (options, name, alpn) in cases.clone() {
            let mut device = listener("device", protocol, &[]);
            let fleet = start(front.url(), options.clone(), vec![device.blueprint.clone()]);
            device.ready().await;
            let seen = front.handshake().await;
            assert_eq!((&seen["name"], &seen["alpn"]), (&name, &alpn), "{seen}");
            fleet.shutdown(Duration::from_secs(5)).await;
            let answer = check(host(front.url(), options, protocol), TIMEOUT).await;
            assert_eq!(answer, Ok(BrokerAnswer::Accepted));
            let seen = front.handshake().await;
            assert_eq!((&seen["name"], &seen["alpn"]), (&name, &alpn), "the host: {seen}");
        }
    }
    // Without the option, the name of the URL counts.
    let device = listener("device", Protocol::V5, &[]);
    let fleet = start(front.url(), with(TlsOptions::default()), vec![device.blueprint]);
    let why = why_down(&fleet, "device").await;
    assert!(why.contains("is for broker.example and not for 127.0.0.1"), "{why}");
    assert!(why.ends_with("in the URL or with --tls-name"), "{why}");
    fleet.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_resumes_its_own_sessions_and_those_of_no_other() {
    for version in ["TLSv1_2", "TLSv1_3"] {
        let mut front = Front::start("127.0.0.1", version, &[]).await;
        for resumption in [true, false] {
            let tls = TlsOptions { resumption, ..TlsOptions::default() };
            let (mut first, mut second) =
                (listener("first", Protocol::V5, &[]), listener("second", Protocol::V5, &[]));
            let devices = vec![first.blueprint.clone(), second.blueprint.clone()];
            let fleet = start(front.url(), with(tls), devices);
            first.ready().await;
            second.ready().await;
            for _ in 0..2 {
                let seen = front.handshake().await;
                assert_eq!(seen["resumed"], json!(false), "{version}: {seen}");
            }
            for (name, is_first) in [("first", true), ("second", false), ("first", true)] {
                fleet.power(name, PowerCommand::Stop).await.unwrap();
                fleet.power(name, PowerCommand::Start).await.unwrap();
                let device = if is_first { &mut first } else { &mut second };
                device.event("the next connection", is_up).await;
                let seen = front.handshake().await;
                assert_eq!(seen["resumed"], json!(resumption), "{version}: {seen}");
            }
            check_ledgers(&fleet).await;
            fleet.shutdown(Duration::from_secs(5)).await;
        }
    }
}

/// TLS server that insists on a protocol, as AWS IoT does on port 443.
fn insistent(protocol: &str) -> u16 {
    let (certificate, key) = AUTHORITY.sign("127.0.0.1");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(&certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(&key).unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let (listener, config) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(config));
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let _ = connection.complete_io(&mut stream.unwrap());
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_insists_on_another_protocol_is_told_in_words() {
    let broker = BrokerUrl { tls: true, ..at_port(insistent("x-amzn-mqtt-ca")) };
    let tls = TlsOptions { alpn: vec!["mqtt".into()], ..TlsOptions::default() };
    let expected = "the broker ended the handshake with the alert `no application protocol`; the broker speaks none of \
                    the protocols that the client offers by ALPN, or expects one; name its protocol with --tls-alpn";
    for protocol in PROTOCOLS {
        let device = listener("device", protocol, &[]);
        let fleet = start(broker.clone(), with(tls.clone()), vec![device.blueprint]);
        let why = why_down(&fleet, "device").await;
        assert!(why.contains(expected), "{why}");
        fleet.shutdown(Duration::from_secs(5)).await;
        let why = check(host(broker.clone(), with(tls.clone()), protocol), TIMEOUT).await.unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_leave_through_the_interface_that_is_named() {
    let server = Server::start(Kind::Mosquitto).await;
    let through = |name: &str| ConnectionOptions { interface: Some(name.into()), ..options() };
    let mut device = listener("device", Protocol::V5, &[]);
    let fleet = start(&server, through("lo"), vec![device.blueprint.clone()]);
    device.ready().await;
    fleet.shutdown(Duration::from_secs(5)).await;
    assert_eq!(
        check(host(server.url(), through("lo"), Protocol::V5), TIMEOUT).await,
        Ok(BrokerAnswer::Accepted)
    );
    let device = listener("device", Protocol::V5, &[]);
    let fleet = start(&server, through("no-such-if"), vec![device.blueprint]);
    let why = why_down(&fleet, "device").await;
    let expected = format!(
        "no connection with 127.0.0.1:{}: this machine has no network interface `no-such-if`; it has ",
        server.port()
    );
    assert!(why.starts_with(&expected), "{why}");
    fleet.shutdown(Duration::from_secs(5)).await;
    let refused = check(host(server.url(), through("no-such-if"), Protocol::V4), TIMEOUT).await.unwrap_err();
    assert!(refused.starts_with(&expected), "{refused}");
}
