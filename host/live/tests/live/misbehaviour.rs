//! What a user reads when the server at the broker's address does not behave as a broker, from a device and from the
//! check before a run.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wasmote_live::config::{BrokerUrl, ConnectionOptions};
use wasmote_live::host_client::{BrokerAnswer, HostConnection, check};
use wasmote_mqtt::protocol::Protocol;

use crate::refusals::why_down;
use crate::support::device::{PROTOCOLS, Target, listener, start};
use crate::support::scripted_broker::{Answers, ScriptedBroker};
use crate::support::server::{Kind, Server, at_port, options};

/// Server that reads once from each connection, answers with these bytes, and closes. Returns its port.
async fn server(answer: &'static [u8]) -> u16 {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = server.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                let _ = stream.read(&mut bytes).await;
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
                // The client closes first, so that the answer is not lost in a reset.
                while !matches!(stream.read(&mut bytes).await, Ok(0) | Err(_)) {}
            });
        }
    });
    port
}

/// Texts of a device and of the check.
async fn texts(url: &BrokerUrl, options: &ConnectionOptions, protocol: Protocol) -> [String; 2] {
    let device = listener("device", protocol, &[]);
    let fleet = start(Target::from(url.clone()), options.clone(), vec![device.blueprint]);
    let why = why_down(&fleet, "device").await;
    fleet.shutdown(Duration::from_secs(5)).await;
    let client_id = "check".into();
    let connection = HostConnection { broker: url.clone(), options: options.clone(), protocol, client_id };
    let checked = match check(connection, Duration::from_secs(20)).await {
        Err(why) | Ok(BrokerAnswer::Refused(why)) => why,
        Ok(BrokerAnswer::Accepted) => panic!("the server is no broker"),
    };
    [why, checked]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_protocol_is_named_with_its_address_and_a_remedy() {
    let websocket = "; if the broker speaks WebSocket on this port, use ws:// with its path";
    let other_port =
        "; name the port on which the broker takes MQTT over TCP, usually 1883, or 8883 with mqtts://";
    for (answer, found, remedy) in [
        (&b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"[..], "answered with HTTP", websocket),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "answered with SSH", other_port),
        (b"220 mail ESMTP\r\n", "answered with bytes that are not MQTT (`220 mail ESMTP\\r\\n`)", other_port),
        (
            b"-ERR unknown command\r\n",
            "answered with bytes that are not MQTT (`-ERR unknown com`)",
            other_port,
        ),
        (b"\0\0\0\0", "answered with bytes that are not MQTT (`\\x00\\x00\\x00\\x00`)", other_port),
    ] {
        let port = server(answer).await;
        for protocol in PROTOCOLS {
            for text in texts(&at_port(port), &options(), protocol).await {
                assert!(text.starts_with(&format!("127.0.0.1:{port} {found}")), "{text}");
                assert!(text.ends_with(remedy), "{text}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wrong_scheme_for_a_port_is_told_with_the_right_one() {
    let tls = Server::start(Kind::Tls).await;
    let http = server(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    for protocol in PROTOCOLS {
        let plain = BrokerUrl { tls: false, ..tls.url() };
        for text in texts(&plain, &options(), protocol).await {
            assert!(text.contains(&plain.port.to_string()) && text.contains("mqtts://"), "{text}");
        }
        let url = BrokerUrl { tls: true, ..at_port(http) };
        for text in texts(&url, &tls.trusted(options()), protocol).await {
            assert!(text.starts_with(&format!("TLS with 127.0.0.1:{http} failed: ")), "{text}");
            assert!(text.contains("does not speak TLS on this port; use mqtt://"), "{text}");
        }
    }
    tls.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_violate_mqtt_are_told_with_the_address() {
    // A CONNACK with a reserved flag.
    for (protocol, answer) in
        [(Protocol::V4, &b"\x20\x02\xff\x00"[..]), (Protocol::V5, b"\x20\x03\xff\x00\x00")]
    {
        let port = server(answer).await;
        let device = listener("device", protocol, &[]);
        let fleet = start(at_port(port), options(), vec![device.blueprint]);
        let why = why_down(&fleet, "device").await;
        let expected = format!("127.0.0.1:{port} violated the MQTT protocol: ");
        assert!(why.starts_with(&expected) && why.contains("check that an MQTT broker listens"), "{why}");
        fleet.shutdown(Duration::from_secs(5)).await;
    }
}

/// Each code of the standards, of the device's client and of the library.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_of_a_refused_connection_has_a_remedy() {
    let codes_of_v4 = [1, 2, 3, 4, 5].map(|code| (Protocol::V4, code));
    let codes_of_v5 = [
        0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A,
        0x9B, 0x9C, 0x9D, 0x9F,
    ];
    let codes = codes_of_v4.into_iter().chain(codes_of_v5.map(|code| (Protocol::V5, code)));
    for (protocol, code) in codes {
        let answers = Answers { connack: Some(code), ..Answers::default() };
        let broker = ScriptedBroker::start(protocol, answers).await;
        for text in texts(&at_port(broker.port), &options(), protocol).await {
            let expected = format!("127.0.0.1:{} refused the connection: ", broker.port);
            assert!(text.starts_with(&expected) && text.contains("; "), "{code:#x}: {text}");
        }
    }
}
