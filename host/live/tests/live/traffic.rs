//! Messages between devices, and between devices and other clients.

use std::time::Duration;

use wasmote_mqtt::message::Qos;
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::context::Context;
use wasmote_sim::event::Event;

use crate::support::device::{LEVELS, PROTOCOLS, check_ledgers, device, listener, message, start};
use crate::support::mosquitto_clients::{Subscriber, publish};
use crate::support::server::{Kind, Server, options};
use crate::support::{eventually, on_all_brokers};

on_all_brokers!(
    every_level_crosses_in_both_protocols,
    retained_messages_arrive_with_the_retain_flag,
    latency_is_known_for_what_devices_publish,
    a_publish_after_a_subscribe_is_received,
);

async fn every_level_crosses_in_both_protocols(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/from/#").await;
    for protocol in PROTOCOLS {
        let name = format!("{protocol:?}");
        let mut receiver = listener(&format!("receiver-{name}"), protocol, &["t/from/#", "t/to"]);
        let mut sender = listener(&format!("sender-{name}"), protocol, &[]);
        let devices = vec![receiver.blueprint.clone(), sender.blueprint.clone()];
        let fleet = start(&server, options(), devices);
        sender.ready().await;
        receiver.ready().await;
        for qos in LEVELS {
            let level = u8::from(qos);
            // To the external subscriber and to the other device.
            let payload = format!("{name} at {level}");
            let sent = message("t/from/sender", &payload).with_qos(qos);
            fleet.publish(&format!("sender-{name}"), sent).await.unwrap();
            let expected = format!("t/from/sender|{level}|0|{payload}");
            subscriber.wait_for(&expected, |line| line == expected).await;
            assert_eq!(receiver.message(&payload).await.qos, qos);
            // From an external publisher.
            let payload = format!("to {name} at {level}");
            publish(server.port(), "t/to", &payload, &["-q", &level.to_string()]).await;
            assert_eq!(receiver.message(&payload).await.qos, qos);
        }
        check_ledgers(&fleet).await;
        let totals = fleet.shutdown(Duration::from_secs(10)).await;
        // Three messages, and the probe of each device.
        assert_eq!((totals.ledger.generated, totals.ledger.sent), (5, 5));
        // Three from the other device, three from the external publisher, and the probes.
        assert_eq!((totals.ledger.arrived, totals.ledger.received), (8, 8));
    }
}

async fn retained_messages_arrive_with_the_retain_flag(kind: Kind) {
    let server = Server::start(kind).await;
    publish(server.port(), "t/retained", "from outside", &["-r", "-q", "1"]).await;
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &["t/retained"]);
        let fleet = start(&server, options(), vec![device.blueprint.clone()]);
        let retained = device.message("from outside").await;
        assert!(retained.retain);
        device.ready().await;
        // A retained message that arrives during the subscription has no retain flag.
        fleet.publish("device", message("t/retained", "fresh").with_retain(true)).await.unwrap();
        assert!(!device.message("fresh").await.retain);
        let mut later = Subscriber::start(server.port(), "t/retained").await;
        later.wait_for("the retained message", |line| line == "t/retained|0|1|fresh").await;
        fleet.shutdown(Duration::from_secs(10)).await;
        publish(server.port(), "t/retained", "from outside", &["-r", "-q", "1"]).await;
    }
}

async fn latency_is_known_for_what_devices_publish(kind: Kind) {
    let server = Server::start(kind).await;
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &["t/echo"]);
        let fleet = start(&server, options(), vec![device.blueprint.clone()]);
        device.ready().await;
        // Latency is measured for any payload on MQTT 5, and for payloads with `device` and `ts` on 3.1.1.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let payload = format!(r#"{{"device": "device", "ts": {:.6}}}"#, now.as_secs_f64());
        fleet.publish("device", message("t/echo", &payload).with_qos(Qos::AtLeastOnce)).await.unwrap();
        let arrived = device.message(&payload).await;
        assert_eq!(arrived.origin.unwrap().from.as_str(), "device");
        let samples = eventually("a latency", || async {
            let samples = fleet.totals().await.unwrap().latency_samples;
            (!samples.is_empty()).then_some(samples)
        });
        let latest = *samples.await.last().unwrap();
        assert!(latest < Duration::from_secs(30), "{latest:?}");
        fleet.shutdown(Duration::from_secs(10)).await;
    }
}

/// Subscriptions and messages are sent in the order of the behaviour's calls.
async fn a_publish_after_a_subscribe_is_received(kind: Kind) {
    const DEVICES: usize = 40;
    let server = Server::start(kind).await;
    let devices = (0..DEVICES).map(|number| {
        device(&format!("d-{number}"), PROTOCOLS[number % 2], |identity| {
            let topic = format!("t/{}", identity.id);
            move |event: Event, context: &mut Context| {
                if let Event::Connection(_) = event {
                    context.subscribe(TopicFilter::new(topic.as_str()).unwrap(), Qos::AtLeastOnce).unwrap();
                    context.publish(message(&topic, "to itself")).unwrap();
                }
                Ok(())
            }
        })
    });
    let fleet = start(&server, options(), devices.collect());
    eventually("every device to receive its own message", || async {
        (fleet.totals().await.unwrap().ledger.received == DEVICES as u64).then_some(())
    })
    .await;
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}
