//! TCP listener of the embedded broker, with third-party clients and misbehaving ones.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use wasmote_live::broker::EmbeddedBroker;
use wasmote_mqtt::broker::counters::DropReason;
use wasmote_sim::faults::broker::{Condition, Failure};

use crate::support::embedded::{rest, until};
use crate::support::mosquitto_clients::{Subscriber, publish};

async fn broker() -> (EmbeddedBroker, u16) {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let port = broker.address().port();
    (broker, port)
}

fn dial(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

const CONNECT_V5: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x01a";

fn connect(mut stream: &TcpStream, packet: &[u8], answer: usize) {
    stream.write_all(packet).unwrap();
    stream.read_exact(&mut vec![0; answer]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publish_properties_reach_the_subscriber() {
    let (_broker, port) = broker().await;
    let mut subscriber = Subscriber::with_format(port, "plant/#", "%t|%q|%P|%C|%R|%D|%F|%p").await;
    let more = [
        "-V",
        "5",
        "-q",
        "1",
        "-D",
        "publish",
        "user-property",
        "unit",
        "K",
        "-D",
        "publish",
        "user-property",
        "unit",
        "C",
        "-D",
        "publish",
        "content-type",
        "text/plain",
        "-D",
        "publish",
        "response-topic",
        "answers",
        "-D",
        "publish",
        "correlation-data",
        "7",
        "-D",
        "publish",
        "payload-format-indicator",
        "1",
    ];
    publish(port, "plant/1", "21.5", &more).await;
    let line = subscriber.wait_for("the message", |line| line.starts_with("plant/1")).await;
    assert_eq!(line, "plant/1|1|unit:K unit:C|text/plain|answers|7|1|21.5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_publishes_sys_topics() {
    let (_broker, port) = broker().await;
    let mut subscriber = Subscriber::start(port, "$SYS/broker/#").await;
    let uptime = subscriber.wait_for("the uptime", |line| line.starts_with("$SYS/broker/uptime")).await;
    assert!(uptime.ends_with(" seconds"), "{uptime}");
    // The next round, ten seconds later, includes the subscriber.
    subscriber.wait_for("the subscriber", |line| line == "$SYS/broker/clients/connected|0|0|1").await;
    // Clients may not publish under `$SYS`.
    publish(port, "$SYS/broker/uptime", "for ever", &["-q", "1"]).await;
    publish(port, "$SYS/broker/uptime", "for ever", &["-q", "2", "-V", "5"]).await;
    let next = subscriber.wait_for("the uptime", |line| line.starts_with("$SYS/broker/uptime")).await;
    assert!(next.ends_with(" seconds"), "{next}");
}

/// [MQTT-4.13.1-1]: DISCONNECT with the reason precedes the close.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protocol_violation_is_answered_with_its_reason_and_the_will_is_published() {
    let (broker, port) = broker().await;
    let mut wills = Subscriber::start(port, "wills").await;
    // A will on `wills`, then a PUBLISH with the invalid QoS 3.
    let connect_with_will = b"\x10\x1a\x00\x04MQTT\x05\x06\x00\x0a\x00\x00\x01a\x00\x00\x05wills\x00\x02by";
    let stream = dial(port);
    connect(&stream, connect_with_will, 16);
    (&stream).write_all(b"\x36\x06\x00\x01t\x00\x01\x00").unwrap();
    assert_eq!(rest(&stream), b"\xe0\x01\x81");
    wills.wait_for("the will", |line| line == "wills|0|0|by").await;
    until(&broker, "only the subscriber", |report| report.external_clients == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_speak_no_mqtt_are_closed() {
    let (broker, port) = broker().await;
    let stream = dial(port);
    (&stream).write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(rest(&stream).starts_with(b"HTTP/1.1 426 Upgrade Required\r\n"), "only a WebSocket is offered");
    let cases: [(&[u8], &[u8]); 3] = [
        (b"\xc0\x00", b""),
        (b"\x10\xff\xff\xff\x7f", b""),
        (b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x01a", b"\x20\x02\x00\x01"),
    ];
    for (sent, expected) in cases {
        let stream = dial(port);
        (&stream).write_all(sent).unwrap();
        assert_eq!(rest(&stream), expected, "{sent:x?}");
    }
    assert_eq!(broker.report().await.unwrap().stats.sessions, 0);
}

/// The client reads nothing; its queue is bounded, and dropped messages are counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_consumer_costs_only_itself() {
    let (broker, port) = broker().await;
    let slow = dial(port);
    connect(&slow, CONNECT_V5, 16);
    (&slow).write_all(b"\x82\x07\x00\x01\x00\x00\x01t\x00").unwrap();
    let mut quick = Subscriber::for_bursts(port, "end", "%t").await;
    until(&broker, "the subscription", |report| report.stats.subscriptions >= 3).await;
    // 30,000 messages of 1 KiB: more than the sockets and the reply channel hold together.
    let sender = std::thread::spawn(move || {
        let mut stream = dial(port);
        connect(&stream, b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01b", 16);
        let mut packet = vec![0x30, 0x84, 0x08, 0, 1, b't', 0];
        packet.resize(3 + 4 + 1_024, b'x');
        for _ in 0..30_000 {
            stream.write_all(&packet).unwrap();
        }
        stream.write_all(b"\x30\x06\x00\x03end\x00").unwrap();
        stream
    });
    quick.wait_for("the end", |line| line == "end").await;
    let report = broker.report().await.unwrap();
    let dropped = report.counters.dropped(DropReason::SlowConsumer);
    assert!((1..30_000).contains(&dropped), "{report:?}");
    assert!(report.counters.closes(report.stats.waiting), "{report:?}");
    drop((slow, sender.join().unwrap()));
    until(&broker, "only the quick one", |report| report.external_clients == 1).await;
}

/// [MQTT-3.1.2-24], [MQTT-3.1.2-25]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_large_for_a_client_is_not_sent_and_does_not_block_the_next() {
    let (broker, port) = broker().await;
    let stream = dial(port);
    // Maximum packet size 30, and a subscription at QoS 1.
    connect(&stream, b"\x10\x13\x00\x04MQTT\x05\x02\x00\x0a\x05\x27\x00\x00\x00\x1e\x00\x01a", 16);
    (&stream).write_all(b"\x82\x07\x00\x01\x00\x00\x01t\x01").unwrap();
    (&stream).read_exact(&mut [0; 6]).unwrap();
    publish(port, "t", &"x".repeat(50), &["-q", "1"]).await;
    publish(port, "t", &"x".repeat(50), &["-q", "0"]).await;
    publish(port, "t", "fits", &["-q", "1"]).await;
    let mut received = [0; 12];
    (&stream).read_exact(&mut received).unwrap();
    assert_eq!((&received[..5], &received[8..]), (&b"\x32\x0a\x00\x01t"[..], &b"fits"[..]));
    let report =
        until(&broker, "both drops", |report| report.counters.dropped(DropReason::TooLarge) == 2).await;
    assert_eq!(report.stats.waiting, 1, "one message is unacknowledged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_broker_answers_after_the_pause() {
    let (broker, port) = broker().await;
    let mut subscriber = Subscriber::start(port, "t").await;
    let mut fault_events = broker.handle().fault_events();
    broker.handle().fail("pause".into(), Failure::Pause, Duration::from_secs(2));
    until(&broker, "the pause", |report| report.condition == Condition::Paused).await;
    assert!(fault_events.recv().await.unwrap().lasting.is_some(), "the pause has begun");
    publish(port, "t", "late", &["-q", "1"]).await;
    let over = fault_events.try_recv().expect("the publisher was answered before the end of the pause");
    assert_eq!(over.lasting, None);
    subscriber.wait_for("the message", |line| line == "t|1|0|late" || line == "t|2|0|late").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_broker_keeps_only_its_counters() {
    let (broker, port) = broker().await;
    publish(port, "kept", "x", &["-r", "-q", "1"]).await;
    let stream = dial(port);
    connect(&stream, CONNECT_V5, 16);
    let before = broker.report().await.unwrap();
    assert!(before.stats.retained >= 1);
    let lasting = Duration::from_millis(200);
    broker.handle().fail("restart".into(), Failure::Restart { persistent: false }, lasting);
    assert_eq!(rest(&stream), b"", "a DISCONNECT before the close");
    let after = until(&broker, "the restart", |report| report.restarts == 1).await;
    assert_eq!((after.stats.sessions, after.external_clients), (0, 0));
    assert!(after.counters.received >= before.counters.received);
}
