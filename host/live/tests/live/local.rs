//! Devices that are linked to the embedded broker, without sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use wasmote_live::broker::EmbeddedBroker;
use wasmote_live::config::{ConnectionOptions, FleetConfig};
use wasmote_live::fleet::{Fleet, PowerCommand};
use wasmote_mqtt::message::{Qos, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::context::Context;
use wasmote_sim::device::Blueprint;
use wasmote_sim::event::Event;
use wasmote_sim::faults::broker::Failure;

use crate::support::device::{Listener, check_ledgers, device, faults, is_down, is_up, listener, message};
use crate::support::eventually;
use crate::support::mosquitto_clients::{Subscriber, publish};
use crate::support::server::{at_port, long_keepalive, options};

async fn broker() -> (EmbeddedBroker, u16) {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let port = broker.address().port();
    (broker, port)
}

fn start(broker: &EmbeddedBroker, connection: ConnectionOptions, devices: Vec<Blueprint>) -> Fleet {
    let (embedded_broker, broker) = (Some(broker.handle()), at_port(broker.address().port()));
    Fleet::start(FleetConfig { devices, broker, embedded_broker, connection, start_rate: None })
}

/// Device that publishes after it connects and when it stops, and has a will.
fn announcing(name: &str) -> Blueprint {
    device(name, Protocol::V5, |identity| {
        let topic = format!("t/{}", identity.id);
        move |event: Event, context: &mut Context| {
            match event {
                Event::Started(_) => {
                    context.set_will(Some(Will { message: message(&topic, "lost"), delay: 0 })).unwrap();
                }
                Event::Connection(_) if context.connected() => {
                    context.publish(message(&topic, "here")).unwrap();
                }
                Event::Stopping(_) => context.publish(message(&topic, "bye")).unwrap(),
                _ => {}
            }
            Ok(())
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_device_publishes_and_disconnects_cleanly() {
    const DEVICES: usize = 1_000;
    let (broker, port) = broker().await;
    let mut subscriber = Subscriber::for_bursts(port, "t/#", "%t %p").await;
    let devices = (0..DEVICES).map(|at| announcing(&format!("d{at}"))).collect();
    let fleet = start(&broker, long_keepalive(), devices);
    for _ in 0..DEVICES {
        subscriber.wait_for("a device", |line| line.ends_with(" here")).await;
    }
    let report = broker.report().await.unwrap();
    assert_eq!(
        (report.stats.connected, report.external_clients),
        (DEVICES + 1, 1),
        "only the subscriber has a socket"
    );
    let totals = fleet.shutdown(Duration::from_secs(20)).await;
    assert_eq!((totals.ledger.sent, totals.connects), (2 * DEVICES as u64, DEVICES as u64));
    for _ in 0..DEVICES {
        subscriber.wait_for("the last message", |line| line.ends_with(" bye")).await;
    }
    let left = eventually("all devices to disconnect", async || {
        broker.report().await.filter(|report| report.stats.connected == 1)
    });
    assert_eq!(left.await.counters.wills, 0, "a clean disconnect discards the will");
    broker.shutdown().await;
}

/// [MQTT-3.1.2-22]: the timeout is one and a half times the keepalive after the last packet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_device_times_out_and_its_will_is_published() {
    let (broker, port) = broker().await;
    let mut subscriber = Subscriber::start(port, "t/#").await;
    let fleet = start(&broker, options(), vec![announcing("d")]);
    subscriber.wait_for("the device", |line| line == "t/d|0|0|here").await;
    let silence = serde_json::json!({"fault": [
        {"kind": "silence", "probability": 1.0, "every": "100ms", "for": "60s"}
    ]});
    fleet.set_faults(&[0], faults(silence)).await.unwrap();
    let began = Instant::now();
    subscriber.wait_for("the will", |line| line == "t/d|0|0|lost").await;
    // The last packet may have been sent up to a keepalive of 5 s before the silence.
    let noticed = began.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(30)).contains(&noticed), "{noticed:?}");
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_fires_the_will_at_once() {
    let (broker, port) = broker().await;
    let mut subscriber = Subscriber::start(port, "t/#").await;
    let fleet = start(&broker, options(), vec![announcing("d")]);
    subscriber.wait_for("the device", |line| line == "t/d|0|0|here").await;
    fleet.power("d", PowerCommand::Crash).await.unwrap();
    subscriber.wait_for("the will", |line| line == "t/d|0|0|lost").await;
    subscriber.wait_for("the device after its restart", |line| line == "t/d|0|0|here").await;
    fleet.shutdown(Duration::from_secs(10)).await;
}

async fn start_listener(broker: &EmbeddedBroker, name: &str) -> (Listener, Fleet) {
    let mut device = listener(name, Protocol::V5, &["t/in"]);
    let fleet = start(broker, options(), vec![device.blueprint.clone()]);
    device.ready().await;
    (device, fleet)
}

/// [MQTT-3.1.4-3]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_external_client_takes_over_a_devices_session_and_the_device_takes_it_back() {
    let (broker, port) = broker().await;
    let (mut device, fleet) = start_listener(&broker, "d").await;
    let mut other_client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    other_client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    other_client.write_all(b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01d").unwrap();
    device.event("the end of the connection", is_down).await;
    device.event("the next connection", is_up).await;
    let mut received = Vec::new();
    other_client.read_to_end(&mut received).unwrap();
    assert!(received.ends_with(b"\xe0\x01\x8e"), "no session takeover: {received:x?}");
    publish(port, "t/in", "after the takeover", &["-q", "1"]).await;
    device.message("after the takeover").await;
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_comes_back_after_the_broker_crashed_and_subscribes_again() {
    let (broker, port) = broker().await;
    let (mut device, fleet) = start_listener(&broker, "d").await;
    let lasting = Duration::from_millis(200);
    broker.handle().fail("restart".into(), Failure::Restart { persistent: false }, lasting);
    device.event("the end of the connection", is_down).await;
    device.event("the next connection", is_up).await;
    device.ready().await;
    publish(port, "t/in", "after the restart", &["-q", "1"]).await;
    device.message("after the restart").await;
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}

/// A persistent broker keeps its sessions and their queued messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persistent_broker_keeps_sessions_and_messages_over_a_restart() {
    let (broker, port) = broker().await;
    publish(port, "t/kept", "persisted", &["-q", "1", "-r"]).await;
    let mut fault_events = broker.handle().fault_events();
    let lasting = Duration::from_secs(1);
    broker.handle().fail("restart".into(), Failure::Restart { persistent: true }, lasting);
    let began = fault_events.recv().await.unwrap();
    assert!(began.lasting.is_some());
    let over = fault_events.recv().await.unwrap();
    assert_eq!((&*over.fault, over.lasting), ("restart", None));
    let mut late = Subscriber::start(port, "t/kept").await;
    late.wait_for("the retained message", |line| line.ends_with("persisted")).await;
}

/// Messages that the device sends meanwhile wait for the broker and arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_pause_of_the_broker_loses_nothing() {
    let (broker, _) = broker().await;
    let (mut device, fleet) = start_listener(&broker, "d").await;
    let began = Instant::now();
    broker.handle().fail("pause".into(), Failure::Pause, Duration::from_secs(2));
    for (payload, qos) in [("a", Qos::AtMostOnce), ("b", Qos::AtLeastOnce), ("c", Qos::ExactlyOnce)] {
        fleet.publish("d", message("t/in", payload).with_qos(qos)).await.unwrap();
    }
    // Remaining pause, which adds to the latency of each message.
    let left = Duration::from_secs(2).saturating_sub(began.elapsed()).as_secs_f64();
    for payload in ["a", "b", "c"] {
        let received = device.message(payload).await;
        let origin = received.origin.expect("the message has an origin");
        assert_eq!(origin.from.as_str(), "d");
    }
    let latency = fleet.status("d").await.unwrap().totals.latency;
    assert!(
        latency.sum() >= 3.0 * left,
        "the latency includes the pause: {} s in all, {left} s each",
        latency.sum()
    );
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}
