//! WebSocket: clients and brokers from elsewhere, frames in every form, and servers that are none.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tungstenite::protocol::{Message, Role, WebSocket};
use wasmote_live::broker::EmbeddedBroker;
use wasmote_live::config::{BrokerUrl, ConnectionOptions};
use wasmote_live::fleet::PowerCommand;
use wasmote_live::host_client::{BrokerAnswer, HostClient, HostConnection, HostMessage, check};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::Topic;

use crate::refusals::why_down;
use crate::support::device::{LEVELS, PROTOCOLS, check_ledgers, listener, message, start};
use crate::support::mosquitto::Mosquitto;
use crate::support::script::Script;
use crate::support::server::{Kind, Server, at_port, options};
use crate::support::{TIMEOUT, eventually};

fn websocket(port: u16, path: &str) -> BrokerUrl {
    BrokerUrl { websocket: Some(path.parse().unwrap()), ..at_port(port) }
}

fn host(broker: BrokerUrl, protocol: Protocol) -> HostConnection {
    HostConnection { broker, options: options(), protocol, client_id: "host".into() }
}

/// A device and paho exchange messages through the embedded broker, both in WebSockets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paho_and_a_device_meet_in_websockets_of_the_embedded_broker() {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let port = broker.address().port();
    let mut paho = Script::with_system_modules("paho_client.py", &[&port.to_string(), "/any"]).await;
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &["t/answer"]);
        let fleet = start(websocket(port, "/"), options(), vec![device.blueprint.clone()]);
        device.ready().await;
        for qos in LEVELS {
            let payload = format!("{protocol:?} {}", u8::from(qos));
            fleet.publish("device", message("t/x", &payload).with_qos(qos)).await.unwrap();
            paho.line("the message", |line| *line == format!("t/x|{payload}")).await;
        }
        fleet.publish("device", message("t/ask", "please")).await.unwrap();
        device.message(&"a".repeat(100_000)).await;
        let large = "b".repeat(100_000);
        fleet.publish("device", message("t/large", &large).with_qos(Qos::ExactlyOnce)).await.unwrap();
        paho.line("the large message", |line| *line == format!("t/large|{large}")).await;
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(10)).await;
        let mut host = HostClient::start(host(websocket(port, "/"), protocol)).unwrap();
        host.connected(TIMEOUT).await.unwrap();
        let payload = format!("of the host {protocol:?}");
        let topic = Topic::new("t/host").unwrap();
        let sent =
            HostMessage { topic, payload: payload.clone().into(), qos: Qos::AtLeastOnce, retain: false };
        host.publish(sent).unwrap();
        assert_eq!(host.close(TIMEOUT).await, 0);
        paho.line("the host's message", |line| *line == format!("t/host|{payload}")).await;
    }
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_publishes_over_websocket_and_tls() {
    let server = Server::start(Kind::Wss).await;
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &["t/#"]);
        let fleet = start(&server, options(), vec![device.blueprint.clone()]);
        device.ready().await;
        let connection =
            HostConnection { options: server.trusted(options()), ..host(server.url(), protocol) };
        assert_eq!(check(connection.clone(), TIMEOUT).await, Ok(BrokerAnswer::Accepted));
        let mut host = HostClient::start(connection).unwrap();
        host.connected(TIMEOUT).await.unwrap();
        // More at once than Mosquitto has in flight at QoS 2 would wait for the next message.
        for number in 0..15 {
            let (topic, payload) = (Topic::new("t/host").unwrap(), format!("{number} {}", "x".repeat(2_000)));
            let sent = HostMessage { topic, payload: payload.into(), qos: Qos::ExactlyOnce, retain: false };
            host.publish(sent).unwrap();
        }
        assert_eq!(host.close(TIMEOUT).await, 0);
        for number in 0..15 {
            device.message(&format!("{number} {}", "x".repeat(2_000))).await;
        }
        fleet.shutdown(Duration::from_secs(10)).await;
        let untrusting = check(self::host(server.url(), protocol), TIMEOUT).await.unwrap_err();
        assert!(untrusting.starts_with("TLS with 127.0.0.1"), "{untrusting}");
    }
}

/// Reads the head of a request.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|length| length > 0) {
        head.extend(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Answer that accepts this request.
fn acceptance(request: &str) -> String {
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
        STANDARD.encode(digest)
    )
}

