//! End of connections: last messages and wills.

use std::time::Duration;

use wasmote_live::fleet::{FleetError, PowerCommand};
use wasmote_mqtt::message::{Message, Qos, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::context::Context;
use wasmote_sim::device::Blueprint;
use wasmote_sim::event::Event;

use crate::support::device::{PROTOCOLS, check_ledgers, device, faults, message, start};
use crate::support::mosquitto_clients::Subscriber;
use crate::support::on_all_brokers;
use crate::support::server::{Kind, Server, options};

on_all_brokers!(
    a_crash_leaves_the_will_and_the_device_comes_back,
    a_stop_leaves_the_last_message_and_no_will,
    a_shutdown_flushes_all_last_messages,
    a_disconnect_fault_leaves_the_will,
);

fn state(name: &str, payload: &str) -> Message {
    message(&format!("t/{name}/state"), payload).with_retain(true).with_qos(Qos::AtLeastOnce)
}

/// Device that publishes `online` when it connects and `offline` when it is stopped, with the will `lost`.
fn stateful(name: &str, protocol: Protocol, last: Qos) -> Blueprint {
    device(name, protocol, move |identity| {
        let name = identity.id.to_string();
        move |event: Event, context: &mut Context| {
            match event {
                Event::Started(_) => {
                    let will = Will { message: state(&name, "lost"), delay: 0 };
                    context.set_will(Some(will)).unwrap();
                }
                Event::Connection(_) if context.connected() => {
                    context.publish(state(&name, "online")).unwrap();
                }
                Event::Stopping(_) => {
                    context.publish(state(&name, "offline").with_qos(last)).unwrap();
                }
                _ => {}
            }
            Ok(())
        }
    })
}

async fn a_crash_leaves_the_will_and_the_device_comes_back(kind: Kind) {
    let server = Server::start(kind).await;
    for protocol in PROTOCOLS {
        let name = format!("{protocol:?}");
        let mut subscriber = Subscriber::start(server.port(), &format!("t/{name}/state")).await;
        let fleet = start(&server, options(), vec![stateful(&name, protocol, Qos::AtMostOnce)]);
        subscriber.wait_for("online", |line| line.ends_with("|online")).await;
        assert!(fleet.is_ready());
        fleet.power(&name, PowerCommand::Crash).await.unwrap();
        subscriber.wait_for("the will", |line| line.ends_with("|lost")).await;
        subscriber.wait_for("the next start", |line| line.ends_with("|online")).await;
        assert_eq!(fleet.totals().await.unwrap().connects, 2);
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(10)).await;
    }
}

async fn a_stop_leaves_the_last_message_and_no_will(kind: Kind) {
    let server = Server::start(kind).await;
    for protocol in PROTOCOLS {
        for last in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let name = format!("{protocol:?}-{}", u8::from(last));
            let mut subscriber = Subscriber::start(server.port(), &format!("t/{name}/state")).await;
            let fleet = start(&server, options(), vec![stateful(&name, protocol, last)]);
            subscriber.wait_for("online", |line| line.ends_with("|online")).await;
            fleet.power(&name, PowerCommand::Stop).await.unwrap();
            let refused = fleet.publish(&name, message("t/x", "x")).await;
            assert_eq!(refused, Err(FleetError::NotRunning(name.clone())));
            subscriber.wait_for("offline", |line| line.ends_with("|offline")).await;
            fleet.power(&name, PowerCommand::Start).await.unwrap();
            // No will was published in between.
            let next = subscriber.wait_for("anything", |_| true).await;
            assert!(next.ends_with("|online"), "{next}");
            fleet.shutdown(Duration::from_secs(10)).await;
        }
    }
}

async fn a_shutdown_flushes_all_last_messages(kind: Kind) {
    const DEVICES: usize = 50;
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/+/state").await;
    let devices = (0..DEVICES).map(|number| {
        let protocol = PROTOCOLS[number % 2];
        stateful(&format!("d-{number}"), protocol, [Qos::AtMostOnce, Qos::AtLeastOnce][number / 2 % 2])
    });
    let fleet = start(&server, options(), devices.collect());
    for _ in 0..DEVICES {
        subscriber.wait_for("online", |line| line.ends_with("|online")).await;
    }
    let totals = fleet.shutdown(Duration::from_secs(20)).await;
    assert_eq!((totals.devices.running, totals.ledger.sent), (0, 2 * DEVICES as u64));
    // A later subscriber receives every device's last retained message.
    let mut later = Subscriber::start(server.port(), "t/+/state").await;
    let mut retained = Vec::new();
    for _ in 0..DEVICES {
        retained.push(later.wait_for("a retained state", |_| true).await);
    }
    assert!(retained.iter().all(|line| line.ends_with("|offline")), "{retained:#?}");
    assert_eq!(fleet.publish("d-0", message("t/x", "x")).await, Err(FleetError::Closed));
    assert_eq!(fleet.shutdown(Duration::from_secs(1)).await.ledger, totals.ledger);
}

async fn a_disconnect_fault_leaves_the_will(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/+/state").await;
    let fleet = start(&server, options(), vec![stateful("d", Protocol::V5, Qos::AtMostOnce)]);
    subscriber.wait_for("online", |line| line.ends_with("|online")).await;
    let broken = faults(serde_json::json!({"fault": [
        {"kind": "disconnect", "probability": 1.0, "every": "3s", "for": "1s"}
    ]}));
    fleet.set_faults(&[0], broken).await.unwrap();
    subscriber.wait_for("the will", |line| line.ends_with("|lost")).await;
    fleet.set_faults(&[0], faults(serde_json::json!({"fault": []}))).await.unwrap();
    subscriber.wait_for("online again", |line| line.ends_with("|online")).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}
