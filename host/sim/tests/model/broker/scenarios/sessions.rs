//! Session state beyond a connection [MQTT-4.1].

use wasmote_mqtt::broker::packet::{Connect, Disconnect, NEVER};
use wasmote_mqtt::protocol::Protocol;

use crate::broker::clients::{ScenarioClients, lasting};

scenarios! {
    a_persistent_session_keeps_its_subscriptions,
    a_session_without_expiry_ends_with_its_connection,
    a_session_ends_after_its_expiry_interval,
    a_disconnect_may_shorten_the_session,
    a_clean_start_discards_subscriptions_and_messages,
    messages_above_qos_0_are_queued_for_disconnected_clients,
    the_queue_of_a_disconnected_client_is_bounded,
    queued_messages_arrive_in_order_without_dup,
    a_takeover_continues_the_session,
    mqtt_3_keeps_a_session_without_the_clean_flag,
    mqtt_3_discards_a_clean_session,
}

/// [MQTT-3.1.2-5], [MQTT-3.2.2-3]
fn a_persistent_session_keeps_its_subscriptions(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    assert!(!clients.connect(lasting("device")));
    clients.subscribe("device", "t", 1);
    clients.lose_connection("device");
    assert!(clients.connect(lasting("device")));
    clients.publish("publisher", "t", "x", 1);
    assert_eq!(clients.received("device"), ["t=x @1"]);
}

/// Section 3.1.2.11.2.
fn a_session_without_expiry_ends_with_its_connection(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    let brief = Connect { session_expiry: 0, ..lasting("device") };
    clients.connect(brief.clone());
    clients.subscribe("device", "t", 1);
    clients.lose_connection("device");
    clients.publish("publisher", "t", "missed", 1);
    assert!(!clients.connect(brief));
    clients.publish("publisher", "t", "missed too", 1);
    assert!(clients.received("device").is_empty());
}

/// [MQTT-3.1.2-23]
fn a_session_ends_after_its_expiry_interval(clients: &mut ScenarioClients<'_>) {
    let six_seconds = Connect { session_expiry: 6, ..lasting("device") };
    clients.connect(six_seconds.clone());
    clients.lose_connection("device");
    clients.wait(1);
    assert!(clients.connect(six_seconds.clone()), "a second is less than six");
    clients.lose_connection("device");
    clients.wait(9);
    assert!(!clients.connect(six_seconds));
}

/// Section 3.14.2.2.2.
fn a_disconnect_may_shorten_the_session(clients: &mut ScenarioClients<'_>) {
    clients.connect(lasting("device"));
    clients.leave_with("device", Disconnect { session_expiry: Some(0), ..Disconnect::default() });
    assert!(!clients.connect(lasting("device")));
}

/// [MQTT-3.1.2-4], [MQTT-3.2.2-2]
fn a_clean_start_discards_subscriptions_and_messages(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("device"));
    clients.subscribe("device", "t", 1);
    clients.lose_connection("device");
    clients.publish("publisher", "t", "queued", 1);
    assert!(!clients.connect(Connect { clean_start: true, ..lasting("device") }));
    clients.publish("publisher", "t", "live", 1);
    assert!(clients.received("device").is_empty());
}

/// [MQTT-4.5.0-1]; messages at QoS 0 are not queued, by Mosquitto's default.
fn messages_above_qos_0_are_queued_for_disconnected_clients(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("device"));
    clients.subscribe("device", "t", 2);
    clients.disconnect("device");
    for qos in 0..=2 {
        clients.publish("publisher", "t", "x", qos);
    }
    assert!(clients.connect(lasting("device")));
    assert_eq!(clients.received("device"), ["t=x @1", "t=x @2"]);
}

/// 1,000, as in Mosquitto; later messages are dropped.
fn the_queue_of_a_disconnected_client_is_bounded(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("device"));
    clients.subscribe("device", "t", 1);
    clients.lose_connection("device");
    for n in 0..1_010 {
        clients.publish("publisher", "t", &n.to_string(), 1);
    }
    assert!(clients.connect(lasting("device")));
    let received = clients.received("device");
    assert_eq!(received.len(), 1_000);
    assert_eq!((received[0].as_str(), received[999].as_str()), ("t=0 @1", "t=999 @1"));
}

/// [MQTT-4.6.0-5], [MQTT-3.3.1-3]
fn queued_messages_arrive_in_order_without_dup(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("device"));
    clients.subscribe("device", "t", 1);
    clients.lose_connection("device");
    for n in 0..50 {
        clients.publish("publisher", "t", &n.to_string(), 1);
    }
    assert!(clients.connect(lasting("device")));
    let expected: Vec<String> = (0..50).map(|n| format!("t={n} @1")).collect();
    assert_eq!(clients.received("device"), expected);
}

/// [MQTT-3.1.4-3]
fn a_takeover_continues_the_session(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("device"));
    clients.subscribe("device", "t", 1);
    assert!(clients.connect(lasting("device")));
    clients.publish("publisher", "t", "x", 1);
    assert_eq!(clients.received("device"), ["t=x @1"], "once, on the new connection");
}

fn of_mqtt_3(name: &str, clean: bool) -> Connect {
    Connect { protocol: Protocol::V4, clean_start: clean, ..Connect::new(name) }
}

/// [MQTT-3.1.2-4] of 3.1.1.
fn mqtt_3_keeps_a_session_without_the_clean_flag(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    assert!(!clients.connect(of_mqtt_3("device", false)));
    clients.subscribe("device", "t", 1);
    clients.disconnect("device");
    clients.wait(3);
    clients.publish("publisher", "t", "x", 1);
    assert!(clients.connect(of_mqtt_3("device", false)));
    assert_eq!(clients.received("device"), ["t=x @1"]);
    clients.lose_connection("device");
    assert!(clients.connect(Connect { session_expiry: NEVER, ..lasting("device") }), "MQTT 5 resumes it too");
}

/// [MQTT-3.1.2-6] of 3.1.1.
fn mqtt_3_discards_a_clean_session(clients: &mut ScenarioClients<'_>) {
    clients.connect(of_mqtt_3("device", true));
    clients.disconnect("device");
    assert!(!clients.connect(of_mqtt_3("device", false)));
}
