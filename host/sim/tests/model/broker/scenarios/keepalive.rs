//! Keepalive timeouts [MQTT-3.1.2.10].

use wasmote_mqtt::broker::packet::Connect;
use wasmote_mqtt::message::Will;

use crate::broker::clients::{ScenarioClients, message};

scenarios! {
    a_silent_client_is_disconnected_and_its_will_published,
    pings_keep_a_connection,
    messages_keep_a_connection,
    without_a_keepalive_silence_is_allowed,
}

fn device(keep_alive: u16) -> Connect {
    let will = Will { message: message("state", "offline", 0), delay: 0 };
    Connect { keep_alive, will: Some(will), ..Connect::new("device") }
}

fn witness(clients: &mut ScenarioClients<'_>) {
    clients.join("witness");
    clients.subscribe("witness", "state", 0);
}

/// [MQTT-3.1.2-22]
fn a_silent_client_is_disconnected_and_its_will_published(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    clients.connect(device(4));
    clients.wait(2);
    assert!(clients.received("witness").is_empty(), "the timeout is one and a half times the keepalive");
    // Mosquitto checks every six seconds.
    clients.wait(12);
    assert_eq!(clients.received("witness"), ["state=offline @0"]);
    assert!(!clients.is_connected("device"));
}

/// [MQTT-3.12.4-1]
fn pings_keep_a_connection(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    clients.connect(device(4));
    for _ in 0..4 {
        clients.wait(2);
        clients.ping("device");
    }
    assert!(clients.is_connected("device"));
    assert!(clients.received("witness").is_empty());
}

fn messages_keep_a_connection(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    clients.connect(device(4));
    for _ in 0..4 {
        clients.wait(2);
        clients.publish("device", "t", "x", 0);
    }
    assert!(clients.received("witness").is_empty());
}

fn without_a_keepalive_silence_is_allowed(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    clients.connect(device(0));
    clients.wait(6);
    assert!(clients.received("witness").is_empty());
    assert!(clients.is_connected("device"));
}
