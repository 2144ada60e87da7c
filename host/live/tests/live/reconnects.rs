//! Lost connections with messages in flight: no message at QoS 1 or 2 is lost, and the ledgers balance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wasmote_live::config::{ConnectionOptions, FleetConfig};
use wasmote_live::fleet::{Fleet, PowerCommand};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::context::Context;
use wasmote_sim::device::{Blueprint, ConnectionState};
use wasmote_sim::event::Event;
use wasmote_sim::ledger::Ledger;

use crate::support::device::{
    Listener, PROTOCOLS, Target, check_ledgers, device, faults, is_down, listener, message, start,
};
use crate::support::mosquitto::{Mosquitto, free_port};
use crate::support::mosquitto_clients::Subscriber;
use crate::support::proxy::Proxy;
use crate::support::server::{Kind, Server, at_port, options};
use crate::support::{eventually, on_all_brokers};

on_all_brokers!(
    no_message_is_lost_when_connections_break,
    no_message_is_lost_when_sessions_survive_their_connections,
    a_disconnect_fault_returns_messages_in_flight,
    a_crash_loses_messages_in_flight,
    a_stop_returns_unacknowledged_messages,
);

/// Interval between two messages.
const PAUSE: Duration = Duration::from_millis(100);
/// Messages per device that are generated while the network is blocked.
const BLOCKED_MESSAGES: u64 = 20;

fn long_session() -> ConnectionOptions {
    ConnectionOptions { session_expiry: Duration::from_secs(300), ..options() }
}

/// Device that publishes consecutive numbers, connected or not, until it is stopped.
fn counter(protocol: Protocol, qos: Qos) -> Blueprint {
    let name = format!("{protocol:?}-{}", u8::from(qos));
    device(&name, protocol, move |identity| {
        let topic = format!("t/count/{}", identity.id);
        let mut count = 0;
        move |event: Event, context: &mut Context| {
            if let Event::Started(_) | Event::Timer(_) = event {
                let due = context.now() + PAUSE;
                context.set_timer(0, due).unwrap();
            }
            if let Event::Timer(_) = event {
                count += 1;
                context.publish(message(&topic, &count.to_string()).with_qos(qos)).unwrap();
            }
            Ok(())
        }
    })
}

fn counters() -> Vec<Blueprint> {
    let levels = [Qos::AtLeastOnce, Qos::ExactlyOnce];
    PROTOCOLS.iter().flat_map(|&protocol| levels.map(|qos| counter(protocol, qos))).collect()
}

/// Numbers received from each device, in the order of their first arrival.
#[derive(Default)]
struct Received(BTreeMap<String, Vec<u64>>);

impl Received {
    fn record(&mut self, line: &str) {
        let (topic, count) = line.rsplit_once('|').unwrap();
        let counts = self.0.entry(topic.to_owned()).or_default();
        let count = count.parse().unwrap();
        if !counts.contains(&count) {
            counts.push(count);
        }
    }

    /// Receives messages until each device's number in `last` has arrived.
    async fn receive_until(&mut self, subscriber: &mut Subscriber, fleet: &Fleet, last: &[u64]) {
        let reached = |received: &Self| {
            fleet.devices().iter().zip(last).all(|(device, last)| {
                let counts = received.0.get(&format!("t/count/{}", device.id));
                counts.is_some_and(|counts| counts.contains(last))
            })
        };
        while !reached(self) {
            let line = subscriber.wait_for("a count", |line| line.starts_with("t/count/")).await;
            self.record(&line);
        }
    }

    /// Asserts that first arrivals are in order.
    fn check_order(&self) {
        for (topic, counts) in &self.0 {
            assert!(counts.is_sorted(), "{topic}: {counts:?}");
        }
    }

    /// Asserts that no number is missing.
    fn check(&self) {
        for (topic, counts) in &self.0 {
            let all: BTreeSet<u64> = (1..=*counts.iter().max().unwrap()).collect();
            let missing: Vec<_> = all.iter().filter(|count| !counts.contains(count)).collect();
            assert!(missing.is_empty(), "{topic}: {missing:?} of {} are missing", all.len());
        }
    }
}

async fn generated(fleet: &Fleet) -> Vec<u64> {
    let statuses = fleet.statuses(0..fleet.devices().len()).await.unwrap();
    statuses.iter().map(|status| status.totals.ledger.generated).collect()
}

