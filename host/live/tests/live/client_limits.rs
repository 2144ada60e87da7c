//! What clients from other programs can make the embedded broker hold: connections, bytes and time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use wasmote_live::broker::{ClientRefusals, EmbeddedBroker};
use wasmote_mqtt::broker::counters::DropReason;
use wasmote_mqtt::broker::limits::BrokerLimits;

use crate::support::embedded::{rest, until};

const MIB: usize = 1 << 20;
/// DISCONNECT with 0x97 (quota exceeded).
const QUOTA_EXCEEDED: &[u8] = b"\xe0\x01\x97";

async fn broker(limits: BrokerLimits) -> (EmbeddedBroker, u16) {
    let broker = EmbeddedBroker::start_with(0, limits).await.unwrap();
    let port = broker.address().port();
    (broker, port)
}

fn dial(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    stream
}

/// CONNECT of MQTT 5 without keepalive, with a session that stays for an hour.
fn connected(port: u16, name: &str) -> TcpStream {
    let mut stream = dial(port);
    let mut packet = b"\x10\x00\x00\x04MQTT\x05\x00\x00\x00\x05\x11\x00\x00\x0e\x10\x00".to_vec();
    packet.push(name.len() as u8);
    packet.extend(name.as_bytes());
    packet[1] = packet.len() as u8 - 2;
    stream.write_all(&packet).unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut answer = vec![0; head[1].into()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!((head[0], answer[1]), (0x20, 0), "accepted");
    stream
}

/// The header of a PUBLISH on the topic `t` with this type byte and this length of its body.
fn publish_header(kind: u8, length: usize) -> Vec<u8> {
    let mut header = vec![kind];
    let mut left = length;
    while left > 0 {
        header.push((left % 128) as u8 | if left > 127 { 0x80 } else { 0 });
        left /= 128;
    }
    header.extend(b"\x00\x01t");
    header
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_connect_make_room_and_connected_clients_stay() {
    let (broker, port) = broker(BrokerLimits { clients: 3, ..BrokerLimits::default() }).await;
    let idle: Vec<TcpStream> = (0..3).map(|_| dial(port)).collect();
    until(&broker, "three connections", |report| report.clients.open == 3).await;
    let clients: Vec<TcpStream> = ["a", "b", "c"].iter().map(|name| connected(port, name)).collect();
    for stream in &idle {
        assert_eq!(rest(stream), b"", "closed to make room");
    }
    let another = dial(port);
    assert_eq!(rest(&another), b"", "all of them have connected");
    let refused = ClientRefusals { too_many: 1, no_connect: 3, too_slow: 0 };
    let report = until(&broker, "the refusal", |report| report.clients.refused == refused).await;
    assert_eq!((report.clients.open, report.external_clients), (3, 3));
    drop(clients);
    until(&broker, "room", |report| report.clients.open == 0).await;
    connected(port, "d");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_packets_of_many_clients_share_a_budget() {
    let limits = BrokerLimits { client_bytes: 4 * MIB as u64, ..BrokerLimits::default() };
    let (broker, port) = broker(limits).await;
    // Each announces 8 MiB and sends a part of it.
    let hostile: Vec<TcpStream> = (0..8).map(|n| connected(port, &format!("hostile-{n}"))).collect();
    for mut stream in &hostile {
        let part = [publish_header(0x30, 8 * MIB), vec![0; 2 * MIB]].concat();
        // The broker may close the connection meanwhile.
        let _ = stream.write_all(&part);
    }
    let report = until(&broker, "a refusal", |report| report.clients.bytes.refused > 0).await;
    assert!(report.clients.bytes.used <= report.clients.bytes.limit, "{report:?}");
    // A CONNECT of 16 MiB is refused too, and small packets of others pass.
    let large = dial(port);
    let _ = (&large).write_all(b"\x10\xff\xff\xff\x06\x00\x04MQTT");
    assert_eq!(rest(&large), b"");
    let mut honest = connected(port, "honest");
    honest.write_all(b"\x82\x07\x00\x01\x00\x00\x01t\x00\x30\x05\x00\x01t\x00x").unwrap();
    let mut received = [0; 13];
    honest.read_exact(&mut received).unwrap();
    assert_eq!(&received[6..], b"\x30\x05\x00\x01t\x00x");
    drop(hostile);
    let report = until(&broker, "the bytes return", |report| report.clients.bytes.used == 0).await;
    assert_eq!(report.external_clients, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_clients_do_not_read_share_a_budget() {
    let limits = BrokerLimits { client_unread_bytes: 12 * MIB as u64, ..BrokerLimits::default() };
    let (broker, port) = broker(limits).await;
    let slow: Vec<TcpStream> = (0..4)
        .map(|n| {
            let mut stream = connected(port, &format!("slow-{n}"));
            // Two of them at QoS 0, two at QoS 1.
            stream.write_all(&[b"\x82\x07\x00\x01\x00\x00\x01t".to_vec(), vec![n / 2]].concat()).unwrap();
            stream.read_exact(&mut [0; 6]).unwrap();
            stream
        })
        .collect();
    let mut sender = connected(port, "sender");
    for id in 1..=20_u8 {
        let body = [&[0, id, 0][..], &vec![b'x'; MIB]].concat();
        sender.write_all(&[publish_header(0x32, 3 + body.len()), body].concat()).unwrap();
        sender.read_exact(&mut [0; 4]).unwrap();
    }
    // A message at QoS 0 is dropped. A client that cannot get one at QoS 1 is closed, and its session keeps it.
    let report = until(&broker, "a closed client", |report| report.external_clients < 5).await;
    assert!(report.clients.unread.used <= report.clients.unread.limit, "{report:?}");
    assert!(report.clients.unread.refused > 0, "{report:?}");
    assert!(report.stats.sessions == 5 && report.stats.waiting > 0, "{report:?}");
    assert!(report.counters.closes(report.stats.waiting), "{report:?}");
    let dropped = report.counters.dropped(DropReason::SlowConsumer);
    drop(sender);
    let closed: Vec<Vec<u8>> = slow[2..].iter().map(rest_if_closed).collect();
    assert!(closed.iter().any(|bytes| bytes.ends_with(QUOTA_EXCEEDED)), "dropped {dropped}");
    drop(slow);
    until(&broker, "the bytes return", |report| report.clients.unread.used == 0).await;
}

/// What the broker sent until now or until the close.
fn rest_if_closed(stream: &TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    rest(stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_packet_that_is_never_complete_and_a_client_that_sends_nothing_are_closed_in_time() {
    let (broker, port) = broker(BrokerLimits::default()).await;
    let silent = dial(port);
    let half = connected(port, "half");
    (&half).write_all(b"\x30\x09\x00\x01t").unwrap();
    let idle = connected(port, "idle");
    let both = tokio::task::spawn_blocking(move || (rest(&silent), rest(&half))).await.unwrap();
    assert_eq!(both, (Vec::new(), b"\xe0\x01\x8d".to_vec()));
    let refused = ClientRefusals { too_many: 0, no_connect: 1, too_slow: 1 };
    until(&broker, "the counts", |report| report.clients.refused == refused).await;
    // A connection without keepalive may be idle.
    until(&broker, "only the idle client", |report| report.external_clients == 1).await;
    drop(idle);
}
