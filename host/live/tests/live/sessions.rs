//! Sessions that outlive their connections.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wasmote_live::broker_state::CleanUp;
use wasmote_live::config::ConnectionOptions;
use wasmote_live::fleet::PowerCommand;
use wasmote_live::host_client::{HostClient, HostConnection, HostMessage};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::Topic;
use wasmote_sim::device::ConnectionState;
use wasmote_sim::event::{ConnectionChange, Event};

use crate::support::device::{Listener, PROTOCOLS, check_ledgers, faults, is_up, listener, message, start};
use crate::support::mosquitto::{Mosquitto, free_port};
use crate::support::mosquitto_clients::{Subscriber, publish};
use crate::support::server::{Kind, Server, at_port, options};
use crate::support::{eventually, on_all_brokers};

on_all_brokers!(messages_are_queued_for_a_disconnected_device, a_new_run_ignores_old_sessions);

fn long_session() -> ConnectionOptions {
    ConnectionOptions { session_expiry: Duration::from_secs(300), ..options() }
}

async fn messages_are_queued_for_a_disconnected_device(kind: Kind) {
    let server = Server::start(kind).await;
    for protocol in PROTOCOLS {
        let name = format!("offline-{protocol:?}");
        let mut device = listener(&name, protocol, &["t/in"]);
        let fleet = start(&server, long_session(), vec![device.blueprint.clone()]);
        device.ready().await;
        let broken = faults(serde_json::json!({"fault": [
            {"kind": "disconnect", "probability": 1.0, "every": "1s", "for": "4s"}
        ]}));
        fleet.set_faults(&[0], broken).await.unwrap();
        device.event("the break", crate::support::device::is_down).await;
        publish(server.port(), "t/in", "sent while offline", &["-q", "1"]).await;
        // The device's own messages are queued too.
        fleet
            .publish(
                &name,
                message("t/in", "queued by the device").with_qos(wasmote_mqtt::message::Qos::AtLeastOnce),
            )
            .await
            .unwrap();
        fleet.set_faults(&[0], faults(serde_json::json!({"fault": []}))).await.unwrap();
        let up = device.event("the connection", is_up).await;
        assert_eq!(up, Event::Connection(ConnectionChange::Up { session_present: true }));
        device.message("sent while offline").await;
        device.message("queued by the device").await;
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(10)).await;
    }
}

async fn a_new_run_ignores_old_sessions(kind: Kind) {
    let server = Server::start(kind).await;
    for protocol in PROTOCOLS {
        for _ in 0..2 {
            let mut device = listener("again", protocol, &["t/in"]);
            let fleet = start(&server, long_session(), vec![device.blueprint.clone()]);
            device.ready().await;
            publish(server.port(), "t/in", "hello", &[]).await;
            device.message("hello").await;
            fleet.shutdown(Duration::from_secs(10)).await;
        }
    }
}

/// Options of a run that leaves nothing at the broker, with lasting sessions.
fn tidy() -> ConnectionOptions {
    ConnectionOptions { clean_up: CleanUp::Below("t".into()), ..long_session() }
}

/// Device that subscribes to `t/in` at QoS 1 and publishes a retained state below and outside the topic root.
fn stateful(protocol: Protocol) -> Listener {
    listener("stateful", protocol, &["t/in"])
}

