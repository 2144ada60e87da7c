//! Sessions that outlive their connections.

use std::time::Duration;

use wasmote_live::config::ConnectionOptions;
use wasmote_sim::event::{ConnectionChange, Event};

use crate::support::device::{PROTOCOLS, check_ledgers, faults, is_up, listener, message, start};
use crate::support::mosquitto_clients::publish;
use crate::support::on_all_brokers;
use crate::support::server::{Kind, Server, options};

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
