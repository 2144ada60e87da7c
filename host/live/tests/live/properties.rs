//! MQTT 5 properties, out and in.

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

fn telling(payload: &str) -> Message {
    let mut telling = message("t/told", payload);
    telling.properties = Some(Box::new(properties()));
    telling
}

async fn all_properties_round_trip_through_the_broker(kind: Kind) {
    let server = Server::start(kind).await;
    let mut device = listener("device", Protocol::V5, &["t/told"]);
    let fleet = start(&server, options(), vec![device.blueprint.clone()]);
    device.ready().await;
    fleet.publish("device", telling("all of it")).await.unwrap();
    let heard = device.message("all of it").await;
    // The stamp is not among them.
    assert_eq!(heard.properties.as_deref(), Some(&properties()));
    assert_eq!(
        heard.origin.map(|origin| (origin.from.to_string(), origin.sequence)),
        Some(("device".into(), 2))
    );
    let mut brief = telling("for an hour");
    brief.properties.as_mut().unwrap().message_expiry = Some(3_600);
    fleet.publish("device", brief).await.unwrap();
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
    fleet.publish("device", telling("x")).await.unwrap();
    let heard = subscriber.wait_for("the message", |line| line.starts_with("t/told")).await;
    let expected = "t/told|text/plain|t/answers|c-7|unit:K unit:again wasmote-stamp:device/2/";
    assert!(heard.starts_with(expected), "{heard}");
    fleet.shutdown(Duration::from_secs(10)).await;
}

async fn a_device_receives_properties_of_mosquitto_clients(kind: Kind) {
    let server = Server::start(kind).await;
    let mut device = listener("device", Protocol::V5, &["t/told"]);
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
    publish(server.port(), "t/told", "x", &more).await;
    let heard = device.message("x").await;
    assert_eq!(heard.properties.as_deref(), Some(&properties()));
    assert_eq!(heard.origin, None);
    fleet.shutdown(Duration::from_secs(10)).await;
}

async fn a_will_carries_its_properties(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::with_format(server.port(), "t/#", "%t|%p|%C|%P").await;
    let mut up = listener("other", Protocol::V5, &[]);
    let doomed = device("doomed", Protocol::V5, |_| {
        |event: Event, context: &mut Context| {
            if let Event::Started(_) = event {
                let will = Will { message: telling("gone"), delay: 1 };
                context.set_will(Some(will)).unwrap();
            }
            if let Event::Connection(_) = event {
                context.publish(message("t/up", "up")).unwrap();
            }
            Ok(())
        }
    });
    // A will waits for its delay only if the session lasts so long [MQTT-3.1.3-9].
    let connection = ConnectionOptions { session_expiry: Duration::from_secs(60), ..options() };
    let fleet = start(&server, connection, vec![up.blueprint.clone(), doomed]);
    up.ready().await;
    subscriber.wait_for("the device", |line| line.starts_with("t/up")).await;
    fleet.power("doomed", PowerCommand::Crash).await.unwrap();
    let heard = subscriber.wait_for("the will", |line| line.starts_with("t/told")).await;
    assert_eq!(heard, "t/told|gone|text/plain|unit:K unit:again");
    fleet.shutdown(Duration::from_secs(10)).await;
}
