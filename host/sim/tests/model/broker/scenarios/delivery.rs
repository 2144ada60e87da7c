//! QoS in all its combinations, order, and once and only once [MQTT-4.3], [MQTT-4.6].

use wasmote_sim::broker::packet::{AckStep, Connect, Publish};

use crate::broker::stage::{Manners, Stage, lasting, message};

scenarios! {
    deliveries_have_the_lower_qos_of_both_sides,
    messages_arrive_in_the_order_of_their_publication,
    what_was_not_acknowledged_comes_again_in_its_order,
    qos_2_is_heard_once_when_the_subscriber_loses_its_connection_before_pubrec,
    qos_2_is_heard_once_when_the_subscriber_loses_its_connection_before_pubcomp,
    qos_2_is_taken_once_when_the_publisher_sends_it_again,
    an_unknown_release_is_answered,
    a_message_without_a_subscriber_is_taken,
}

/// [MQTT-3.8.4-8]
fn deliveries_have_the_lower_qos_of_both_sides(stage: &mut Stage<'_>) {
    stage.join("publisher");
    for granted in 0..=2 {
        let subscriber = format!("subscriber-{granted}");
        stage.join(&subscriber);
        stage.subscribe(&subscriber, "t", granted);
    }
    for published in 0..=2 {
        stage.publish("publisher", "t", "x", published);
        for granted in 0..=2 {
            let expected = format!("t=x @{}", published.min(granted));
            assert_eq!(stage.heard(&format!("subscriber-{granted}")), [expected]);
        }
    }
}

/// [MQTT-4.6.0-5], [MQTT-4.6.0-6]
fn messages_arrive_in_the_order_of_their_publication(stage: &mut Stage<'_>) {
    stage.join("publisher");
    stage.join("subscriber");
    stage.subscribe("subscriber", "t", 2);
    for qos in 0..=2 {
        let expected: Vec<String> = (0..100).map(|n| format!("t={n} @{qos}")).collect();
        for n in 0..100 {
            stage.publish("publisher", "t", &n.to_string(), qos);
        }
        assert_eq!(stage.heard("subscriber"), expected);
    }
}

/// [MQTT-4.4.0-1], [MQTT-4.6.0-1], [MQTT-3.3.1-1]
fn what_was_not_acknowledged_comes_again_in_its_order(stage: &mut Stage<'_>) {
    stage.join("publisher");
    stage.connect(lasting("subscriber"));
    stage.subscribe("subscriber", "t", 1);
    stage.behave("subscriber", Manners::Mute);
    for payload in ["a", "b", "c"] {
        stage.publish("publisher", "t", payload, 1);
    }
    assert_eq!(stage.heard("subscriber"), ["t=a @1", "t=b @1", "t=c @1"]);
    stage.cut("subscriber");
    stage.publish("publisher", "t", "d", 1);
    stage.behave("subscriber", Manners::Prompt);
    assert!(stage.connect(lasting("subscriber")));
    assert_eq!(stage.heard("subscriber"), ["t=a @1 again", "t=b @1 again", "t=c @1 again", "t=d @1"]);
    stage.cut("subscriber");
    assert!(stage.connect(lasting("subscriber")));
    assert!(stage.heard("subscriber").is_empty(), "all of it is acknowledged now");
}

fn lose_the_connection_half_way(stage: &mut Stage<'_>, manners: Manners) {
    stage.join("publisher");
    stage.connect(lasting("subscriber"));
    stage.subscribe("subscriber", "t", 2);
    stage.behave("subscriber", manners);
    stage.publish("publisher", "t", "x", 2);
    assert_eq!(stage.heard("subscriber"), ["t=x @2"]);
    // Twice, as the state has to outlive more than one connection.
    for _ in 0..2 {
        stage.cut("subscriber");
        assert!(stage.connect(lasting("subscriber")));
        assert!(stage.heard("subscriber").is_empty());
    }
    stage.behave("subscriber", Manners::Prompt);
    stage.cut("subscriber");
    assert!(stage.connect(lasting("subscriber")));
    assert!(stage.heard("subscriber").is_empty());
    // The exchange is over: the next message has a free way.
    stage.publish("publisher", "t", "y", 2);
    assert_eq!(stage.heard("subscriber"), ["t=y @2"]);
}

/// [MQTT-4.3.3-4], [MQTT-4.4.0-1]
fn qos_2_is_heard_once_when_the_subscriber_loses_its_connection_before_pubrec(stage: &mut Stage<'_>) {
    lose_the_connection_half_way(stage, Manners::Mute);
}

/// [MQTT-4.3.3-5]
fn qos_2_is_heard_once_when_the_subscriber_loses_its_connection_before_pubcomp(stage: &mut Stage<'_>) {
    lose_the_connection_half_way(stage, Manners::HalfWay);
}

/// [MQTT-4.3.3-10], [MQTT-4.3.3-12]
fn qos_2_is_taken_once_when_the_publisher_sends_it_again(stage: &mut Stage<'_>) {
    stage.connect(lasting("publisher"));
    stage.join("subscriber");
    stage.subscribe("subscriber", "t", 2);
    let id = stage.next_id("publisher");
    let publish = Publish::new(message("t", "x", 2), Some(id));
    assert_eq!(stage.send_publish("publisher", publish.clone())[0].step, AckStep::PubRec);
    stage.cut("publisher");
    assert!(stage.connect(lasting("publisher")));
    let again = Publish { duplicate: true, ..publish.clone() };
    assert_eq!(stage.send_publish("publisher", again)[0].step, AckStep::PubRec);
    assert_eq!(stage.release("publisher", id)[0].step, AckStep::PubComp);
    assert_eq!(stage.heard("subscriber"), ["t=x @2"]);
    // Once released, the identifier names another message.
    assert_eq!(stage.send_publish("publisher", publish)[0].step, AckStep::PubRec);
    assert_eq!(stage.release("publisher", id)[0].step, AckStep::PubComp);
    assert_eq!(stage.heard("subscriber"), ["t=x @2"]);
}

/// [MQTT-4.3.3-11]
fn an_unknown_release_is_answered(stage: &mut Stage<'_>) {
    stage.join("publisher");
    let id = stage.next_id("publisher");
    assert_eq!(stage.release("publisher", id)[0].step, AckStep::PubComp);
}

fn a_message_without_a_subscriber_is_taken(stage: &mut Stage<'_>) {
    stage.connect(Connect::new("publisher"));
    for qos in 0..=2 {
        stage.publish("publisher", "nobody/listens", "x", qos);
    }
}
