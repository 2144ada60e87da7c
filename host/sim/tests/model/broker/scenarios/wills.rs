//! Wills [MQTT-3.1.2.5].

use wasmote_mqtt::broker::packet::{Connect, Disconnect};
use wasmote_mqtt::message::Will;

use crate::broker::clients::{ScenarioClients, lasting, message};

scenarios! {
    a_lost_connection_publishes_the_will,
    a_clean_disconnect_discards_the_will,
    a_disconnect_may_request_the_will,
    a_will_can_be_retained,
    a_delayed_will_waits,
    a_reconnect_cancels_a_delayed_will,
    a_delayed_will_does_not_outlive_its_session,
    a_takeover_publishes_a_will_without_delay,
    a_takeover_of_the_session_cancels_a_delayed_will;
    beyond_mosquitto:
    // Mosquitto discards the will with the session.
    a_clean_start_ends_the_old_session_and_so_publishes_its_will,
}

fn with_will(connect: Connect, delay: u32) -> Connect {
    let will = Will { message: message("state", "offline", 1), delay };
    Connect { will: Some(will), ..connect }
}

fn witness(clients: &mut ScenarioClients<'_>) {
    clients.join("witness");
    clients.subscribe("witness", "state", 1);
}

const OFFLINE: [&str; 1] = ["state=offline @1"];

/// [MQTT-3.1.2-8]
fn a_lost_connection_publishes_the_will(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    clients.connect(with_will(Connect::new("device"), 0));
    assert!(clients.received("witness").is_empty());
    clients.lose_connection("device");
    assert_eq!(clients.received("witness"), OFFLINE);
}

/// [MQTT-3.14.4-3]
fn a_clean_disconnect_discards_the_will(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    clients.connect(with_will(lasting("device"), 0));
    clients.disconnect("device");
    clients.wait(2);
    assert!(clients.received("witness").is_empty());
}

/// Reason 0x04, section 3.14.2.1.
fn a_disconnect_may_request_the_will(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    clients.connect(with_will(Connect::new("device"), 0));
    clients.leave_with("device", Disconnect { with_will: true, ..Disconnect::default() });
    assert_eq!(clients.received("witness"), OFFLINE);
}

/// [MQTT-3.1.2-15]
fn a_will_can_be_retained(clients: &mut ScenarioClients<'_>) {
    let will = Will { message: message("state", "offline", 1).with_retain(true), delay: 0 };
    clients.connect(Connect { will: Some(will), ..Connect::new("device") });
    clients.lose_connection("device");
    clients.join("late");
    clients.subscribe("late", "state", 1);
    assert_eq!(clients.received("late"), ["state=offline @1 retained"]);
}

/// [MQTT-3.1.3-9]
fn a_delayed_will_waits(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    clients.connect(with_will(lasting("device"), 6));
    clients.lose_connection("device");
    clients.wait(1);
    assert!(clients.received("witness").is_empty());
    clients.wait(8);
    assert_eq!(clients.received("witness"), OFFLINE);
}

/// [MQTT-3.1.3-9]
fn a_reconnect_cancels_a_delayed_will(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    clients.connect(with_will(lasting("device"), 6));
    clients.lose_connection("device");
    clients.wait(1);
    assert!(clients.connect(lasting("device")));
    clients.wait(8);
    assert!(clients.received("witness").is_empty());
}

/// [MQTT-3.1.3-9]: at the end of the delay or of the session, whichever is first.
fn a_delayed_will_does_not_outlive_its_session(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    let short = Connect { session_expiry: 6, ..lasting("device") };
    clients.connect(with_will(short, 60));
    clients.lose_connection("device");
    assert!(clients.received("witness").is_empty());
    clients.wait(9);
    assert_eq!(clients.received("witness"), OFFLINE);
}

fn a_clean_start_ends_the_old_session_and_so_publishes_its_will(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    clients.connect(with_will(lasting("device"), 60));
    clients.lose_connection("device");
    clients.wait(1);
    assert!(!clients.connect(Connect { clean_start: true, ..lasting("device") }));
    assert_eq!(clients.received("witness"), OFFLINE);
}

/// [MQTT-3.1.4-3]
fn a_takeover_publishes_a_will_without_delay(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    clients.connect(with_will(Connect::new("device"), 0));
    clients.join("device");
    assert!(clients.was_replaced("device"));
    assert_eq!(clients.received("witness"), OFFLINE);
}

/// [MQTT-3.1.3-9]
fn a_takeover_of_the_session_cancels_a_delayed_will(clients: &mut ScenarioClients<'_>) {
    witness(clients);
    clients.connect(with_will(lasting("device"), 2));
    assert!(clients.connect(lasting("device")));
    assert!(clients.was_replaced("device"));
    clients.wait(4);
    assert!(clients.received("witness").is_empty());
}
