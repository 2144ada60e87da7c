//! How many messages may be under way [MQTT-4.9].

use std::num::NonZeroU16;

use wasmote_mqtt::broker::packet::{Connect, Publish};

use crate::broker::clients::{AckPolicy, ScenarioClients, lasting, message};

scenarios! {
    a_client_is_not_sent_more_than_it_takes,
    a_client_that_takes_more_is_sent_more,
    a_client_that_says_nothing_is_sent_no_more_than_the_limit,
    qos_0_is_not_held_back;
    beyond_mosquitto:
    // Mosquitto does not mind.
    a_client_that_sends_more_than_the_broker_takes_is_cut_off,
    // Mosquitto sends everything again at once.
    redelivery_keeps_to_the_window_of_the_new_connection,
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
fn a_client_is_not_sent_more_than_it_takes(clients: &mut ScenarioClients<'_>) {
    publish_ten_without_acknowledgements(clients, taking(3));
    assert_eq!(clients.heard("subscriber"), ["t=0 @1", "t=1 @1", "t=2 @1"]);
    clients.set_ack_policy("subscriber", AckPolicy::Immediate);
    clients.cut("subscriber");
    clients.connect(taking(3));
    assert_eq!(clients.heard("subscriber").len(), 10, "three again, and then the rest as room came");
}

fn received_of_thirty(clients: &mut ScenarioClients<'_>, connect: Connect) -> usize {
    publish_ten_without_acknowledgements(clients, connect);
    for n in 10..30 {
        clients.publish("publisher", "t", &n.to_string(), 1);
    }
    clients.heard("subscriber").len()
}

/// [MQTT-3.3.4-9]
fn a_client_that_takes_more_is_sent_more(clients: &mut ScenarioClients<'_>) {
    assert_eq!(received_of_thirty(clients, taking(25)), 25);
}

/// Twenty, as in Mosquitto.
fn a_client_that_says_nothing_is_sent_no_more_than_the_limit(clients: &mut ScenarioClients<'_>) {
    assert_eq!(received_of_thirty(clients, lasting("subscriber")), 20);
}

/// [MQTT-4.9.0-3]
fn qos_0_is_not_held_back(clients: &mut ScenarioClients<'_>) {
    publish_ten_without_acknowledgements(clients, taking(1));
    assert_eq!(clients.heard("subscriber"), ["t=0 @1"]);
    clients.publish("publisher", "t", "light", 0);
    assert_eq!(clients.heard("subscriber"), ["t=light @0"]);
}

/// [MQTT-3.3.4-9]
fn redelivery_keeps_to_the_window_of_the_new_connection(clients: &mut ScenarioClients<'_>) {
    publish_ten_without_acknowledgements(clients, taking(8));
    assert_eq!(clients.heard("subscriber").len(), 8);
    clients.cut("subscriber");
    clients.connect(taking(2));
    assert_eq!(clients.heard("subscriber"), ["t=0 @1 again", "t=1 @1 again"]);
}

/// [MQTT-3.3.4-7]: twenty, as in Mosquitto.
fn a_client_that_sends_more_than_the_broker_takes_is_cut_off(clients: &mut ScenarioClients<'_>) {
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
