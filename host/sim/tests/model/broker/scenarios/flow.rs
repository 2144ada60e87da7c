//! Flow control [MQTT-4.9].

use std::num::NonZeroU16;

use wasmote_mqtt::broker::packet::{Connect, Publish};

use crate::broker::clients::{AckPolicy, ScenarioClients, lasting, message};

scenarios! {
    the_receive_maximum_of_a_client_is_respected,
    a_larger_receive_maximum_allows_more_messages,
    the_limit_applies_without_a_receive_maximum,
    qos_0_is_not_limited_by_the_window;
    beyond_mosquitto:
    // Mosquitto does not close the connection.
    a_client_that_exceeds_the_receive_maximum_is_disconnected,
    // Mosquitto sends all messages again at once.
    redelivery_respects_the_window_of_the_new_connection,
}

fn taking(most: u16) -> Connect {
    Connect { receive_maximum: NonZeroU16::new(most), ..lasting("subscriber") }
}

fn publish_ten_without_acknowledgements(clients: &mut ScenarioClients<'_>, connect: Connect) {
    clients.join("publisher");
    clients.connect(connect);
    clients.subscribe("subscriber", "t", 1);
    clients.set_ack_policy("subscriber", AckPolicy::Never);
    for n in 0..10 {
        clients.publish("publisher", "t", &n.to_string(), 1);
    }
}

/// [MQTT-3.3.4-9], [MQTT-4.9.0-1], [MQTT-4.9.0-2]
fn the_receive_maximum_of_a_client_is_respected(clients: &mut ScenarioClients<'_>) {
    publish_ten_without_acknowledgements(clients, taking(3));
    assert_eq!(clients.received("subscriber"), ["t=0 @1", "t=1 @1", "t=2 @1"]);
    clients.set_ack_policy("subscriber", AckPolicy::Immediate);
    clients.lose_connection("subscriber");
    clients.connect(taking(3));
    assert_eq!(clients.received("subscriber").len(), 10, "three again, then the rest as the window opened");
}

fn received_of_thirty(clients: &mut ScenarioClients<'_>, connect: Connect) -> usize {
    publish_ten_without_acknowledgements(clients, connect);
    for n in 10..30 {
        clients.publish("publisher", "t", &n.to_string(), 1);
    }
    clients.received("subscriber").len()
}

/// [MQTT-3.3.4-9]
fn a_larger_receive_maximum_allows_more_messages(clients: &mut ScenarioClients<'_>) {
    assert_eq!(received_of_thirty(clients, taking(25)), 25);
}

/// 20, as in Mosquitto.
fn the_limit_applies_without_a_receive_maximum(clients: &mut ScenarioClients<'_>) {
    assert_eq!(received_of_thirty(clients, lasting("subscriber")), 20);
}

/// [MQTT-4.9.0-3]
fn qos_0_is_not_limited_by_the_window(clients: &mut ScenarioClients<'_>) {
    publish_ten_without_acknowledgements(clients, taking(1));
    assert_eq!(clients.received("subscriber"), ["t=0 @1"]);
    clients.publish("publisher", "t", "light", 0);
    assert_eq!(clients.received("subscriber"), ["t=light @0"]);
}

/// [MQTT-3.3.4-9]
fn redelivery_respects_the_window_of_the_new_connection(clients: &mut ScenarioClients<'_>) {
    publish_ten_without_acknowledgements(clients, taking(8));
    assert_eq!(clients.received("subscriber").len(), 8);
    clients.lose_connection("subscriber");
    clients.connect(taking(2));
    assert_eq!(clients.received("subscriber"), ["t=0 @1 again", "t=1 @1 again"]);
}

/// [MQTT-3.3.4-7]: 20, as in Mosquitto.
fn a_client_that_exceeds_the_receive_maximum_is_disconnected(clients: &mut ScenarioClients<'_>) {
    clients.connect(lasting("publisher"));
    for n in 0..20 {
        let id = clients.next_id("publisher");
        clients.send_publish("publisher", Publish::new(message("t", &n.to_string(), 2), Some(id)));
    }
    assert!(clients.is_connected("publisher"));
    let id = clients.next_id("publisher");
    clients.send_publish("publisher", Publish::new(message("t", "one too many", 2), Some(id)));
    assert!(!clients.is_connected("publisher"));
}
