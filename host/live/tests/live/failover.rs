//! Fail-over between the addresses of a broker's host name.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use wasmote_live::config::{BrokerUrl, ConnectionOptions};
use wasmote_live::host_client::{BrokerAnswer, HostClient, HostConnection, check};
use wasmote_mqtt::protocol::Protocol;

use crate::refusals::why_down;
use crate::support::TIMEOUT;
use crate::support::authority::AUTHORITY;
use crate::support::device::{PROTOCOLS, check_ledgers, is_up, listener, start};
use crate::support::mosquitto::{Mosquitto, free_port};
use crate::support::server::options;
use crate::support::silent::Silent;

/// A single attempt that waits for a dead address takes this long.
const ATTEMPT: Duration = Duration::from_secs(10);

fn url(tls: bool) -> BrokerUrl {
    BrokerUrl { tls, ..BrokerUrl::mqtt("broker.example", 1883) }
}

fn behind(addresses: &[SocketAddr]) -> ConnectionOptions {
    ConnectionOptions { broker_addresses: addresses.to_vec(), ..options() }
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_and_the_host_connect_past_dead_addresses() {
    let (silent, server) = (Silent::start().await, Mosquitto::start());
    let refused = local(free_port());
    let refused_v6: SocketAddr = format!("[::1]:{}", free_port()).parse().unwrap();
    for addresses in
        [[silent.address, silent.address, local(server.port)], [refused_v6, refused, local(server.port)]]
    {
        for protocol in PROTOCOLS {
            let mut device = listener("device", protocol, &[]);
            let began = Instant::now();
            let fleet = start(url(false), behind(&addresses), vec![device.blueprint.clone()]);
            device.event("a connection", is_up).await;
            assert!(began.elapsed() < ATTEMPT, "{:?}", began.elapsed());
            check_ledgers(&fleet).await;
            fleet.shutdown(Duration::from_secs(5)).await;
            let connection = HostConnection {
                broker: url(false),
                options: behind(&addresses),
                protocol,
                client_id: "host".into(),
            };
            let within = Duration::from_secs(5);
            assert_eq!(check(connection.clone(), within).await, Ok(BrokerAnswer::Accepted));
            let host = HostClient::start(connection).unwrap();
            host.connected(within).await.unwrap();
            assert_eq!(host.close(TIMEOUT).await, 0);
        }
    }
}

/// TCP alone does not prove that a broker answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_tries_another_address_after_one_that_accepts_and_says_nothing() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Mosquitto::start();
    let options = behind(&[mute.local_addr().unwrap(), local(server.port)]);
    let mut device = listener("device", Protocol::V5, &[]);
    let fleet = start(url(false), options, vec![device.blueprint.clone()]);
    assert_eq!(
        why_down(&fleet, "device").await,
        "no answer from broker.example:1883 (127.0.0.1) within 10 s to CONNECT; check that an MQTT broker listens on this \
         port"
    );
    device.event("a connection to the other address", is_up).await;
    fleet.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_addresses_are_dead_the_error_names_each() {
    let silent = Silent::start().await;
    let refused: SocketAddr = format!("127.0.0.9:{}", free_port()).parse().unwrap();
    let unresolved = BrokerUrl { host: "no-such-host.invalid".into(), ..url(false) };
    let device = listener("device", Protocol::V5, &[]);
    let options = behind(&[silent.address, refused]);
    let fleet = start(url(false), options.clone(), vec![device.blueprint]);
    let why = why_down(&fleet, "device").await;
    assert!(
        why.starts_with("no connection with broker.example:1883: 127.0.0.9: Connection refused"),
        "{why}"
    );
    assert!(why.ends_with("; 127.0.0.1: no answer within 10 s"), "{why}");
    fleet.shutdown(Duration::from_secs(5)).await;
    for protocol in PROTOCOLS {
        let to = |broker: BrokerUrl, options: ConnectionOptions| HostConnection {
            broker,
            options,
            protocol,
            client_id: "host".into(),
        };
        let why = check(to(url(false), options.clone()), Duration::from_secs(2)).await.unwrap_err();
        assert_eq!(why, "no answer from broker.example:1883 (127.0.0.1, 127.0.0.9) within 2 s");
        let why = check(to(url(false), options.clone()), TIMEOUT).await.unwrap_err();
        assert!(why.contains("127.0.0.1: no answer within 10 s"), "{why}");
        let why = check(to(unresolved.clone(), crate::support::server::options()), TIMEOUT).await;
        assert!(why.as_ref().unwrap_err().contains("no-such-host.invalid:1883"), "{why:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tls_error_names_the_address_that_was_reached() {
    let server = Mosquitto::start();
    let options = ConnectionOptions { tls: Some(AUTHORITY.material()), ..behind(&[local(server.port)]) };
    let device = listener("device", Protocol::V5, &[]);
    let fleet = start(url(true), options, vec![device.blueprint]);
    let why = why_down(&fleet, "device").await;
    assert!(why.starts_with("TLS with broker.example:1883 (127.0.0.1) failed"), "{why}");
    fleet.shutdown(Duration::from_secs(5)).await;
}
