//! How many messages may be under way [MQTT-4.9].

use std::num::NonZeroU16;

use wasmote_sim::broker::packet::{Connect, Publish};

use crate::broker::stage::{Manners, Stage, lasting, message};

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

fn publish_ten_to_a_mute_subscriber(stage: &mut Stage<'_>, connect: Connect) {
    stage.join("publisher");
    stage.connect(connect);
    stage.subscribe("subscriber", "t", 1);
    stage.behave("subscriber", Manners::Mute);
    for n in 0..10 {
        stage.publish("publisher", "t", &n.to_string(), 1);
    }
}

/// [MQTT-3.3.4-9], [MQTT-4.9.0-1], [MQTT-4.9.0-2]
fn a_client_is_not_sent_more_than_it_takes(stage: &mut Stage<'_>) {
    publish_ten_to_a_mute_subscriber(stage, taking(3));
    assert_eq!(stage.heard("subscriber"), ["t=0 @1", "t=1 @1", "t=2 @1"]);
    stage.behave("subscriber", Manners::Prompt);
    stage.cut("subscriber");
    stage.connect(taking(3));
    assert_eq!(stage.heard("subscriber").len(), 10, "three again, and then the rest as room came");
}

fn heard_of_thirty(stage: &mut Stage<'_>, connect: Connect) -> usize {
    publish_ten_to_a_mute_subscriber(stage, connect);
    for n in 10..30 {
        stage.publish("publisher", "t", &n.to_string(), 1);
    }
    stage.heard("subscriber").len()
}

/// [MQTT-3.3.4-9]
fn a_client_that_takes_more_is_sent_more(stage: &mut Stage<'_>) {
    assert_eq!(heard_of_thirty(stage, taking(25)), 25);
}

/// Twenty, as in Mosquitto.
fn a_client_that_says_nothing_is_sent_no_more_than_the_limit(stage: &mut Stage<'_>) {
    assert_eq!(heard_of_thirty(stage, lasting("subscriber")), 20);
}

/// [MQTT-4.9.0-3]
fn qos_0_is_not_held_back(stage: &mut Stage<'_>) {
    publish_ten_to_a_mute_subscriber(stage, taking(1));
    assert_eq!(stage.heard("subscriber"), ["t=0 @1"]);
    stage.publish("publisher", "t", "light", 0);
    assert_eq!(stage.heard("subscriber"), ["t=light @0"]);
}

/// [MQTT-3.3.4-9]
fn redelivery_keeps_to_the_window_of_the_new_connection(stage: &mut Stage<'_>) {
    publish_ten_to_a_mute_subscriber(stage, taking(8));
    assert_eq!(stage.heard("subscriber").len(), 8);
    stage.cut("subscriber");
    stage.connect(taking(2));
    assert_eq!(stage.heard("subscriber"), ["t=0 @1 again", "t=1 @1 again"]);
}

/// [MQTT-3.3.4-7]: twenty, as in Mosquitto.
fn a_client_that_sends_more_than_the_broker_takes_is_cut_off(stage: &mut Stage<'_>) {
    stage.connect(lasting("publisher"));
    for n in 0..20 {
        let id = stage.next_id("publisher");
        stage.send_publish("publisher", Publish::new(message("t", &n.to_string(), 2), Some(id)));
    }
    assert!(stage.is_connected("publisher"));
    let id = stage.next_id("publisher");
    stage.send_publish("publisher", Publish::new(message("t", "one too many", 2), Some(id)));
    assert!(!stage.is_connected("publisher"));
}