/// What a gateway has seen of a client: the request, and then the payload of pongs and the close frame.
type Seen = mpsc::Receiver<String>;

/// Gateway in front of a plain broker. It reads with tungstenite, and sends each piece of the broker in several frames: an
/// empty one, fragments of one byte with a ping between them, and the rest joined with the next piece.
fn gateway(broker_port: u16) -> (u16, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, seen) = mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, sender) = (client.unwrap(), sender.clone());
            std::thread::spawn(move || {
                client.set_nodelay(true).unwrap();
                let request = head(&mut client);
                client.write_all(acceptance(&request).as_bytes()).unwrap();
                sender.send(request).unwrap();
                let broker = TcpStream::connect(("127.0.0.1", broker_port)).unwrap();
                broker.set_nodelay(true).unwrap();
                let (to_client, mut from_broker) = (client.try_clone().unwrap(), broker.try_clone().unwrap());
                std::thread::spawn(move || fragment(&mut from_broker, to_client));
                forward(client, broker, &sender);
            });
        }
    });
    (port, seen)
}

fn fragment(from: &mut TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4_096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut out = b"\x82\x00".to_vec();
        let (first, rest) = buffer[..length].split_at(length.min(3));
        out.extend(b"\x02\x00");
        for byte in first {
            out.extend(b"\x89\x04ping");
            out.extend([0x00, 1, *byte]);
        }
        out.extend([0x80, 126]);
        out.extend((rest.len() as u16).to_be_bytes());
        out.extend(rest);
        // In two pieces, so that a header is divided.
        let (one, two) = out.split_at(out.len() - rest.len() - 1);
        if to.write_all(one).and_then(|()| to.write_all(two)).is_err() {
            return;
        }
    }
    // The other direction stays open for the close frame.
    let _ = to.shutdown(std::net::Shutdown::Write);
}

fn forward(from: TcpStream, mut to: TcpStream, seen: &mpsc::Sender<String>) {
    // It refuses frames without a mask.
    let mut socket = WebSocket::from_raw_socket(from, Role::Server, None);
    loop {
        let note = match socket.read() {
            Ok(Message::Binary(bytes)) => {
                if to.write_all(&bytes).is_err() {
                    break;
                }
                continue;
            }
            Ok(Message::Pong(payload)) => format!("pong {}", String::from_utf8_lossy(&payload)),
            Ok(Message::Close(frame)) => format!("close {:?}", frame.map(|frame| u16::from(frame.code))),
            Ok(other) => format!("{other:?}"),
            Err(_) => break,
        };
        let _ = seen.send(note);
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_may_divide_and_join_packets_and_pings_are_answered() {
    let broker = Mosquitto::start();
    let (port, seen) = gateway(broker.port);
    let fields =
        vec!["Authorization: Bearer s3cret".parse().unwrap(), "host: tenant.example".parse().unwrap()];
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &["t/#"]);
        let connection = ConnectionOptions { websocket_fields: fields.clone(), ..options() };
        let fleet = start(websocket(port, "/mqtt?token=s3cret"), connection, vec![device.blueprint.clone()]);
        device.ready().await;
        for number in 0..20 {
            let payload = format!("{number} {}", "z".repeat(number * 700));
            fleet.publish("device", message("t/x", &payload).with_qos(Qos::ExactlyOnce)).await.unwrap();
            device.message(&payload).await;
        }
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(10)).await;
        let request = seen.recv_timeout(TIMEOUT).unwrap();
        assert!(request.starts_with("GET /mqtt?token=s3cret HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nAuthorization: Bearer s3cret\r\n"), "{request}");
        assert!(
            request.contains("\r\nhost: tenant.example\r\n") && !request.contains("\r\nHost:"),
            "{request}"
        );
        let mut rest = Vec::new();
        while rest.last().is_none_or(|note: &String| !note.starts_with("close")) {
            rest.push(seen.recv_timeout(TIMEOUT).unwrap());
        }
        assert_eq!(rest.pop().as_deref(), Some("close Some(1000)"));
        assert!(rest.len() > 20 && rest.iter().all(|note| note == "pong ping"), "{rest:?}");
    }
    for protocol in PROTOCOLS {
        let answer = check(host(websocket(port, "/"), protocol), TIMEOUT).await;
        assert_eq!(answer, Ok(BrokerAnswer::Accepted));
    }
}

