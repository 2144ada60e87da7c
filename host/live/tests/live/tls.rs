//! TLS connections, with test certificates.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use serde_json::json;
use tokio::net::TcpListener;
use wasmote_live::config::{BrokerUrl, ConnectionOptions, TlsMaterial};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;

use crate::refusals::{passwords, why_down, with_credentials};
use crate::support::authority::{Authority, named};
use crate::support::device::{PROTOCOLS, check_ledgers, faults, listener, message, start};
use crate::support::mosquitto::{Mosquitto, free_port};
use crate::support::server::{Kind, Server, options, with_tls};

/// Starts a Mosquitto with TLS that requires a client certificate.
fn mutual_tls_broker(authority: &Authority) -> Mosquitto {
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
    BrokerUrl { tls: true, ..BrokerUrl::mqtt(host, port) }
}

fn trusting(ca: &Authority, client: Option<(Vec<u8>, Vec<u8>)>) -> ConnectionOptions {
    ConnectionOptions { tls: Some(Arc::new(TlsMaterial { ca: Some(ca.pem()), client })), ..options() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutual_tls_connects() {
    let authority = Authority::new("authority");
    let server = mutual_tls_broker(&authority);
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &["t/#"]);
        let options = trusting(&authority, Some(authority.sign("device")));
        let fleet = start(url("localhost", server.port), options, vec![device.blueprint.clone()]);
        device.ready().await;
        let text = "through TLS";
        fleet.publish("device", message("t/x", text)).await.unwrap();
        device.message(text).await;
        fleet.shutdown(Duration::from_secs(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_errors_have_readable_reasons() {
    let authority = Authority::new("authority");
    let server = mutual_tls_broker(&authority);
    let other_authority = Authority::new("stranger");
    let client = || Some(authority.sign("device"));
    let plain = Mosquitto::start();
    let damaged = TlsMaterial { ca: Some(b"hello".to_vec()), client: None };
    let no_pem = "the CA certificate holds no PEM; expected lines such as `-----BEGIN CERTIFICATE-----`";
    assert_eq!(damaged.check().unwrap_err().to_string(), no_pem);
    let damaged = ConnectionOptions { tls: Some(Arc::new(damaged)), ..options() };
    let cases = [
        (url("localhost", server.port), trusting(&other_authority, client()), "is not the one that signed"),
        (
            url("127.0.0.1", server.port),
            trusting(&authority, client()),
            "use a name that the broker's certificate is for",
        ),
        (url("localhost", server.port), trusting(&authority, None), "asks for a client certificate"),
        (url("localhost", plain.port), trusting(&authority, None), "TLS with localhost"),
        (url("localhost", server.port), damaged, no_pem),
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

/// Reason that a device refuses a broker with this certificate.
async fn refusal(authority: &Authority, params: CertificateParams) -> String {
    let (certificate, key) = authority.sign_params(params);
    let lines = "allow_anonymous true\ncertfile @/server.pem\nkeyfile @/server.key";
    let server = Mosquitto::with(free_port(), lines, &[("server.pem", &certificate), ("server.key", &key)]);
    let device = listener("device", Protocol::V5, &[]);
    let fleet = start(url("localhost", server.port), trusting(authority, None), vec![device.blueprint]);
    let why = why_down(&fleet, "device").await;
    fleet.shutdown(Duration::from_secs(5)).await;
    why
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_says_what_to_do_about_the_brokers_certificate() {
    let authority = Authority::new("authority");
    let broker = || named("broker", vec!["localhost".to_owned()]);
    let mut expired = broker();
    (expired.not_before, expired.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let mut early = broker();
    (early.not_before, early.not_after) = (date_time_ymd(2100, 1, 1), date_time_ymd(2101, 1, 1));
    let mut for_clients = broker();
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    for (params, expected) in [
        (
            expired,
            "expired on 2002-01-01T00:00:00Z; renew the broker's certificate, or set the clock of this machine",
        ),
        (early, "is not valid before 2100-01-01T00:00:00Z; set the clock of this machine"),
        (for_clients, "the broker needs a certificate for servers"),
    ] {
        let why = refusal(&authority, params).await;
        assert!(why.starts_with("TLS with localhost:") && why.contains(expected), "{expected}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_says_what_to_do_about_the_devices_certificate() {
    let authority = Authority::new("authority");
    let server = mutual_tls_broker(&authority);
    let other_authority = Authority::new("stranger");
    for protocol in PROTOCOLS {
        let device = listener("device", protocol, &[]);
        let options = trusting(&authority, Some(other_authority.sign("device")));
        let fleet = start(url("localhost", server.port), options, vec![device.blueprint]);
        let why = why_down(&fleet, "device").await;
        assert!(why.contains("does not trust the authority that signed the client certificate"), "{why}");
        fleet.shutdown(Duration::from_secs(5)).await;
    }
    let device = listener("device", Protocol::V5, &[]);
    let fleet = start(url("no such host", 1), trusting(&authority, None), vec![device.blueprint]);
    let why = why_down(&fleet, "device").await;
    assert!(why.contains("neither a DNS name nor an IP address"), "{why}");
    fleet.shutdown(Duration::from_secs(5)).await;
}

/// The connect timeout includes the handshake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_does_not_answer_the_handshake_times_out() {
    let authority = Authority::new("authority");
    let unresponsive = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = unresponsive.local_addr().unwrap();
    let device = listener("device", Protocol::V5, &[]);
    let began = Instant::now();
    let fleet = start(url("127.0.0.1", address.port()), trusting(&authority, None), vec![device.blueprint]);
    let why = why_down(&fleet, "device").await;
    let no_answer = format!("no answer from {address} within 10 s to the TLS handshake");
    assert_eq!(why, format!("{no_answer}; check that the broker speaks TLS on this port"));
    assert!(began.elapsed() > Duration::from_secs(9));
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(5)).await;
}

/// User name and password also work over TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_and_a_password_go_over_tls() {
    let (lines, files) = passwords();
    let files: Vec<_> = files.iter().map(|(name, content)| (*name, content.as_slice())).collect();
    let server = Server::Tls(with_tls(free_port(), lines, &files));
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &["t/#"]);
        let right = server.trusted(with_credentials(Some("someone"), Some("right")));
        let fleet = start(server.url(), right, vec![device.blueprint.clone()]);
        device.ready().await;
        fleet.shutdown(Duration::from_secs(5)).await;
        let device = listener("device", protocol, &[]);
        let wrong = server.trusted(with_credentials(Some("someone"), Some("wrong")));
        let fleet = start(server.url(), wrong, vec![device.blueprint]);
        let why = why_down(&fleet, "device").await;
        assert!(why.contains(" refused the connection: not authorized; check --broker-user"), "{why}");
        fleet.shutdown(Duration::from_secs(5)).await;
    }
}

/// A throttle also slows the handshake, since it counts the bytes of the TCP connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_the_byte_stream_acts_below_tls() {
    let server = Server::start(Kind::Tls).await;
    let mut device = listener("device", Protocol::V5, &["in"]);
    let mut blueprint = device.blueprint.clone();
    blueprint.faults = faults(json!({"fault": [{"kind": "throttle", "bytes_per_second": 1000}]}));
    let began = Instant::now();
    let fleet = start(&server, options(), vec![blueprint]);
    device.ready().await;
    // A handshake takes some 1,500 bytes, and the MQTT packets take 200.
    let took = began.elapsed().as_secs_f64();
    assert!((0.9..20.0).contains(&took), "{took}");
    fleet.set_faults(&[0], faults(json!({"fault": []}))).await.unwrap();
    fleet.publish("device", message("in", "quick")).await.unwrap();
    device.message("quick").await;
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}

/// Records that arrive in fragments or batches are reassembled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_crosses_in_small_pieces() {
    let server = Server::start(Kind::Tls).await;
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &["in"]);
        let fleet = start(&server, options(), vec![device.blueprint.clone()]);
        device.ready().await;
        let throttle = json!({"fault": [{"kind": "throttle", "bytes_per_second": 50_000}]});
        fleet.set_faults(&[0], faults(throttle)).await.unwrap();
        let payload = "p".repeat(60_000);
        fleet.publish("device", message("in", &payload).with_qos(Qos::ExactlyOnce)).await.unwrap();
        device.message(&payload).await;
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(10)).await;
    }
}
