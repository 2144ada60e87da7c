//! Queue limits: excess messages are refused and counted.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::context::Context;
use wasmote_sim::event::Event;
use wasmote_sim::limits::Limits;

use crate::support::device::{PROTOCOLS, check_ledgers, device, message, start};
use crate::support::mosquitto_clients::Subscriber;
use crate::support::server::{Kind, Server, at_port, options};
use crate::support::{eventually, on_all_brokers};

on_all_brokers!(a_flood_is_refused_in_part_and_counted, a_message_larger_than_default_buffers_crosses);

const FLOOD: u64 = 5_000;

async fn a_flood_is_refused_in_part_and_counted(kind: Kind) {
    let server = Server::start(kind).await;
    for protocol in PROTOCOLS {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
            let mut subscriber = Subscriber::start(server.port(), "t/#").await;
            let mut flooding = device("device", protocol, move |_| {
                move |event: Event, context: &mut Context| {
                    if let Event::Connection(_) = event {
                        for _ in 0..FLOOD {
                            context.publish(message("t/flood", "x").with_qos(qos)).unwrap();
                        }
                    }
                    Ok(())
                }
            });
            flooding.limits = Arc::new(Limits { publishes_per_second: 0, ..Limits::default() });
            let fleet = start(&server, options(), vec![flooding]);
            eventually("the flood", || async {
                (fleet.totals().await.unwrap().ledger.generated == FLOOD).then_some(())
            })
            .await;
            check_ledgers(&fleet).await;
            let ledger = fleet.shutdown(Duration::from_secs(20)).await.ledger;
            // At QoS 0 an in-process link holds the messages of one turn of a shard, and the kernel's buffers
            // hold this amount.
            let all_fit = qos == Qos::AtMostOnce;
            assert!((ledger.refused.queue_full > 0) != all_fit && ledger.sent > 0, "{ledger:#?}");
            let through = ledger.sent;
            assert_eq!(through + ledger.refused.queue_full, FLOOD);
            // All messages that count as sent arrived.
            for _ in 0..through {
                subscriber.wait_for("a message of the flood", |line| line.starts_with("t/flood")).await;
            }
            assert_eq!(subscriber.messages().len(), 0);
        }
    }
}

/// Messages that fit neither the socket nor its queue are refused and counted. Queued messages are lost when the
/// connection ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_a_stalled_broker_does_not_read_are_refused_and_counted() {
    const MESSAGES: u64 = 1_000;
    for protocol in PROTOCOLS {
        // A new listener each time, so that no earlier device reconnects to it.
        let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = broker.local_addr().unwrap().port();
        let mut flooding = device("device", protocol, move |_| {
            move |event: Event, context: &mut Context| {
                if let Event::Connection(_) = event
                    && context.connected()
                {
                    let payload = "x".repeat(64 << 10);
                    for _ in 0..MESSAGES {
                        context.publish(message("t/flood", &payload)).unwrap();
                    }
                }
                Ok(())
            }
        });
        flooding.limits = Arc::new(Limits { publishes_per_second: 0, ..Limits::default() });
        let fleet = start(at_port(port), options(), vec![flooding]);
        let (mut socket, _) = broker.accept().await.unwrap();
        let connack: &[u8] = if protocol == Protocol::V5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] };
        socket.write_all(connack).await.unwrap();
        let refused = eventually("the flood", || async {
            let ledger = fleet.totals().await.unwrap().ledger;
            (ledger.generated == MESSAGES).then_some(ledger.refused.queue_full)
        })
        .await;
        assert!(refused > 0 && refused < MESSAGES, "{refused}");
        check_ledgers(&fleet).await;
        // Queued messages are never written.
        drop(socket);
        let more = eventually("the end of the connection", || async {
            let ledger = fleet.totals().await.unwrap().ledger;
            (ledger.lost_offline > 0).then_some(ledger.lost_offline)
        })
        .await;
        assert!(more >= 100, "{more}");
        check_ledgers(&fleet).await;
        drop(fleet);
    }
}

async fn a_message_larger_than_default_buffers_crosses(kind: Kind) {
    let server = Server::start(kind).await;
    for protocol in PROTOCOLS {
        let mut device = crate::support::device::listener("device", protocol, &["t/large"]);
        let mut blueprint = device.blueprint.clone();
        blueprint.limits = Arc::new(Limits { payload_bytes: 8 << 20, ..Limits::default() });
        let fleet = start(&server, options(), vec![blueprint]);
        device.ready().await;
        // Mosquitto 2.0.11 sends no message of this size to a WebSocket client, whatever the client is.
        let large = "x".repeat(if kind == Kind::Wss { 100 << 10 } else { 2 << 20 });
        fleet.publish("device", message("t/large", &large).with_qos(Qos::AtLeastOnce)).await.unwrap();
        assert_eq!(device.message(&large).await.payload.len(), large.len());
        fleet.shutdown(Duration::from_secs(10)).await;
    }
}
