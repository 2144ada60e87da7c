//! All combinations of QoS, order and exactly-once delivery [MQTT-4.3], [MQTT-4.6].

use wasmote_mqtt::broker::packet::{AckStep, Connect, Publish};

use crate::broker::clients::{AckPolicy, ScenarioClients, lasting, message};

scenarios! {
    deliveries_have_the_lower_qos_of_both_sides,
    messages_arrive_in_the_order_of_their_publication,
    unacknowledged_messages_are_sent_again_in_order,
    qos_2_arrives_once_when_the_subscriber_loses_its_connection_before_pubrec,
    qos_2_arrives_once_when_the_subscriber_loses_its_connection_before_pubcomp,
    qos_2_is_accepted_once_when_the_publisher_sends_it_again,
    an_unknown_release_is_answered,
    a_message_without_a_subscriber_is_acknowledged,
}

/// [MQTT-3.8.4-8]
fn deliveries_have_the_lower_qos_of_both_sides(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    for granted in 0..=2 {
        let subscriber = format!("subscriber-{granted}");
        clients.join(&subscriber);
        clients.subscribe(&subscriber, "t", granted);
    }
    for published in 0..=2 {
        clients.publish("publisher", "t", "x", published);
        for granted in 0..=2 {
            let expected = format!("t=x @{}", published.min(granted));
            assert_eq!(clients.received(&format!("subscriber-{granted}")), [expected]);
        }
    }
}

/// [MQTT-4.6.0-5], [MQTT-4.6.0-6]
fn messages_arrive_in_the_order_of_their_publication(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.join("subscriber");
    clients.subscribe("subscriber", "t", 2);
    for qos in 0..=2 {
        let expected: Vec<String> = (0..100).map(|n| format!("t={n} @{qos}")).collect();
        for n in 0..100 {
            clients.publish("publisher", "t", &n.to_string(), qos);
        }
        assert_eq!(clients.received("subscriber"), expected);
    }
}

/// [MQTT-4.4.0-1], [MQTT-4.6.0-1], [MQTT-3.3.1-1]
fn unacknowledged_messages_are_sent_again_in_order(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("subscriber"));
    clients.subscribe("subscriber", "t", 1);
    clients.set_ack_policy("subscriber", AckPolicy::Never);
    for payload in ["a", "b", "c"] {
        clients.publish("publisher", "t", payload, 1);
    }
    assert_eq!(clients.received("subscriber"), ["t=a @1", "t=b @1", "t=c @1"]);
    clients.lose_connection("subscriber");
    clients.publish("publisher", "t", "d", 1);
    clients.set_ack_policy("subscriber", AckPolicy::Immediate);
    assert!(clients.connect(lasting("subscriber")));
    assert_eq!(clients.received("subscriber"), ["t=a @1 again", "t=b @1 again", "t=c @1 again", "t=d @1"]);
    clients.lose_connection("subscriber");
    assert!(clients.connect(lasting("subscriber")));
    assert!(clients.received("subscriber").is_empty(), "all messages are acknowledged");
}

fn lose_the_connection_half_way(clients: &mut ScenarioClients<'_>, ack_policy: AckPolicy) {
    clients.join("publisher");
    clients.connect(lasting("subscriber"));
    clients.subscribe("subscriber", "t", 2);
    clients.set_ack_policy("subscriber", ack_policy);
    clients.publish("publisher", "t", "x", 2);
    assert_eq!(clients.received("subscriber"), ["t=x @2"]);
    // Twice, because the state must survive more than one connection.
    for _ in 0..2 {
        clients.lose_connection("subscriber");
        assert!(clients.connect(lasting("subscriber")));
        assert!(clients.received("subscriber").is_empty());
    }
    clients.set_ack_policy("subscriber", AckPolicy::Immediate);
    clients.lose_connection("subscriber");
    assert!(clients.connect(lasting("subscriber")));
    assert!(clients.received("subscriber").is_empty());
    // The exchange is complete: the next message is delivered.
    clients.publish("publisher", "t", "y", 2);
    assert_eq!(clients.received("subscriber"), ["t=y @2"]);
}

/// [MQTT-4.3.3-4], [MQTT-4.4.0-1]
fn qos_2_arrives_once_when_the_subscriber_loses_its_connection_before_pubrec(
    clients: &mut ScenarioClients<'_>,
) {
    lose_the_connection_half_way(clients, AckPolicy::Never);
}

/// [MQTT-4.3.3-5]
fn qos_2_arrives_once_when_the_subscriber_loses_its_connection_before_pubcomp(
    clients: &mut ScenarioClients<'_>,
) {
    lose_the_connection_half_way(clients, AckPolicy::PubRecOnly);
}

/// [MQTT-4.3.3-10], [MQTT-4.3.3-12]
fn qos_2_is_accepted_once_when_the_publisher_sends_it_again(clients: &mut ScenarioClients<'_>) {
    clients.connect(lasting("publisher"));
    clients.join("subscriber");
    clients.subscribe("subscriber", "t", 2);
    let id = clients.next_id("publisher");
    let publish = Publish::new(message("t", "x", 2), Some(id));
    assert_eq!(clients.send_publish("publisher", publish.clone())[0].step, AckStep::PubRec);
    clients.lose_connection("publisher");
    assert!(clients.connect(lasting("publisher")));
    let again = Publish { duplicate: true, ..publish.clone() };
    assert_eq!(clients.send_publish("publisher", again)[0].step, AckStep::PubRec);
    assert_eq!(clients.release("publisher", id)[0].step, AckStep::PubComp);
    assert_eq!(clients.received("subscriber"), ["t=x @2"]);
    // A released identifier is free for another message.
    assert_eq!(clients.send_publish("publisher", publish)[0].step, AckStep::PubRec);
    assert_eq!(clients.release("publisher", id)[0].step, AckStep::PubComp);
    assert_eq!(clients.received("subscriber"), ["t=x @2"]);
}

/// [MQTT-4.3.3-11]
fn an_unknown_release_is_answered(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    let id = clients.next_id("publisher");
    assert_eq!(clients.release("publisher", id)[0].step, AckStep::PubComp);
}

fn a_message_without_a_subscriber_is_acknowledged(clients: &mut ScenarioClients<'_>) {
    clients.connect(Connect::new("publisher"));
    for qos in 0..=2 {
        clients.publish("publisher", "nobody/subscribes", "x", qos);
    }
}
