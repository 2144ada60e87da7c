//! Messages that are worth something only for a while [MQTT-3.3.2.3.3].

use wasmote_sim::message::{Message, Properties};

use crate::broker::stage::{Stage, lasting, message};

scenarios! {
    a_queued_message_expires,
    what_is_left_of_the_expiry_goes_with_the_message,
    a_kept_message_expires;
    beyond_mosquitto:
    // Mosquitto drops new messages until the client is back.
    expired_messages_take_nobodys_place_in_the_queue,
}

fn expiring(payload: &str, seconds: u32) -> Message {
    let properties = Properties { message_expiry: Some(seconds), ..Properties::default() };
    Message { properties: Some(Box::new(properties)), ..message("t", payload, 1) }
}

fn absent_subscriber(stage: &mut Stage<'_>) {
    stage.join("publisher");
    stage.connect(lasting("subscriber"));
    stage.subscribe("subscriber", "t", 1);
    stage.cut("subscriber");
}

/// [MQTT-3.3.2-5]
fn a_queued_message_expires(stage: &mut Stage<'_>) {
    absent_subscriber(stage);
    stage.publish_message("publisher", expiring("short", 1));
    stage.publish("publisher", "t", "for ever", 1);
    stage.wait(3);
    stage.connect(lasting("subscriber"));
    assert_eq!(stage.heard("subscriber"), ["t=for ever @1"]);
}

/// [MQTT-3.3.2-6]
fn what_is_left_of_the_expiry_goes_with_the_message(stage: &mut Stage<'_>) {
    absent_subscriber(stage);
    let before = stage.passed();
    stage.publish_message("publisher", expiring("x", 30));
    stage.wait(3);
    stage.connect(lasting("subscriber"));
    let heard = stage.heard("subscriber");
    // It was three seconds, and as much more as a real broker took, whose whole seconds may begin in between.
    let longest = (stage.passed() - before).as_secs_f64().ceil() as u64;
    let mut left = (3..=longest).map(|waited| format!("t=x @1 expires {}", 30 - waited));
    assert!(heard.len() == 1 && left.any(|left| left == heard[0]), "{heard:?} after at most {longest} s");
}

/// [MQTT-3.3.2-5]
fn a_kept_message_expires(stage: &mut Stage<'_>) {
    stage.join("publisher");
    stage.publish_message("publisher", expiring("x", 8).with_retain(true));
    stage.join("early");
    stage.subscribe("early", "t", 1);
    assert_eq!(stage.heard("early").len(), 1);
    stage.wait(10);
    stage.join("late");
    stage.subscribe("late", "t", 1);
    assert!(stage.heard("late").is_empty());
}

fn expired_messages_take_nobodys_place_in_the_queue(stage: &mut Stage<'_>) {
    absent_subscriber(stage);
    for _ in 0..1_000 {
        stage.publish_message("publisher", expiring("short", 1));
    }
    stage.wait(3);
    stage.publish("publisher", "t", "later", 1);
    stage.connect(lasting("subscriber"));
    assert_eq!(stage.heard("subscriber"), ["t=later @1"]);
}