/// Waits until every device has generated [`BLOCKED_MESSAGES`] more.
async fn wait_for_more(fleet: &Fleet) -> Vec<u64> {
    let before = generated(fleet).await;
    eventually("more messages", || async {
        let now = generated(fleet).await;
        now.iter().zip(&before).all(|(now, before)| *now >= before + BLOCKED_MESSAGES).then_some(now)
    })
    .await
}

/// Receives the remaining messages, stops the fleet and checks its ledgers.
async fn finish(fleet: Fleet, received: &mut Received, subscriber: &mut Subscriber) -> Ledger {
    let last = wait_for_more(&fleet).await;
    received.receive_until(subscriber, &fleet, &last).await;
    check_ledgers(&fleet).await;
    let ledger = fleet.shutdown(Duration::from_secs(10)).await.ledger;
    received.check();
    assert_eq!((ledger.lost_offline, ledger.refused.total()), (0, 0), "{ledger:?}");
    assert_eq!(ledger.generated, ledger.sent, "{ledger:?}");
    ledger
}

async fn break_connections(kind: Kind, connection: ConnectionOptions) -> Ledger {
    let server = Server::start(kind).await;
    let proxy = Proxy::to(server.device_port()).await;
    let mut subscriber = Subscriber::for_bursts(server.port(), "t/count/+", "%t|%p").await;
    let fleet = start(Target::by_port(&server, proxy.port), connection, counters());
    let mut received = Received::default();
    for _ in 0..4 {
        let last = wait_for_more(&fleet).await;
        received.receive_until(&mut subscriber, &fleet, &last).await;
        proxy.block();
        wait_for_more(&fleet).await;
        check_ledgers(&fleet).await;
        proxy.cut();
        proxy.open();
    }
    let ledger = finish(fleet, &mut received, &mut subscriber).await;
    received.check_order();
    ledger
}

async fn no_message_is_lost_when_connections_break(kind: Kind) {
    let ledger = break_connections(kind, options()).await;
    assert!(ledger.returned > BLOCKED_MESSAGES, "{ledger:?}");
}

/// The client itself resends messages in flight, since both sides keep the session.
async fn no_message_is_lost_when_sessions_survive_their_connections(kind: Kind) {
    break_connections(kind, long_session()).await;
}

