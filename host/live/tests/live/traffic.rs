//! Messages between devices, and between devices and others.

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
        let mut there = listener(&format!("there-{name}"), protocol, &["t/from/#", "t/to"]);
        let mut here = listener(&format!("here-{name}"), protocol, &[]);
        let devices = vec![there.blueprint.clone(), here.blueprint.clone()];
        let fleet = start(&server, options(), devices);
        here.ready().await;
        there.ready().await;
        for qos in LEVELS {
            let level = u8::from(qos);
            // Out, and across to the other device...
            let payload = format!("{name} at {level}");
            let sent = message("t/from/here", &payload).with_qos(qos);
            fleet.publish(&format!("here-{name}"), sent).await.unwrap();
            let expected = format!("t/from/here|{level}|0|{payload}");
            subscriber.wait_for(&expected, |line| line == expected).await;
            assert_eq!(there.message(&payload).await.qos, qos);
            // ... and in.
            let payload = format!("to {name} at {level}");
            publish(server.port(), "t/to", &payload, &["-q", &level.to_string()]).await;
            assert_eq!(there.message(&payload).await.qos, qos);
        }
        check_ledgers(&fleet).await;
        let totals = fleet.shutdown(Duration::from_secs(10)).await;
        // Three messages and the probe of each device.
        assert_eq!((totals.ledger.generated, totals.ledger.sent), (5, 5));
        // Three from the other, three from outside, and the probes.
        assert_eq!((totals.ledger.arrived, totals.ledger.received), (8, 8));
    }
}

async fn retained_messages_arrive_with_the_retain_flag(kind: Kind) {
    let server = Server::start(kind).await;
    publish(server.port(), "t/kept", "from outside", &["-r", "-q", "1"]).await;
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &["t/kept"]);
        let fleet = start(&server, options(), vec![device.blueprint.clone()]);
        let kept = device.message("from outside").await;
        assert!(kept.retain);
        device.ready().await;
        // The same topic while it is subscribed: kept for others, but this one is fresh.
        fleet.publish("device", message("t/kept", "fresh").with_retain(true)).await.unwrap();
        assert!(!device.message("fresh").await.retain);
        let mut later = Subscriber::start(server.port(), "t/kept").await;
        later.wait_for("the kept message", |line| line == "t/kept|0|1|fresh").await;
        fleet.shutdown(Duration::from_secs(10)).await;
        publish(server.port(), "t/kept", "from outside", &["-r", "-q", "1"]).await;
    }
}

async fn latency_is_known_for_what_devices_publish(kind: Kind) {
    let server = Server::start(kind).await;
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &["t/echo"]);
        let fleet = start(&server, options(), vec![device.blueprint.clone()]);
        device.ready().await;
        // MQTT 5 measures any payload, 3.1.1 what tells its time.
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

/// Subscriptions and messages leave in the order in which the behaviour asked for them.
async fn a_publish_after_a_subscribe_is_received(kind: Kind) {
    const DEVICES: usize = 40;
    let server = Server::start(kind).await;
    let devices = (0..DEVICES).map(|number| {
        device(&format!("d-{number}"), PROTOCOLS[number % 2], |identity| {
            let topic = format!("t/{}", identity.id);
            move |event: Event, context: &mut Context| {
                if let Event::Connection(_) = event {
                    context.subscribe(TopicFilter::new(topic.as_str()).unwrap(), Qos::AtLeastOnce).unwrap();
                    context.publish(message(&topic, "to myself")).unwrap();
                }
                Ok(())
            }
        })
    });
    let fleet = start(&server, options(), devices.collect());
    eventually("every device to hear itself", || async {
        (fleet.totals().await.unwrap().ledger.received == DEVICES as u64).then_some(())
    })
    .await;
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}
