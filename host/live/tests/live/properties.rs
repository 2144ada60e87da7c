//! MQTT 5 properties of outgoing and incoming messages.

use std::time::Duration;

use bytes::Bytes;
use wasmote_live::config::ConnectionOptions;
use wasmote_live::fleet::PowerCommand;
use wasmote_mqtt::message::{Message, Properties, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::Topic;
use wasmote_sim::context::Context;
use wasmote_sim::event::Event;

use crate::support::device::{device, listener, message, start};
use crate::support::mosquitto_clients::{Subscriber, publish};
use crate::support::on_all_brokers;
use crate::support::server::{Kind, Server, options};

on_all_brokers!(
    all_properties_round_trip_through_the_broker,
    mosquitto_clients_receive_properties_and_origin,
    a_device_receives_properties_of_mosquitto_clients,
    a_will_carries_its_properties,
);

fn properties() -> Properties {
    Properties {
        is_text: true,
        content_type: Some("text/plain".into()),
        response_topic: Some(Topic::new("t/answers").unwrap()),
        correlation_data: Some(Bytes::from_static(b"c-7")),
        message_expiry: None,
        user: vec![("unit".into(), "K".into()), ("unit".into(), "again".into())],
    }
}

fn with_properties(payload: &str) -> Message {
    let mut message = message("t/in", payload);
    message.properties = Some(Box::new(properties()));
    message
}

async fn all_properties_round_trip_through_the_broker(kind: Kind) {
    let server = Server::start(kind).await;
    let mut device = listener("device", Protocol::V5, &["t/in"]);
    let fleet = start(&server, options(), vec![device.blueprint.clone()]);
    device.ready().await;
    fleet.publish("device", with_properties("all properties")).await.unwrap();
    let received = device.message("all properties").await;
    // The origin is not among the user properties.
    assert_eq!(received.properties.as_deref(), Some(&properties()));
    assert_eq!(
        received.origin.map(|origin| (origin.from.to_string(), origin.sequence)),
        Some(("device".into(), 2))
    );
    let mut expiring = with_properties("for an hour");
    expiring.properties.as_mut().unwrap().message_expiry = Some(3_600);
    fleet.publish("device", expiring).await.unwrap();
    let left = device.message("for an hour").await.properties.unwrap().message_expiry.unwrap();
    assert!((3_590..=3_600).contains(&left), "{left}");
    fleet.shutdown(Duration::from_secs(10)).await;
}

async fn mosquitto_clients_receive_properties_and_origin(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::with_format(server.port(), "t/#", "%t|%C|%R|%D|%P").await;
    let mut device = listener("device", Protocol::V5, &[]);
    let fleet = start(&server, options(), vec![device.blueprint.clone()]);
    device.ready().await;
    fleet.publish("device", with_properties("x")).await.unwrap();
    let received = subscriber.wait_for("the message", |line| line.starts_with("t/in")).await;
    let expected = "t/in|text/plain|t/answers|c-7|unit:K unit:again wasmote-stamp:device/2/";
    assert!(received.starts_with(expected), "{received}");
    fleet.shutdown(Duration::from_secs(10)).await;
}

async fn a_device_receives_properties_of_mosquitto_clients(kind: Kind) {
    let server = Server::start(kind).await;
    let mut device = listener("device", Protocol::V5, &["t/in"]);
    let fleet = start(&server, options(), vec![device.blueprint.clone()]);
    device.ready().await;
    let set = |name: &'static str, value: &'static str| ["-D", "publish", name, value];
    let mut more = vec!["-V", "5"];
    more.extend(set("payload-format-indicator", "1"));
    more.extend(set("content-type", "text/plain"));
    more.extend(set("response-topic", "t/answers"));
    more.extend(set("correlation-data", "c-7"));
    more.extend(["-D", "publish", "user-property", "unit", "K"]);
    more.extend(["-D", "publish", "user-property", "unit", "again"]);
    more.extend(["-D", "publish", "user-property", "wasmote-stamp", "forged"]);
    publish(server.port(), "t/in", "x", &more).await;
    let received = device.message("x").await;
    assert_eq!(received.properties.as_deref(), Some(&properties()));
    assert_eq!(received.origin, None);
    fleet.shutdown(Duration::from_secs(10)).await;
}

async fn a_will_carries_its_properties(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::with_format(server.port(), "t/#", "%t|%p|%C|%P").await;
    let mut up = listener("other", Protocol::V5, &[]);
    let crashing = device("crashing", Protocol::V5, |_| {
        |event: Event, context: &mut Context| {
            if let Event::Started(_) = event {
                let will = Will { message: with_properties("gone"), delay: 1 };
                context.set_will(Some(will)).unwrap();
            }
            if let Event::Connection(_) = event {
                context.publish(message("t/up", "up")).unwrap();
            }
            Ok(())
        }
    });
    // The delay of a will is limited by the session expiry [MQTT-3.1.3-9].
    let connection = ConnectionOptions { session_expiry: Duration::from_secs(60), ..options() };
    let fleet = start(&server, connection, vec![up.blueprint.clone(), crashing]);
    up.ready().await;
    subscriber.wait_for("the device", |line| line.starts_with("t/up")).await;
    fleet.power("crashing", PowerCommand::Crash).await.unwrap();
    let received = subscriber.wait_for("the will", |line| line.starts_with("t/in")).await;
    assert_eq!(received, "t/in|gone|text/plain|unit:K unit:again");
    fleet.shutdown(Duration::from_secs(10)).await;
}