/// Retained messages that a new subscriber gets, before a marker that it publishes itself.
async fn retained(server: &Mosquitto, marker: &str) -> Vec<String> {
    let mut subscriber = Subscriber::start(server.port, "#").await;
    publish(server.port, "t/marker", marker, &["-q", "1"]).await;
    let end = format!("t/marker|1|0|{marker}");
    let mut found = Vec::new();
    loop {
        let line = subscriber.wait_for("a message", |_| true).await;
        if line == end {
            return found;
        }
        found.extend((line.split('|').nth(2) == Some("1")).then_some(line));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_neither_inherits_nor_leaves_state_at_the_broker() {
    let server = Mosquitto::with(free_port(), "allow_anonymous true", &[]);
    for protocol in PROTOCOLS {
        // An earlier run that keeps its state, and messages for its session.
        let mut earlier = stateful(protocol);
        let fleet = start(at_port(server.port), long_session(), vec![earlier.blueprint.clone()]);
        earlier.ready().await;
        fleet.shutdown(Duration::from_secs(10)).await;
        publish(server.port, "t/in", "from an earlier run", &["-q", "1"]).await;

        // The next run gets none of them, and its own session receives while the device is away.
        let mut device = stateful(protocol);
        let fleet = start(at_port(server.port), tidy(), vec![device.blueprint.clone()]);
        device.ready().await;
        publish(server.port, "t/in", "from this run", &["-q", "1"]).await;
        let is_in =
            |event: &Event| matches!(event, Event::Message(message) if message.topic.as_str() == "t/in");
        let first = device.event("a message", is_in).await;
        let Event::Message(first) = first else { panic!("{first:?}") };
        assert_eq!(first.payload, "from this run".as_bytes(), "{protocol:?}");
        fleet.publish("stateful", message("t/state", "on").with_retain(true)).await.unwrap();
        fleet.publish("stateful", message("else/state", "on").with_retain(true)).await.unwrap();
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(10)).await;
        let left = retained(&server, &format!("{protocol:?}")).await;
        assert!(!left.iter().any(|line| line.starts_with("t/state")), "{left:?}");
        assert!(left.iter().any(|line| line.starts_with("else/state")), "{left:?}");

        assert!(!has_session(&server, protocol, "stateful").await, "{protocol:?}");
    }
}

/// Whether the broker has a session of this client.
async fn has_session(server: &Mosquitto, protocol: Protocol, client: &str) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let (level, properties): (u8, &[u8]) = match protocol {
        Protocol::V4 => (4, &[]),
        Protocol::V5 => (5, &[0]),
    };
    let name = [&[0, u8::try_from(client.len()).unwrap()], client.as_bytes()].concat();
    // Without a clean start.
    let body = [&b"\x00\x04MQTT"[..], &[level, 0, 0, 60], properties, &name].concat();
    stream.write_all(&[&[0x10, u8::try_from(body.len()).unwrap()][..], &body].concat()).await.unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).await.unwrap();
    assert_eq!((connack[0], connack[3]), (0x20, 0));
    connack[2] == 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_down_at_the_end_leaves_no_session() {
    let server = Mosquitto::with(free_port(), "allow_anonymous true", &[]);
    for protocol in PROTOCOLS {
        for (clean_up, is_left) in [(CleanUp::All, false), (CleanUp::Off, true)] {
            let name = format!("down-{protocol:?}-{is_left}");
            let mut device = listener(&name, protocol, &["t/in"]);
            let options = ConnectionOptions { clean_up, ..long_session() };
            let fleet = start(at_port(server.port), options, vec![device.blueprint.clone()]);
            device.ready().await;
            fleet.power(&name, PowerCommand::Crash).await.unwrap();
            eventually("the device is down", || async {
                matches!(fleet.status(&name).await.unwrap().link, ConnectionState::Down(_)).then_some(())
            })
            .await;
            fleet.shutdown(Duration::from_secs(10)).await;
            assert_eq!(has_session(&server, protocol, &name).await, is_left, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_retained_messages_of_all_shards_are_cleared_as_far_as_the_user_wants() {
    let server = Mosquitto::with(free_port(), "allow_anonymous true", &[]);
    for protocol in PROTOCOLS {
        for (clean_up, below, outside) in
            [(CleanUp::Below("t".into()), 0, 5), (CleanUp::Off, 5, 5), (CleanUp::All, 0, 0)]
        {
            let mut devices: Vec<Listener> =
                (0..5).map(|number| listener(&format!("device-{number}"), protocol, &[])).collect();
            let blueprints = devices.iter().map(|device| device.blueprint.clone()).collect();
            let options = ConnectionOptions { clean_up: clean_up.clone(), ..options() };
            let fleet = start(at_port(server.port), options, blueprints);
            for (number, device) in devices.iter_mut().enumerate() {
                device.ready().await;
                let id = format!("device-{number}");
                for root in ["t", "else"] {
                    let state = message(&format!("{root}/{id}/state"), "on").with_retain(true);
                    fleet.publish(&id, state).await.unwrap();
                }
            }
            check_ledgers(&fleet).await;
            fleet.shutdown(Duration::from_secs(10)).await;
            let left = retained(&server, &format!("{protocol:?} {clean_up:?}")).await;
            let count = |root: &str| left.iter().filter(|line| line.starts_with(root)).count();
            assert_eq!((count("t/"), count("else/")), (below, outside), "{clean_up:?}: {left:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_retained_messages_of_the_host_are_cleared() {
    let server = Mosquitto::with(free_port(), "allow_anonymous true", &[]);
    for protocol in PROTOCOLS {
        let broker = at_port(server.port);
        let connection = HostConnection { broker, options: tidy(), protocol, client_id: "host".into() };
        let mut host = HostClient::start(connection).unwrap();
        host.connected(Duration::from_secs(10)).await.unwrap();
        for topic in ["t/host", "else/host"] {
            let topic = Topic::new(topic).unwrap();
            let state = HostMessage { topic, payload: "on".into(), qos: Qos::AtLeastOnce, retain: true };
            host.publish(state).unwrap();
        }
        assert_eq!(host.close(Duration::from_secs(10)).await, 0);
        let mut left = retained(&server, &format!("{protocol:?}")).await;
        left.retain(|line| line.contains("/host|"));
        assert_eq!(left, ["else/host|1|1|on"], "{protocol:?}");
    }
}
