//! Proxies: real ones with and without credentials, and such as refuse or are none.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;
use wasmote_live::config::ConnectionOptions;
use wasmote_live::host_client::{BrokerAnswer, HostConnection, check};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;

use crate::refusals::why_down;
use crate::support::TIMEOUT;
use crate::support::device::{PROTOCOLS, check_ledgers, faults, listener, message, start};
use crate::support::mosquitto::free_port;
use crate::support::proxy_server::ProxyServer;
use crate::support::server::{Kind, Server, at_port, options};

fn through(url: &str, options: ConnectionOptions) -> ConnectionOptions {
    ConnectionOptions { proxy: Some(url.parse().unwrap()), ..options }
}

/// Exchanges messages through the proxy, with a throttle in force for some time, and connects the host.
async fn works(server: &Server, url: &str) {
    for protocol in PROTOCOLS {
        let connection = through(url, server.trusted(options()));
        let mut device = listener("device", protocol, &["t/#"]);
        let fleet = start(server, connection.clone(), vec![device.blueprint.clone()]);
        device.ready().await;
        let payload = "p".repeat(100_000);
        fleet.publish("device", message("t/x", &payload).with_qos(Qos::ExactlyOnce)).await.unwrap();
        device.message(&payload).await;
        let throttle = json!({"fault": [{"kind": "throttle", "bytes_per_second": 1000}]});
        fleet.set_faults(&[0], faults(throttle)).await.unwrap();
        let began = Instant::now();
        fleet.publish("device", message("t/x", &"s".repeat(1_500))).await.unwrap();
        device.message(&"s".repeat(1_500)).await;
        assert!(
            began.elapsed() > Duration::from_secs(1),
            "the throttle acts in the tunnel: {:?}",
            began.elapsed()
        );
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(10)).await;
        let host =
            HostConnection { broker: server.url(), options: connection, protocol, client_id: "host".into() };
        assert_eq!(check(host, TIMEOUT).await, Ok(BrokerAnswer::Accepted), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stream_passes_an_http_proxy_with_credentials() {
    for kind in [Kind::Mosquitto, Kind::Tls, Kind::Wss] {
        let server = Server::start(kind).await;
        let proxy = ProxyServer::tinyproxy(&[server.device_port()], Some(("user", "s3cret")));
        works(&server, &format!("HTTP://user:s3cret@127.0.0.1:{}", proxy.port)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stream_passes_a_socks_proxy_with_and_without_credentials() {
    for (kind, credentials, scheme) in [
        (Kind::Mosquitto, None, "socks5"),
        (Kind::Tls, Some(("user", "s3cret")), "socks5h"),
        (Kind::Wss, Some(("user", "s3cret")), "SOCKS5"),
    ] {
        let server = Server::start(kind).await;
        let proxy = ProxyServer::microsocks(credentials);
        let user = credentials.map(|(user, password)| format!("{user}:{password}@")).unwrap_or_default();
        works(&server, &format!("{scheme}://{user}127.0.0.1:{}", proxy.port)).await;
    }
}

/// The proxy resolves the broker's name with socks5h:// and http://, and this machine with socks5://.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_is_reached_by_its_name() {
    let server = Server::start(Kind::Mosquitto).await;
    let (socks, http) = (ProxyServer::microsocks(None), ProxyServer::tinyproxy(&[server.port()], None));
    let ports = [("socks5h", socks.port), ("socks5", socks.port), ("http", http.port)];
    for (scheme, port) in ports {
        let mut device = listener("device", Protocol::V5, &[]);
        let mut broker = server.url();
        broker.host = "localhost".into();
        let connection = through(&format!("{scheme}://127.0.0.1:{port}"), options());
        let fleet = start(broker, connection, vec![device.blueprint.clone()]);
        device.ready().await;
        fleet.shutdown(Duration::from_secs(5)).await;
    }
}

/// Proxy that answers the first bytes of each connection with these, and closes only after the client.
fn scripted(answers: &'static [&'static [u8]]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            std::thread::spawn(move || {
                for answer in answers {
                    let _ = client.read(&mut [0; 1_024]);
                    let _ = client.write_all(answer);
                }
                let _ = client.read_to_end(&mut Vec::new());
            });
        }
    });
    port
}