/// Server that sends these bytes to each client after its request; `{accept}` stands for a good answer.
fn server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            std::thread::spawn(move || {
                let request = head(&mut client);
                if let Some(frames) = answer.strip_prefix(b"{accept}") {
                    let _ = client.write_all(acceptance(&request).as_bytes());
                    let _ = client.write_all(frames);
                } else {
                    let _ = client.write_all(answer);
                }
                // Closes only after the client.
                let _ = client.read_to_end(&mut Vec::new());
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_no_mqtt_broker_is_told_in_words() {
    let cases: [(&[u8], &str); 14] = [
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "a web server answers at the path `/mqtt`, and no WebSocket",
        ),
        (
            b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://x/ws\r\n\r\n",
            "it redirects to `https://x/ws`",
        ),
        (
            b"HTTP/1.1 401 Unauthorized\r\n\r\n",
            "it answered `401 Unauthorized`; it asks for credentials before MQTT",
        ),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "there is no WebSocket at the path `/mqtt`"),
        (b"HTTP/1.1 502 Bad\x1b[31mGateway\r\n\r\n", "WebSocket with 127.0.0.1:"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "use wss://"),
        (b"{accept}\x81\x05hello", "it sent a text frame, and MQTT uses binary frames"),
        (b"{accept}\x82\x85\x01\x01\x01\x01hello", "it sent a masked frame"),
        (
            b"{accept}\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
            "it announced a frame of 9223372036854775807 bytes",
        ),
        (
            b"{accept}\x88\x09\x03\xf0go away",
            " closed the WebSocket with the code 1008 (policy violation): go away",
        ),
        (b"{accept}\x88\x00", " closed the WebSocket without a code"),
        (b"{accept}\xc2\x01x", "reserved bits"),
        (b"{accept}\x80\x01x", "fragments of messages in the wrong order"),
        (b"{accept}\x82\x02\x00\x00", " violated the MQTT protocol"),
    ];
    for (answer, expected) in cases {
        let broker = websocket(server(answer), "/mqtt?token=s3cret");
        let device = listener("device", Protocol::V5, &[]);
        let fleet = start(broker.clone(), options(), vec![device.blueprint]);
        let why = why_down(&fleet, "device").await;
        assert!(
            why.contains(expected) && !why.contains("s3cret") && !why.contains('\x1b'),
            "{expected}: {why}"
        );
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(5)).await;
        if expected.starts_with("the broker violated") {
            continue;
        }
        for protocol in PROTOCOLS {
            let why = check(host(broker.clone(), protocol), TIMEOUT).await.unwrap_err();
            assert!(why.contains(expected) && !why.contains("s3cret"), "the host: {expected}: {why}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_protocol_on_the_port_is_told_with_the_scheme_to_use() {
    let (plain, secured) = (Mosquitto::start(), Server::start(Kind::Wss).await);
    let wss = secured.url();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().port();
    let web = server(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n\r\n\r\n");
    let cases = [
        // Mosquitto closes a port for MQTT that receives HTTP.
        (websocket(plain.port, "/"), "check that the broker speaks WebSocket on this port"),
        (BrokerUrl { tls: false, ..wss.clone() }, "WebSocket with 127.0.0.1"),
        (BrokerUrl { websocket: None, ..wss.clone() }, "127.0.0.1"),
        (
            websocket(silent, "/"),
            "to the WebSocket handshake; check that the broker speaks WebSocket on this port",
        ),
    ];
    for (broker, expected) in cases {
        let device = listener("device", Protocol::V4, &[]);
        let trusted = secured.trusted(options());
        let fleet = start(broker.clone(), trusted.clone(), vec![device.blueprint]);
        let why = why_down(&fleet, "device").await;
        assert!(why.contains(expected), "{expected}: {why}");
        fleet.shutdown(Duration::from_secs(5)).await;
        let connection = HostConnection { options: trusted, ..host(broker, Protocol::V4) };
        let why = check(connection, Duration::from_secs(5)).await;
        assert!(!matches!(&why, Ok(BrokerAnswer::Accepted)), "{expected}: {why:?}");
    }
    // The answer to CONNECT is HTTP.
    let device = listener("device", Protocol::V5, &[]);
    let fleet = start(at_port(web), options(), vec![device.blueprint]);
    let why = why_down(&fleet, "device").await;
    assert!(why.contains("no answer"), "the server waits for the end of a head: {why}");
    fleet.shutdown(Duration::from_secs(5)).await;
}

/// A port of HTTP that answers CONNECT at once, as web servers do with what they cannot read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_server_on_the_port_for_mqtt_is_told_in_words() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 64]);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    let expected = format!(
        "127.0.0.1:{port} answered with HTTP; if the broker speaks WebSocket on this port, use ws:// with its path"
    );
    for protocol in PROTOCOLS {
        let device = listener_device(protocol);
        let fleet = start(at_port(port), options(), vec![device]);
        assert_eq!(why_down(&fleet, "device").await, expected);
        fleet.shutdown(Duration::from_secs(5)).await;
        assert_eq!(check(host(at_port(port), protocol), TIMEOUT).await, Err(expected.clone()));
    }
}

fn listener_device(protocol: Protocol) -> wasmote_sim::device::Blueprint {
    listener("device", protocol, &[]).blueprint
}

/// Pages of other sites may open WebSockets to this machine; browsers name the site in `Origin`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_site_cannot_use_the_embedded_broker() {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let port = broker.address().port();
    let status = |fields: &'static str| async move {
        tokio::task::spawn_blocking(move || {
            let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let request = format!(
                "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n{fields}\r\n"
            );
            client.write_all(request.as_bytes()).unwrap();
            head(&mut client).lines().next().unwrap_or_default().to_owned()
        })
        .await
        .unwrap()
    };
    let foreign = "Upgrade: websocket\r\nOrigin: https://evil.example\r\n";
    assert_eq!(status(foreign).await, "HTTP/1.1 403 Forbidden");
    assert_eq!(status("Upgrade: websocket\r\nOrigin: null\r\n").await, "HTTP/1.1 403 Forbidden");
    let own = "Upgrade: websocket\r\nOrigin: http://localhost:8080\r\n";
    assert_eq!(status(own).await, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(status("Upgrade: websocket\r\n").await, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(status("").await, "HTTP/1.1 426 Upgrade Required");
    broker.shutdown().await;
}

/// Resident memory of this process, in bytes.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() << 10
}

