//! Messages that are worth something only for a while [MQTT-3.3.2.3.3].

use wasmote_mqtt::message::{Message, Properties};

use crate::broker::clients::{ScenarioClients, lasting, message};

scenarios! {
    a_queued_message_expires,
    what_is_left_of_the_expiry_goes_with_the_message,
    a_retained_message_expires;
    beyond_mosquitto:
    // Mosquitto drops new messages until the client is back.
    expired_messages_take_nobodys_place_in_the_queue,
}

fn expiring(payload: &str, seconds: u32) -> Message {
    let properties = Properties { message_expiry: Some(seconds), ..Properties::default() };
    Message { properties: Some(Box::new(properties)), ..message("t", payload, 1) }
}

fn absent_subscriber(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("subscriber"));
    clients.subscribe("subscriber", "t", 1);
    clients.cut("subscriber");
}

/// [MQTT-3.3.2-5]
fn a_queued_message_expires(clients: &mut ScenarioClients<'_>) {
    absent_subscriber(clients);
    clients.publish_message("publisher", expiring("short", 1));
    clients.publish("publisher", "t", "for ever", 1);
    clients.wait(3);
    clients.connect(lasting("subscriber"));
    assert_eq!(clients.heard("subscriber"), ["t=for ever @1"]);
}

/// [MQTT-3.3.2-6]
fn what_is_left_of_the_expiry_goes_with_the_message(clients: &mut ScenarioClients<'_>) {
    absent_subscriber(clients);
    let before = clients.passed();
    clients.publish_message("publisher", expiring("x", 30));
    clients.wait(3);
    clients.connect(lasting("subscriber"));
    let heard = clients.heard("subscriber");
    // It was three seconds, and as much more as a real broker took, whose whole seconds may begin in between.
    let longest = (clients.passed() - before).as_secs_f64().ceil() as u64;
    let mut left = (3..=longest).map(|waited| format!("t=x @1 expires {}", 30 - waited));
    assert!(heard.len() == 1 && left.any(|left| left == heard[0]), "{heard:?} after at most {longest} s");
}

/// [MQTT-3.3.2-5]
fn a_retained_message_expires(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.publish_message("publisher", expiring("x", 8).with_retain(true));
    clients.join("early");
    clients.subscribe("early", "t", 1);
    assert_eq!(clients.heard("early").len(), 1);
    clients.wait(10);
    clients.join("late");
    clients.subscribe("late", "t", 1);
    assert!(clients.heard("late").is_empty());
}

fn expired_messages_take_nobodys_place_in_the_queue(clients: &mut ScenarioClients<'_>) {
    absent_subscriber(clients);
    for _ in 0..1_000 {
        clients.publish_message("publisher", expiring("short", 1));
    }
    clients.wait(3);
    clients.publish("publisher", "t", "later", 1);
    clients.connect(lasting("subscriber"));
    assert_eq!(clients.heard("subscriber"), ["t=later @1"]);
}