async fn refusal(url: &str, expected: &str) {
    let broker = at_port(free_port());
    let connection = through(url, options());
    let shown = url
        .split_once("s3cret@")
        .map_or(url.to_owned(), |(start, place)| format!("{}://{place}", start.split("://").next().unwrap()));
    let prefix = format!("no connection with 127.0.0.1:{} through the proxy {shown}: ", broker.port);
    let device = listener("device", Protocol::V5, &[]);
    let fleet = start(broker.clone(), connection.clone(), vec![device.blueprint]);
    let why = why_down(&fleet, "device").await;
    assert!(why.starts_with(&prefix) && why.contains(expected), "{expected}: {why}");
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(5)).await;
    for protocol in PROTOCOLS {
        let (broker, options) = (broker.clone(), connection.clone());
        let host = HostConnection { broker, options, protocol, client_id: "host".into() };
        let why = check(host, TIMEOUT).await.unwrap_err();
        assert!(why.starts_with(&prefix) && why.contains(expected), "the host: {expected}: {why}");
        assert!(!why.contains("s3cret"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_proxy_that_refuses_is_told_in_words() {
    let closed = free_port();
    let http = ProxyServer::tinyproxy(&[1], None);
    let http_with_user = ProxyServer::tinyproxy(&[], Some(("user", "right")));
    let (socks, socks_with_user) =
        (ProxyServer::microsocks(None), ProxyServer::microsocks(Some(("user", "right"))));
    for (url, expected) in [
        (format!("http://127.0.0.1:{closed}"), "the proxy cannot be reached: Connection refused"),
        (format!("http://127.0.0.1:{}", http.port), "the proxy forbids connections with 127.0.0.1:"),
        (format!("http://127.0.0.1:{}", http_with_user.port), "the proxy asks for credentials"),
        (format!("http://user:s3cret@127.0.0.1:{}", http_with_user.port), "the proxy "),
        (
            format!("socks5://127.0.0.1:{}", socks.port),
            "the proxy refused it: connection refused (SOCKS reply 5)",
        ),
        (format!("socks5://127.0.0.1:{}", socks_with_user.port), "the proxy asks for credentials"),
        (
            format!("socks5h://user:s3cret@127.0.0.1:{}", socks_with_user.port),
            "the proxy refuses the user name or the password",
        ),
        (format!("socks5h://127.0.0.1:{}", http.port), "the proxy "),
    ] {
        refusal(&url, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_a_proxy_is_told_in_words_whatever_it_is() {
    let http: [(&[u8], &str); 8] = [
        (b"HTTP/1.1 407 X\r\nProxy-Authenticate: Basic\r\n\r\n", "the proxy asks for credentials"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "permit this port there"),
        (b"HTTP/1.1 301 Moved\r\nLocation: x\r\n\r\n", "the proxy redirects (301)"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "check that it is a proxy"),
        (b"HTTP/1.1 504 Gateway Timeout\r\n\r\n", "the proxy does not reach 127.0.0.1:"),
        (b"\x05\xff", "the proxy speaks SOCKS; use socks5h://"),
        (b"SSH-2.0-x\r\n\r\n", "the answer of the proxy is not HTTP"),
        (b"H\x00\r\n\r\n", "the answer of the proxy is not HTTP"),
    ];
    for (answer, expected) in http {
        let answers: &'static [&'static [u8]] = Box::leak(Box::new([answer]));
        refusal(&format!("http://127.0.0.1:{}", scripted(answers)), expected).await;
    }
    let wrong = scripted(&[b"HTTP/1.1 407 X\r\n\r\n"]);
    refusal(&format!("http://user:s3cret@127.0.0.1:{wrong}"), "refuses the user name or the password (407)")
        .await;
    let socks: [(&[&[u8]], &str); 6] = [
        (&[b"HTTP/1.1 400 Bad Request\r\n\r\n"], "the proxy speaks HTTP; use http://"),
        (&[b"\x04\x5b"], "is not SOCKS 5 (first byte 0x04)"),
        (&[b"\x05\xff"], "the proxy asks for credentials"),
        (&[b"\x05\x01"], "method 0x01"),
        (
            &[b"\x05\x00", b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"],
            "not allowed by its rules (SOCKS reply 2)",
        ),
        (&[b"\x05\x00", b"\x05\x00\x00\x09"], "unknown kind of address"),
    ];
    for (answers, expected) in socks {
        let answers: Vec<&'static [u8]> = answers.to_vec();
        refusal(
            &format!("socks5h://127.0.0.1:{}", scripted(Box::leak(answers.into_boxed_slice()))),
            expected,
        )
        .await;
    }
}

/// The bound of a tunnel is its own, and the text says which side is silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_proxy_is_named() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("socks5h://127.0.0.1:{}", silent.local_addr().unwrap().port());
    refusal(&url, "the proxy did not answer within 10 s").await;
}
