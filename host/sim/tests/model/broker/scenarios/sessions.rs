//! What outlives a connection, for how long, and how much of it [MQTT-4.1].

use wasmote_mqtt::broker::packet::{Connect, Disconnect, NEVER};
use wasmote_mqtt::protocol::Protocol;

use crate::broker::clients::{ScenarioClients, lasting};

scenarios! {
    a_session_that_lasts_is_present_and_keeps_its_subscriptions,
    a_session_without_expiry_ends_with_its_connection,
    a_session_ends_when_its_time_is_over,
    a_disconnect_may_shorten_the_session,
    a_clean_start_forgets_subscriptions_and_messages,
    messages_above_qos_0_wait_for_the_absent,
    the_queue_for_the_absent_has_an_end,
    what_was_queued_comes_in_order_and_not_as_a_duplicate,
    a_takeover_goes_on_with_the_session,
    mqtt_3_keeps_a_session_that_is_not_clean,
    mqtt_3_forgets_a_session_that_is_clean,
}

/// [MQTT-3.1.2-5], [MQTT-3.2.2-3]
fn a_session_that_lasts_is_present_and_keeps_its_subscriptions(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    assert!(!clients.connect(lasting("device")));
    clients.subscribe("device", "t", 1);
    clients.cut("device");
    assert!(clients.connect(lasting("device")));
    clients.publish("publisher", "t", "x", 1);
    assert_eq!(clients.heard("device"), ["t=x @1"]);
}

/// Section 3.1.2.11.2.
fn a_session_without_expiry_ends_with_its_connection(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    let brief = Connect { session_expiry: 0, ..lasting("device") };
    clients.connect(brief.clone());
    clients.subscribe("device", "t", 1);
    clients.cut("device");
    clients.publish("publisher", "t", "missed", 1);
    assert!(!clients.connect(brief));
    clients.publish("publisher", "t", "missed too", 1);
    assert!(clients.heard("device").is_empty());
}

/// [MQTT-3.1.2-23]
fn a_session_ends_when_its_time_is_over(clients: &mut ScenarioClients<'_>) {
    let six_seconds = Connect { session_expiry: 6, ..lasting("device") };
    clients.connect(six_seconds.clone());
    clients.cut("device");
    clients.wait(1);
    assert!(clients.connect(six_seconds.clone()), "a second is less than six");
    clients.cut("device");
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
fn a_clean_start_forgets_subscriptions_and_messages(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("device"));
    clients.subscribe("device", "t", 1);
    clients.cut("device");
    clients.publish("publisher", "t", "queued", 1);
    assert!(!clients.connect(Connect { clean_start: true, ..lasting("device") }));
    clients.publish("publisher", "t", "live", 1);
    assert!(clients.heard("device").is_empty());
}

/// [MQTT-4.5.0-1]; that QoS 0 does not wait is Mosquitto's default.
fn messages_above_qos_0_wait_for_the_absent(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("device"));
    clients.subscribe("device", "t", 2);
    clients.leave("device");
    for qos in 0..=2 {
        clients.publish("publisher", "t", "x", qos);
    }
    assert!(clients.connect(lasting("device")));
    assert_eq!(clients.heard("device"), ["t=x @1", "t=x @2"]);
}

/// A thousand, as in Mosquitto; those that come later are dropped.
fn the_queue_for_the_absent_has_an_end(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("device"));
    clients.subscribe("device", "t", 1);
    clients.cut("device");
    for n in 0..1_010 {
        clients.publish("publisher", "t", &n.to_string(), 1);
    }
    assert!(clients.connect(lasting("device")));
    let heard = clients.heard("device");
    assert_eq!(heard.len(), 1_000);
    assert_eq!((heard[0].as_str(), heard[999].as_str()), ("t=0 @1", "t=999 @1"));
}

/// [MQTT-4.6.0-5], [MQTT-3.3.1-3]
fn what_was_queued_comes_in_order_and_not_as_a_duplicate(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("device"));
    clients.subscribe("device", "t", 1);
    clients.cut("device");
    for n in 0..50 {
        clients.publish("publisher", "t", &n.to_string(), 1);
    }
    assert!(clients.connect(lasting("device")));
    let expected: Vec<String> = (0..50).map(|n| format!("t={n} @1")).collect();
    assert_eq!(clients.heard("device"), expected);
}

/// [MQTT-3.1.4-3]
fn a_takeover_goes_on_with_the_session(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("device"));
    clients.subscribe("device", "t", 1);
    assert!(clients.connect(lasting("device")));
    clients.publish("publisher", "t", "x", 1);
    assert_eq!(clients.heard("device"), ["t=x @1"], "once, on the connection that took over");
}

fn of_mqtt_3(name: &str, clean: bool) -> Connect {
    Connect { protocol: Protocol::V4, clean_start: clean, ..Connect::new(name) }
}

/// [MQTT-3.1.2-4] of 3.1.1.
fn mqtt_3_keeps_a_session_that_is_not_clean(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    assert!(!clients.connect(of_mqtt_3("device", false)));
    clients.subscribe("device", "t", 1);
    clients.leave("device");
    clients.wait(3);
    clients.publish("publisher", "t", "x", 1);
    assert!(clients.connect(of_mqtt_3("device", false)));
    assert_eq!(clients.heard("device"), ["t=x @1"]);
    clients.cut("device");
    assert!(clients.connect(Connect { session_expiry: NEVER, ..lasting("device") }), "MQTT 5 finds it too");
}

/// [MQTT-3.1.2-6] of 3.1.1.
fn mqtt_3_forgets_a_session_that_is_clean(clients: &mut ScenarioClients<'_>) {
    clients.connect(of_mqtt_3("device", true));
    clients.leave("device");
    assert!(!clients.connect(of_mqtt_3("device", false)));
}