/// Kills the broker with messages in flight. The new broker has no sessions.
async fn kill_the_broker(connection: ConnectionOptions) {
    let port = free_port();
    // Acknowledged messages must be in flight to the subscriber, not in a queue that is lost with the broker.
    let broker = Mosquitto::with(port, "allow_anonymous true\nmax_inflight_messages 0", &[]);
    let proxy = Proxy::to(port).await;
    let mut subscriber = Subscriber::for_bursts(port, "t/count/+", "%t|%p").await;
    let fleet = start(at_port(proxy.port), connection, counters());
    let mut received = Received::default();
    let last = wait_for_more(&fleet).await;
    received.receive_until(&mut subscriber, &fleet, &last).await;
    broker.freeze();
    wait_for_more(&fleet).await;
    // Devices cannot reconnect until the new broker has a subscriber.
    proxy.block();
    drop(broker);
    let _broker = Mosquitto::with(port, "allow_anonymous true", &[]);
    for line in subscriber.messages().iter().filter(|line| line.starts_with("t/count/")) {
        received.record(line);
    }
    let mut subscriber = Subscriber::for_bursts(port, "t/count/+", "%t|%p").await;
    proxy.cut();
    proxy.open();
    let ledger = finish(fleet, &mut received, &mut subscriber).await;
    assert!(ledger.returned >= BLOCKED_MESSAGES, "{ledger:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_lost_when_a_broker_is_killed() {
    kill_the_broker(options()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_lost_when_a_broker_with_sessions_is_killed() {
    kill_the_broker(long_session()).await;
}

/// Devices with five messages each in flight on a blocked network.
async fn with_messages_in_flight(server: &Server, proxy: &Proxy) -> (Fleet, Vec<Listener>) {
    let mut devices: Vec<_> =
        PROTOCOLS.iter().map(|&protocol| listener(&format!("{protocol:?}"), protocol, &[])).collect();
    let blueprints = devices.iter().map(|device| device.blueprint.clone()).collect();
    let fleet = start(Target::by_port(server, proxy.port), options(), blueprints);
    for device in &mut devices {
        device.ready().await;
    }
    proxy.block();
    for device in &devices {
        for number in 1..=5 {
            let qos = [Qos::AtLeastOnce, Qos::ExactlyOnce][number % 2];
            let sent = message("t/count/x", &number.to_string()).with_qos(qos);
            fleet.publish(device.blueprint.identity.id.as_str(), sent).await.unwrap();
        }
    }
    (fleet, devices)
}

async fn a_disconnect_fault_returns_messages_in_flight(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::for_bursts(server.port(), "t/count/x", "%t|%p").await;
    let proxy = Proxy::to(server.device_port()).await;
    let (fleet, mut devices) = with_messages_in_flight(&server, &proxy).await;
    let broken = faults(serde_json::json!({"fault": [
        {"kind": "disconnect", "probability": 1.0, "every": "1s", "for": "5s"}
    ]}));
    fleet.set_faults(&[0, 1], broken).await.unwrap();
    for device in &mut devices {
        device.event("the break", is_down).await;
    }
    eventually("the returned messages", || async {
        let totals = fleet.totals().await.unwrap();
        (totals.ledger.returned == 10 && totals.waiting.0 == 10).then_some(())
    })
    .await;
    check_ledgers(&fleet).await;
    proxy.open();
    fleet.set_faults(&[0, 1], faults(serde_json::json!({"fault": []}))).await.unwrap();
    for _ in 0..10 {
        subscriber.wait_for("a returned message", |_| true).await;
    }
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}

async fn a_crash_loses_messages_in_flight(kind: Kind) {
    let server = Server::start(kind).await;
    let proxy = Proxy::to(server.device_port()).await;
    let (fleet, mut devices) = with_messages_in_flight(&server, &proxy).await;
    for device in &devices {
        fleet.power(device.blueprint.identity.id.as_str(), PowerCommand::Crash).await.unwrap();
    }
    let ledger = fleet.totals().await.unwrap().ledger;
    assert_eq!((ledger.generated, ledger.returned, ledger.lost_offline), (12, 10, 10));
    check_ledgers(&fleet).await;
    proxy.open();
    for device in &mut devices {
        device.ready().await;
    }
    let ledger = fleet.totals().await.unwrap().ledger;
    assert_eq!((ledger.generated, ledger.returned, ledger.lost_offline), (14, 10, 10));
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}

/// DISCONNECT waits for acknowledgements, up to a timeout.
async fn a_stop_returns_unacknowledged_messages(kind: Kind) {
    let server = Server::start(kind).await;
    let proxy = Proxy::to(server.device_port()).await;
    let (fleet, _devices) = with_messages_in_flight(&server, &proxy).await;
    let totals = fleet.shutdown(Duration::from_secs(30)).await;
    let ledger = totals.ledger;
    assert_eq!((ledger.generated, ledger.returned, ledger.lost_offline), (12, 10, 10));
    assert!(ledger.closes(totals.waiting.0, totals.waiting.1), "{ledger:?}");
}

/// Silent devices release their dial slots.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_devices_do_not_block_others_from_connecting() {
    // More than the limit of concurrent attempts, and one later device.
    const SILENT: usize = 300;
    const CONCURRENT_DIALS: usize = 256;
    let server = Server::start(Kind::Embedded).await;
    let proxy = Proxy::to(server.device_port()).await;
    proxy.block();
    let devices = (0..=SILENT).map(idle_device).collect();
    let broker = at_port(proxy.port);
    let fleet = Fleet::start(FleetConfig {
        devices,
        broker,
        embedded_broker: None,
        connection: options(),
        start_rate: Some(SILENT as f64),
    });
    proxy.connections(CONCURRENT_DIALS).await;
    let silence = faults(serde_json::json!({"fault": [
        {"kind": "silence", "probability": 1.0, "every": "1s", "for": "600s"}
    ]}));
    fleet.set_faults(&(0..SILENT).collect::<Vec<_>>(), silence).await.unwrap();
    eventually("the silence", || async {
        (fleet.totals().await.unwrap().devices.silent == SILENT as u64).then_some(())
    })
    .await;
    proxy.cut();
    proxy.open();
    eventually("the last to connect", || async {
        (fleet.status(&format!("d-{SILENT}")).await.unwrap().link == ConnectionState::Up).then_some(())
    })
    .await;
    fleet.shutdown(Duration::from_secs(10)).await;
}

fn idle_device(number: usize) -> Blueprint {
    device(&format!("d-{number}"), PROTOCOLS[number % 2], |_| |_: Event, _: &mut Context| Ok(()))
}
