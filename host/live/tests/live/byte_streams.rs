//! Byte-stream faults: stalls, throttles, resets and half-open connections. They act on TCP connections to
//! Mosquitto and to the embedded broker's listener, and on in-process links, where packets are delayed like
//! their bytes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasmote_live::fleet::Fleet;
use wasmote_mqtt::message::{Qos, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::context::Context;
use wasmote_sim::device::{Blueprint, ConnectionState};
use wasmote_sim::event::Event;

use crate::support::device::{PROTOCOLS, check_ledgers, device, faults, is_down, listener, message, start};
use crate::support::mosquitto_clients::{Subscriber, publish};
use crate::support::server::{Kind, Server, long_keepalive, options};
use crate::support::{eventually, on_all_brokers};

on_all_brokers!(
    a_reset_reaches_both_ends_at_once,
    the_keepalive_detects_a_half_open_connection,
    closing_a_half_open_connection_is_invisible_to_the_broker,
    a_throttle_makes_large_messages_late_both_ways,
    bytes_wait_for_the_end_of_a_stall_and_the_connection_stays,
    data_written_before_a_disconnect_still_leaves_a_slow_link,
);

/// Device that publishes `online` when it connects, with the will `lost`.
fn state(name: &str, protocol: Protocol) -> Blueprint {
    device(name, protocol, |identity| {
        let topic = format!("t/{}", identity.id);
        move |event: Event, context: &mut Context| {
            match event {
                Event::Started(_) => {
                    let will = Will { message: message(&topic, "lost"), delay: 0 };
                    context.set_will(Some(will)).unwrap();
                }
                Event::Connection(_) if context.connected() => {
                    context.publish(message(&topic, "online")).unwrap();
                }
                _ => {}
            }
            Ok(())
        }
    })
}

async fn set_fault(fleet: &Fleet, document: Value) {
    fleet.set_faults(&[0], faults(json!({"fault": [document]}))).await.unwrap();
}

async fn clear_faults(fleet: &Fleet) {
    fleet.set_faults(&[0], faults(json!({"fault": []}))).await.unwrap();
}

/// Sets a fault until it has occurred at least once, then clears all faults.
async fn trigger_once(fleet: &Fleet, fault: Value) {
    set_fault(fleet, fault).await;
    let name = fleet.devices()[0].id.to_string();
    eventually("the fault to occur", || async {
        let outages = fleet.status(&name).await.unwrap().totals.ledger.fault_total().outages;
        (outages > 0).then_some(())
    })
    .await;
    clear_faults(fleet).await;
}

async fn finish(fleet: Fleet) {
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}

async fn a_reset_reaches_both_ends_at_once(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/#").await;
    for protocol in PROTOCOLS {
        let name = format!("{protocol:?}");
        let fleet = start(&server, long_keepalive(), vec![state(&name, protocol)]);
        let (online, lost) = (format!("t/{name}|0|0|online"), format!("t/{name}|0|0|lost"));
        subscriber.wait_for("online", |line| line == online).await;
        let began = Instant::now();
        trigger_once(&fleet, json!({"kind": "reset", "every": "200ms", "probability": 1.0})).await;
        subscriber.wait_for("the will", |line| line == lost).await;
        assert!(began.elapsed() < Duration::from_secs(60), "only the keepalive detected the reset");
        subscriber.wait_for("the device after its reconnect", |line| line == online).await;
        let log = server.log();
        assert!(!log.iter().any(|line| line.contains("exceeded timeout")), "{log:#?}");
        finish(fleet).await;
    }
}

async fn the_keepalive_detects_a_half_open_connection(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/#").await;
    for protocol in PROTOCOLS {
        let name = format!("{protocol:?}");
        let fleet = start(&server, options(), vec![state(&name, protocol)]);
        let (online, lost) = (format!("t/{name}|0|0|online"), format!("t/{name}|0|0|lost"));
        subscriber.wait_for("online", |line| line == online).await;
        trigger_once(&fleet, json!({"kind": "half_open", "every": "10ms", "probability": 1.0})).await;
        let queued = message(&format!("t/{name}"), "queued").with_qos(Qos::AtLeastOnce);
        fleet.publish(&name, queued).await.unwrap();
        // The device stays connected until its PINGREQ times out.
        assert_eq!(fleet.status(&name).await.unwrap().link, ConnectionState::Up);
        let reason = eventually("the keepalive timeout", || async {
            match fleet.status(&name).await.unwrap().link {
                ConnectionState::Down(reason) => Some(reason),
                _ => None,
            }
        })
        .await;
        assert_eq!(reason, "the broker did not answer the keepalive");
        subscriber.wait_for("the will", |line| line == lost).await;
        let queued = format!("t/{name}|1|0|queued");
        subscriber.wait_for("the unacknowledged message", |line| line == queued).await;
        // Mosquitto checks for silent clients every few seconds, so the new connection may take over the
        // session first.
        let detections =
            ["has exceeded timeout", "already connected"].map(|how| format!("Client {name} {how}"));
        let is_logged = || server.log().iter().any(|line| detections.iter().any(|how| line.contains(how)));
        eventually("the log", || async { (!kind.logs_timeouts() || is_logged()).then_some(()) }).await;
        let log = server.log();
        assert!(!log.iter().any(|line| line.contains(&format!("Client {name} closed"))), "{log:#?}");
        let status = fleet.status(&name).await.unwrap();
        assert_eq!(status.link, ConnectionState::Up);
        finish(fleet).await;
    }
}

async fn closing_a_half_open_connection_is_invisible_to_the_broker(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/#").await;
    let fleet = start(&server, options(), vec![state("device", Protocol::V5)]);
    subscriber.wait_for("online", |line| line == "t/device|0|0|online").await;
    let began = Instant::now();
    trigger_once(&fleet, json!({"kind": "half_open", "every": "10ms", "probability": 1.0})).await;
    // DISCONNECT is lost too, and the device stays off.
    fleet.power("device", wasmote_live::fleet::PowerCommand::Stop).await.unwrap();
    subscriber.wait_for("the will", |line| line == "t/device|0|0|lost").await;
    // The last packet may have been sent up to a keepalive of 5 s before.
    assert!(began.elapsed() > Duration::from_secs(2), "the will came before the keepalive timeout");
    let about = |line: &String| line.contains("device") && line.contains("Client");
    if kind.logs_timeouts() {
        // Mosquitto's log arrives asynchronously, and may follow the will.
        eventually("the log", || async {
            server.log().iter().any(|line| about(line) && line.contains("exceeded timeout")).then_some(())
        })
        .await;
    }
    let log: Vec<_> = server.log().into_iter().filter(about).collect();
    // Mosquitto writes this line for a keepalive that ran out in a WebSocket, too.
    let is_closed = log.iter().any(|line| line.contains("closed its connection"));
    assert!(kind == Kind::Wss || !is_closed, "{log:#?}");
    finish(fleet).await;
}

async fn a_throttle_makes_large_messages_late_both_ways(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/#").await;
    let payload = "x".repeat(2_000);
    for protocol in PROTOCOLS {
        let name = format!("{protocol:?}");
        let mut device = listener(&name, protocol, &["in"]);
        let fleet = start(&server, options(), vec![device.blueprint.clone()]);
        device.ready().await;
        set_fault(&fleet, json!({"kind": "throttle", "bytes_per_second": 1000})).await;
        let began = Instant::now();
        fleet.publish(&name, message("t/out", &payload)).await.unwrap();
        let out = format!("t/out|0|0|{payload}");
        subscriber.wait_for("the published message", |line| line == out).await;
        let took = began.elapsed().as_secs_f64();
        assert!((1.9..20.0).contains(&took), "2,000 bytes at 1,000 bytes per second: {took}");

        let began = Instant::now();
        publish(server.port(), "in", &payload, &[]).await;
        device.message(&payload).await;
        let took = began.elapsed().as_secs_f64();
        assert!((1.9..20.0).contains(&took), "{took}");

        clear_faults(&fleet).await;
        let quick = "q".repeat(30_000);
        let began = Instant::now();
        fleet.publish(&name, message("t/out", &quick)).await.unwrap();
        let out = format!("t/out|0|0|{quick}");
        subscriber.wait_for("the message without a throttle", |line| line == out).await;
        assert!(began.elapsed() < Duration::from_secs(25), "the throttle would take 30 s");
        finish(fleet).await;
    }
}

async fn bytes_wait_for_the_end_of_a_stall_and_the_connection_stays(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/#").await;
    for protocol in PROTOCOLS {
        let name = format!("{protocol:?}");
        let mut device = listener(&name, protocol, &["in"]);
        let fleet = start(&server, long_keepalive(), vec![device.blueprint.clone()]);
        device.ready().await;
        set_fault(&fleet, json!({"kind": "stall", "every": "10ms", "probability": 1.0, "for": "1h"})).await;
        eventually("the stall", || async {
            (!fleet.status(&name).await.unwrap().active_faults.is_empty()).then_some(())
        })
        .await;
        fleet.publish(&name, message("t/out", "stalled")).await.unwrap();
        publish(server.port(), "in", "stalled", &[]).await;
        // Two messages that are not delayed make a full round trip meanwhile.
        for _ in 0..2 {
            publish(server.port(), "t/other", "marker", &[]).await;
            let passed = subscriber.wait_for("the marker", |line| line.starts_with("t/")).await;
            assert_eq!(passed, "t/other|0|0|marker");
        }
        let is_relevant = |event: &Event| matches!(event, Event::Message(_)) || is_down(event);
        assert!(!std::iter::from_fn(|| device.seen.try_recv().ok()).any(|event| is_relevant(&event)));
        clear_faults(&fleet).await;
        subscriber.wait_for("the stalled message", |line| line == "t/out|0|0|stalled").await;
        let first = device.event("the stalled message or a disconnect", is_relevant).await;
        assert!(matches!(first, Event::Message(_)), "{first:?}");
        assert_eq!(fleet.totals().await.unwrap().connects, 1);
        finish(fleet).await;
    }
}

async fn data_written_before_a_disconnect_still_leaves_a_slow_link(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/#").await;
    let fleet = start(&server, options(), vec![state("device", Protocol::V5)]);
    subscriber.wait_for("online", |line| line == "t/device|0|0|online").await;
    set_fault(&fleet, json!({"kind": "throttle", "bytes_per_second": 2000})).await;
    let payload = "y".repeat(2_000);
    fleet.publish("device", message("t/last", &payload)).await.unwrap();
    fleet.power("device", wasmote_live::fleet::PowerCommand::Stop).await.unwrap();
    let last = format!("t/last|0|0|{payload}");
    subscriber.wait_for("the last message", |line| line == last).await;
    eventually("the clean disconnect", || async {
        let left = match &server {
            Server::Mosquitto(broker) | Server::Tls(broker) | Server::Wss(broker) => {
                broker.log().iter().any(|line| line.contains("Client device disconnected"))
            }
            Server::Embedded(broker) | Server::Local(broker) => {
                let report = broker.report().await.unwrap();
                report.stats.connected == 1 && report.counters.wills == 0
            }
        };
        left.then_some(())
    })
    .await;
    let received = subscriber.messages();
    assert!(!received.iter().any(|line| line.ends_with("|lost")), "a will was published: {received:?}");
    finish(fleet).await;
}
