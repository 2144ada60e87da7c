//! Connections that end soon after they were accepted, again and again.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wasmote_live::config::ConnectionOptions;
use wasmote_live::fleet::Fleet;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::context::Context;
use wasmote_sim::device::{Blueprint, ConnectionState};
use wasmote_sim::event::Event;

use crate::support::device::{PROTOCOLS, check_ledgers, device, is_up, listener, message, start};
use crate::support::eventually;
use crate::support::mosquitto::{Mosquitto, free_port};
use crate::support::mosquitto_clients::Subscriber;
use crate::support::scripted_broker::{Answers, ScriptedBroker};
use crate::support::server::{Kind, Server, at_port, long_keepalive};

/// Waits until the device is down for a reason with this text.
async fn down_because(fleet: &Fleet, id: &str, text: &str) -> String {
    eventually(text, || async {
        match fleet.status(id).await.unwrap().link {
            ConnectionState::Down(why) if why.contains(text) => Some(why),
            _ => None,
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_accepts_and_closes_is_asked_less_and_less_often() {
    for protocol in PROTOCOLS {
        let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let device = listener("device", protocol, &[]);
        let port = broker.local_addr().unwrap().port();
        let fleet = start(at_port(port), long_keepalive(), vec![device.blueprint]);
        let began = Instant::now();
        for _ in 0..5 {
            let (mut stream, _) = broker.accept().await.unwrap();
            let mut connect = [0; 256];
            assert!(stream.read(&mut connect).await.unwrap() > 0);
            let connack: &[u8] =
                if protocol == Protocol::V5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] };
            stream.write_all(connack).await.unwrap();
        }
        // Pauses of at least 0.25, 0.5, 1 and 2 s.
        assert!(began.elapsed() > Duration::from_millis(3_700), "{:?}", began.elapsed());
        let why = down_because(&fleet, "device", "again soon").await;
        let expected =
            format!("127.0.0.1:{port} closed the connection again soon after it had accepted it; ");
        assert!(why.starts_with(&expected), "{why}");
        assert!(why.contains("another client may use the same client id"), "{why}");
        fleet.shutdown(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_fleet_with_the_same_names_is_told_of_the_doubled_client_id() {
    // Mosquitto ends the old connection without a reason, and the embedded broker with one on MQTT 5.
    let silent = "another client may use the same client id";
    let with_reason = "session taken over; another client uses the same client id";
    for (kind, protocol, text) in [
        (Kind::Mosquitto, Protocol::V4, silent),
        (Kind::Mosquitto, Protocol::V5, silent),
        (Kind::Embedded, Protocol::V4, silent),
        (Kind::Embedded, Protocol::V5, with_reason),
    ] {
        let server = Server::start(kind).await;
        let mut first = listener("device", protocol, &[]);
        let second = listener("device", protocol, &[]);
        let one = start(&server, long_keepalive(), vec![first.blueprint.clone()]);
        first.event("the first connection", is_up).await;
        let two = start(&server, long_keepalive(), vec![second.blueprint]);
        let why = down_because(&one, "device", text).await;
        assert!(why.contains("--group or --device-id"), "{why}");
        assert_eq!(why.contains("again soon after"), text == silent, "{why}");
        for fleet in [one, two] {
            check_ledgers(&fleet).await;
            fleet.shutdown(Duration::from_secs(5)).await;
        }
        server.stop().await;
    }
}

/// Device that publishes ten small messages, with a large one at place `large` in between.
fn publisher(name: &str, protocol: Protocol, qos: Qos, large: usize) -> Blueprint {
    device(name, protocol, move |identity| {
        let topic = format!("t/{}", identity.id);
        move |event: Event, context: &mut Context| {
            if matches!(event, Event::Started(_)) {
                for number in 0..10 {
                    if number == large {
                        context.publish(message(&topic, &"x".repeat(2_000)).with_qos(qos)).unwrap();
                    }
                    context.publish(message(&topic, &number.to_string()).with_qos(qos)).unwrap();
                }
            }
            Ok(())
        }
    })
}

/// On 3.1.1 the broker cannot announce its limit, and ends the connection at a message beyond it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_ends_every_connection_is_given_up_and_the_others_flow() {
    let server = Mosquitto::with(free_port(), "allow_anonymous true\nmax_packet_size 1000", &[]);
    let mut subscriber = Subscriber::start(server.port, "t/#").await;
    let cases: Vec<_> = [Duration::ZERO, Duration::from_secs(300)]
        .into_iter()
        .flat_map(|expiry| [Qos::AtLeastOnce, Qos::ExactlyOnce].map(|qos| (expiry, qos)))
        .collect();
    let mut fleets = Vec::new();
    for (at, (session_expiry, qos)) in cases.into_iter().enumerate() {
        let options = ConnectionOptions { session_expiry, ..long_keepalive() };
        let name = format!("device-{at}");
        // The large message is first, in the middle and last.
        let blueprint = publisher(&name, Protocol::V4, qos, [0, 4, 9, 6][at]);
        fleets.push((name, start(at_port(server.port), options, vec![blueprint])));
    }
    let mut missing: Vec<String> =
        fleets.iter().flat_map(|(name, _)| (0..10).map(move |number| format!("t/{name}|{number}"))).collect();
    while !missing.is_empty() {
        let line = subscriber.wait_for("the small messages", |_| true).await;
        let mut fields = line.split('|');
        let (topic, payload) = (fields.next().unwrap(), fields.next_back().unwrap());
        missing.retain(|wanted| *wanted != format!("{topic}|{payload}"));
    }
    for (name, fleet) in fleets {
        eventually("a message that was given up", || async {
            let ledger = fleet.status(&name).await.unwrap().totals.ledger;
            (ledger.refused.ends_connection == 1).then_some(())
        })
        .await;
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(10)).await;
    }
}

/// A broker of MQTT 5 that has announced no limit says with DISCONNECT what it does not take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_for_which_the_broker_disconnects_is_given_up_with_its_answer() {
    // Packet too large, topic name invalid, and not authorized.
    for code in [0x95, 0x90, 0x87] {
        let last_packet = Some(vec![0xe0, 1, code]);
        let broker = ScriptedBroker::start(
            Protocol::V5,
            Answers { last_packet, last_from: 1_000, ..Answers::default() },
        )
        .await;
        let fleet = start(
            at_port(broker.port),
            long_keepalive(),
            vec![publisher("device", Protocol::V5, Qos::AtLeastOnce, 4)],
        );
        let ledger = eventually("the large message is given up and the others are sent", || async {
            let ledger = fleet.status("device").await.unwrap().totals.ledger;
            (ledger.sent == 10).then_some(ledger)
        })
        .await;
        assert_eq!((ledger.refused.ends_connection, ledger.refused.total()), (1, 1));
        let disconnects: u64 = ledger.negative_answers.values().sum();
        assert!(disconnects >= 3, "{ledger:?}");
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(5)).await;
    }
}

/// A broker whose process is restarted, or a doubled client id, must not cost a message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_ends_every_connection_costs_no_message() {
    let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = broker.local_addr().unwrap().port();
    let fleet = start(
        at_port(port),
        long_keepalive(),
        vec![publisher("device", Protocol::V4, Qos::AtLeastOnce, usize::MAX)],
    );
    for _ in 0..5 {
        let (mut stream, _) = broker.accept().await.unwrap();
        let mut bytes = [0; 256];
        assert!(stream.read(&mut bytes).await.unwrap() > 0);
        stream.write_all(&[0x20, 2, 0, 0]).await.unwrap();
        // The next packet is on its way when the connection ends.
        assert!(stream.read(&mut bytes).await.unwrap() > 0);
    }
    drop(broker);
    let ledger = fleet.status("device").await.unwrap().totals.ledger;
    assert_eq!((ledger.generated, ledger.refused.total(), ledger.sent), (10, 0, 0));
    let server = Mosquitto::with(port, "allow_anonymous true", &[]);
    eventually("the messages are sent", || async {
        (fleet.status("device").await.unwrap().totals.ledger.sent == 10).then_some(())
    })
    .await;
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(5)).await;
    drop(server);
}
