//! The host's own connections, which use `rumqttc`, to Mosquitto and to the embedded broker.

use std::time::Duration;

use tokio::net::TcpListener;
use wasmote_live::config::{BrokerUrl, ConnectionOptions};
use wasmote_live::host_client::{BrokerAnswer, HostClient, HostConnection, HostMessage, PublishError, check};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::Topic;

use crate::support::authority::Authority;
use crate::support::device::{LEVELS, PROTOCOLS};
use crate::support::mosquitto::{Mosquitto, free_port};
use crate::support::mosquitto_clients::Subscriber;
use crate::support::server::{Kind, Server, at_port, options};
use crate::support::{TIMEOUT, eventually};

fn to(broker: BrokerUrl, options: ConnectionOptions, protocol: Protocol) -> HostConnection {
    HostConnection { broker, options, protocol, client_id: "host".into() }
}

fn message(payload: &str, qos: Qos) -> HostMessage {
    let topic = Topic::new("t/host").unwrap();
    HostMessage { topic, payload: payload.to_owned().into(), qos, retain: false }
}

async fn publishes(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/#").await;
    for protocol in PROTOCOLS {
        let connection = to(server.url(), server.trusted(options()), protocol);
        assert_eq!(check(connection.clone(), TIMEOUT).await, Ok(BrokerAnswer::Accepted));
        let mut host = HostClient::start(connection).unwrap();
        host.connected(TIMEOUT).await.unwrap();
        for qos in LEVELS {
            let payload = format!("{protocol:?}-{}", u8::from(qos));
            host.publish(message(&payload, qos)).unwrap();
            let line = format!("t/host|{}|0|{payload}", u8::from(qos));
            subscriber.wait_for("the host's message", |seen| seen == line).await;
        }
        // All messages of a burst are acknowledged before the host disconnects.
        for number in 0..200 {
            host.publish(message(&format!("burst {number}"), Qos::AtLeastOnce)).unwrap();
        }
        assert_eq!(host.close(TIMEOUT).await, 0);
        for number in 0..200 {
            let line = format!("t/host|1|0|burst {number}");
            subscriber.wait_for("the burst", |seen| seen == line).await;
        }
    }
    if kind.is_mosquitto() {
        // Mosquitto's log arrives asynchronously, and may be late.
        let disconnects =
            || server.log().iter().filter(|line| line.contains("Client host disconnected")).count();
        eventually("a DISCONNECT each time", || async { (disconnects() == 4).then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_publishes_with_both_versions_over_plain_tcp() {
    publishes(Kind::Mosquitto).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_publishes_with_both_versions_over_tls() {
    publishes(Kind::Tls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_publishes_to_the_embedded_broker() {
    publishes(Kind::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_the_host_survive_a_broker_restart() {
    for protocol in PROTOCOLS {
        let port = free_port();
        let broker = Mosquitto::with(port, "allow_anonymous true", &[]);
        let mut host = HostClient::start(to(at_port(port), options(), protocol)).unwrap();
        host.connected(TIMEOUT).await.unwrap();
        broker.freeze();
        host.publish(message("in flight", Qos::AtLeastOnce)).unwrap();
        // Until the message is written, but not acknowledged.
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(broker);
        host.publish(message("queued", Qos::ExactlyOnce)).unwrap();
        let _broker = Mosquitto::with(port, "allow_anonymous true\nmax_inflight_messages 0", &[]);
        let mut subscriber = Subscriber::start(port, "t/#").await;
        for payload in ["again 1", "again 2"] {
            host.publish(message(payload, Qos::AtLeastOnce)).unwrap();
            subscriber.wait_for("a later message", |line| line.ends_with(payload)).await;
        }
        assert_eq!(host.close(TIMEOUT).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_without_a_broker_refuses_messages_when_its_queue_is_full() {
    let mut host = HostClient::start(to(at_port(free_port()), options(), Protocol::V5)).unwrap();
    let why = host.connected(Duration::from_secs(2)).await.unwrap_err();
    assert!(why.contains("Connection refused"), "{why}");
    let refused = (0..10_000).find_map(|_| host.publish(message("x", Qos::AtMostOnce)).err());
    assert_eq!(refused, Some(PublishError::QueueFull));
    assert!(host.close(Duration::from_millis(100)).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_says_whether_a_broker_answers() {
    let closed_port = free_port();
    let unresponsive = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unresponsive_port = unresponsive.local_addr().unwrap().port();
    let password_broker = Mosquitto::with(free_port(), "allow_anonymous false", &[]);
    let server = Server::start(Kind::Tls).await;
    let other_authority = Authority::new("stranger");
    let untrusting = ConnectionOptions { tls: Some(other_authority.material()), ..options() };
    let short = Duration::from_secs(2);
    for protocol in PROTOCOLS {
        let why = check(to(at_port(closed_port), options(), protocol), TIMEOUT).await.unwrap_err();
        assert!(why.starts_with(&format!("no connection with 127.0.0.1:{closed_port}")), "{why}");
        let why = check(to(at_port(unresponsive_port), options(), protocol), short).await.unwrap_err();
        let silent =
            format!("no answer from 127.0.0.1:{unresponsive_port} within 2 s to CONNECT; check that an MQTT");
        assert!(why.starts_with(&silent), "{why}");
        let refused = check(to(at_port(password_broker.port), options(), protocol), TIMEOUT).await;
        let Ok(BrokerAnswer::Refused(why)) = refused else { panic!("{refused:?}") };
        let expected = format!("127.0.0.1:{} refused the connection: not authorized; ", password_broker.port);
        assert!(why.starts_with(&expected), "{why}");
        let why = check(to(server.url(), untrusting.clone(), protocol), TIMEOUT).await.unwrap_err();
        assert!(why.contains("is not the one that signed the broker's"), "{why}");
        let plain = BrokerUrl { tls: true, ..at_port(server.port()) };
        let why = check(to(plain, server.trusted(options()), protocol), TIMEOUT).await.unwrap_err();
        assert!(why.contains("TLS with 127.0.0.1") && why.contains("on this port"), "{why}");
    }
}