/// Prints connections a second, at first and again, and memory a device. Each kind of stream is a test of its own, since a
/// process returns no memory to the system.
async fn measure_a_thousand_devices(kind: Kind) {
    const DEVICES: usize = 1_000;
    let server = Server::start(kind).await;
    let devices = (0..DEVICES).map(|number| listener(&format!("device-{number}"), Protocol::V5, &[]));
    let (blueprints, _seen): (Vec<_>, Vec<_>) =
        devices.map(|listener| (listener.blueprint, listener.seen)).unzip();
    let before = resident_bytes();
    let began = Instant::now();
    let fleet = start(&server, server.trusted(options()), blueprints);
    let connected = |wanted: u64| {
        let fleet = fleet.clone();
        eventually("all connections", move || {
            let fleet = fleet.clone();
            async move { (fleet.totals().await.unwrap().connects >= wanted).then_some(()) }
        })
    };
    connected(DEVICES as u64).await;
    let first = began.elapsed();
    let memory = resident_bytes().saturating_sub(before) / DEVICES as u64;
    let again = Instant::now();
    for number in 0..DEVICES {
        let name = format!("device-{number}");
        fleet.power(&name, PowerCommand::Stop).await.unwrap();
        fleet.power(&name, PowerCommand::Start).await.unwrap();
    }
    connected(2 * DEVICES as u64).await;
    let rate = |took: Duration| DEVICES as f64 / took.as_secs_f64();
    let (first, again) = (rate(first), rate(again.elapsed()));
    println!("{kind:?}: {first:.0} connections/s at first, {again:.0}/s again, {memory} bytes a device");
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}

#[ignore = "a measurement: run it alone with --ignored --nocapture"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_devices_over_tcp() {
    measure_a_thousand_devices(Kind::Mosquitto).await;
}

#[ignore = "a measurement: run it alone with --ignored --nocapture"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_devices_over_tls() {
    measure_a_thousand_devices(Kind::Tls).await;
}

#[ignore = "a measurement: run it alone with --ignored --nocapture"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_devices_over_wss() {
    measure_a_thousand_devices(Kind::Wss).await;
}
