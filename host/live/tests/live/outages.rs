//! Silence faults and broker restarts.

use std::time::Duration;

use wasmote_mqtt::message::{Qos, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::context::Context;
use wasmote_sim::device::ConnectionState;
use wasmote_sim::event::Event;

use crate::support::device::{
    PROTOCOLS, check_ledgers, device, faults, is_down, is_up, listener, message, start,
};
use crate::support::mosquitto_clients::{Subscriber, publish};
use crate::support::server::{Kind, Server, long_keepalive, options};
use crate::support::{eventually, on_all_brokers};

on_all_brokers!(
    a_long_silence_ends_the_session,
    a_short_silence_goes_unnoticed;
    sockets_only:
    a_fleet_comes_back_with_its_broker_and_subscribes_again,
);

async fn a_long_silence_ends_the_session(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/#").await;
    let mut fleets = Vec::new();
    for protocol in PROTOCOLS {
        let name = format!("{protocol:?}");
        let silent = device(&name, protocol, |identity| {
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
        });
        let fleet = start(&server, options(), vec![silent]);
        let online = format!("t/{name}|0|0|online");
        subscriber.wait_for("online", |line| line == online).await;
        // Longer than one and a half times the keepalive of 5 s.
        let silence = serde_json::json!({"fault": [
            {"kind": "silence", "probability": 1.0, "every": "1s", "for": "600s"}
        ]});
        fleet.set_faults(&[0], faults(silence)).await.unwrap();
        eventually("the silence", || async {
            (fleet.totals().await.unwrap().devices.silent == 1).then_some(())
        })
        .await;
        fleets.push((name, fleet));
    }
    for (name, fleet) in &fleets {
        let lost = format!("t/{name}|0|0|lost");
        subscriber.wait_for("the will", |line| line == lost).await;
        // The device has not noticed yet; it detects the loss when the silence ends.
        let status = fleet.status(name).await.unwrap();
        assert_eq!((status.link, status.active_faults.len()), (ConnectionState::Up, 1));
    }
    for (_, fleet) in &fleets {
        fleet.set_faults(&[0], faults(serde_json::json!({"fault": []}))).await.unwrap();
    }
    for (name, _) in &fleets {
        let online = format!("t/{name}|0|0|online");
        subscriber.wait_for("the device after its reconnect", |line| line == online).await;
    }
    if kind.logs_timeouts() {
        for (name, _) in &fleets {
            let timeout = format!("Client {name} has exceeded timeout");
            eventually("the log", || async {
                server.log().iter().any(|line| line.contains(&timeout)).then_some(())
            })
            .await;
        }
    }
    for (_, fleet) in &fleets {
        assert_eq!(fleet.totals().await.unwrap().connects, 2);
        check_ledgers(fleet).await;
        fleet.shutdown(Duration::from_secs(10)).await;
    }
}

async fn a_short_silence_goes_unnoticed(kind: Kind) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/#").await;
    for protocol in PROTOCOLS {
        let name = format!("{protocol:?}");
        let mut device = listener(&name, protocol, &["t/in"]);
        let fleet = start(&server, long_keepalive(), vec![device.blueprint.clone()]);
        device.ready().await;
        let silence = serde_json::json!({"fault": [
            {"kind": "silence", "probability": 1.0, "every": "1s", "for": "60s"}
        ]});
        fleet.set_faults(&[0], faults(silence)).await.unwrap();
        eventually("the silence", || async {
            (fleet.totals().await.unwrap().devices.silent == 1).then_some(())
        })
        .await;
        publish(server.port(), "t/in", "during the silence", &[]).await;
        fleet.publish(&name, message("t/out", &name).with_qos(Qos::AtLeastOnce)).await.unwrap();
        let waiting = fleet.status(&name).await.unwrap().totals.waiting;
        assert_eq!(waiting, (1, 0), "the message waits for the end of the silence");
        fleet.set_faults(&[0], faults(serde_json::json!({"fault": []}))).await.unwrap();
        device.message("during the silence").await;
        subscriber.wait_for("the queued message", |line| line == format!("t/out|1|0|{name}")).await;
        assert_eq!(fleet.status(&name).await.unwrap().link, ConnectionState::Up);
        assert_eq!(fleet.totals().await.unwrap().connects, 1);
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(10)).await;
    }
}

async fn a_fleet_comes_back_with_its_broker_and_subscribes_again(kind: Kind) {
    let server = Server::start(kind).await;
    let (port, device_port) = (server.port(), server.device_port());
    let mut old = listener("old", Protocol::V4, &["t/in"]);
    let mut new = listener("new", Protocol::V5, &["t/in"]);
    let fleet = start(&server, options(), vec![old.blueprint.clone(), new.blueprint.clone()]);
    for device in [&mut old, &mut new] {
        device.ready().await;
    }
    server.stop().await;
    for device in [&mut old, &mut new] {
        device.event("the end of the connection", is_down).await;
    }
    let why = eventually("a failed attempt", || async {
        match fleet.status("new").await.unwrap().link {
            ConnectionState::Down(why) if why.contains("refused") => Some(why),
            _ => None,
        }
    });
    assert_eq!(
        why.await,
        format!("no connection with 127.0.0.1:{device_port}: Connection refused (os error 111)")
    );
    let server = Server::at(kind, port).await;
    for device in [&mut old, &mut new] {
        device.event("the next connection", is_up).await;
        device.ready().await;
    }
    publish(server.port(), "t/in", "after the restart", &[]).await;
    for device in [&mut old, &mut new] {
        device.message("after the restart").await;
    }
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}
