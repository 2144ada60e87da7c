//! Message expiry [MQTT-3.3.2.3.3].

use wasmote_mqtt::message::{Message, Properties};

use crate::broker::clients::{ScenarioClients, lasting, message};

scenarios! {
    a_queued_message_expires,
    a_delivery_has_the_remaining_expiry,
    a_retained_message_expires;
    beyond_mosquitto:
    // Mosquitto drops new messages until the client reconnects.
    expired_messages_free_their_place_in_the_queue,
}

fn expiring(payload: &str, seconds: u32) -> Message {
    let properties = Properties { message_expiry: Some(seconds), ..Properties::default() };
    Message { properties: Some(Box::new(properties)), ..message("t", payload, 1) }
}

fn absent_subscriber(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("subscriber"));
    clients.subscribe("subscriber", "t", 1);
    clients.lose_connection("subscriber");
}

/// [MQTT-3.3.2-5]
fn a_queued_message_expires(clients: &mut ScenarioClients<'_>) {
    absent_subscriber(clients);
    clients.publish_message("publisher", expiring("short", 1));
    clients.publish("publisher", "t", "for ever", 1);
    clients.wait(3);
    clients.connect(lasting("subscriber"));
    assert_eq!(clients.received("subscriber"), ["t=for ever @1"]);
}

/// [MQTT-3.3.2-6]
fn a_delivery_has_the_remaining_expiry(clients: &mut ScenarioClients<'_>) {
    absent_subscriber(clients);
    let before = clients.passed();
    clients.publish_message("publisher", expiring("x", 30));
    clients.wait(3);
    clients.connect(lasting("subscriber"));
    let received = clients.received("subscriber");
    // Three seconds, and the additional time of a real broker, whose clock ticks may fall in between.
    let longest = (clients.passed() - before).as_secs_f64().ceil() as u64;
    let mut left = (3..=longest).map(|waited| format!("t=x @1 expires {}", 30 - waited));
    assert!(
        received.len() == 1 && left.any(|left| left == received[0]),
        "{received:?} after at most {longest} s"
    );
}

/// [MQTT-3.3.2-5]
fn a_retained_message_expires(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.publish_message("publisher", expiring("x", 8).with_retain(true));
    clients.join("early");
    clients.subscribe("early", "t", 1);
    assert_eq!(clients.received("early").len(), 1);
    clients.wait(10);
    clients.join("late");
    clients.subscribe("late", "t", 1);
    assert!(clients.received("late").is_empty());
}

fn expired_messages_free_their_place_in_the_queue(clients: &mut ScenarioClients<'_>) {
    absent_subscriber(clients);
    for _ in 0..1_000 {
        clients.publish_message("publisher", expiring("short", 1));
    }
    clients.wait(3);
    clients.publish("publisher", "t", "later", 1);
    clients.connect(lasting("subscriber"));
    assert_eq!(clients.received("subscriber"), ["t=later @1"]);
}
