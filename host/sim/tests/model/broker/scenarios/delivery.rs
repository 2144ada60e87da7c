//! QoS in all its combinations, order, and once and only once [MQTT-4.3], [MQTT-4.6].

use wasmote_mqtt::broker::packet::{AckStep, Connect, Publish};

use crate::broker::clients::{AckPolicy, ScenarioClients, lasting, message};

scenarios! {
    deliveries_have_the_lower_qos_of_both_sides,
    messages_arrive_in_the_order_of_their_publication,
    what_was_not_acknowledged_comes_again_in_its_order,
    qos_2_arrives_once_when_the_subscriber_loses_its_connection_before_pubrec,
    qos_2_arrives_once_when_the_subscriber_loses_its_connection_before_pubcomp,
    qos_2_is_taken_once_when_the_publisher_sends_it_again,
    an_unknown_release_is_answered,
    a_message_without_a_subscriber_is_taken,
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
            assert_eq!(clients.heard(&format!("subscriber-{granted}")), [expected]);
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
        assert_eq!(clients.heard("subscriber"), expected);
    }
}

/// [MQTT-4.4.0-1], [MQTT-4.6.0-1], [MQTT-3.3.1-1]
fn what_was_not_acknowledged_comes_again_in_its_order(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(lasting("subscriber"));
    clients.subscribe("subscriber", "t", 1);
    clients.set_ack_policy("subscriber", AckPolicy::Never);
    for payload in ["a", "b", "c"] {
        clients.publish("publisher", "t", payload, 1);
    }
    assert_eq!(clients.heard("subscriber"), ["t=a @1", "t=b @1", "t=c @1"]);
    clients.cut("subscriber");
    clients.publish("publisher", "t", "d", 1);
    clients.set_ack_policy("subscriber", AckPolicy::Immediate);
    assert!(clients.connect(lasting("subscriber")));
    assert_eq!(clients.heard("subscriber"), ["t=a @1 again", "t=b @1 again", "t=c @1 again", "t=d @1"]);
    clients.cut("subscriber");
    assert!(clients.connect(lasting("subscriber")));
    assert!(clients.heard("subscriber").is_empty(), "all of it is acknowledged now");
}

fn lose_the_connection_half_way(clients: &mut ScenarioClients<'_>, ack_policy: AckPolicy) {
    clients.join("publisher");
    clients.connect(lasting("subscriber"));
    clients.subscribe("subscriber", "t", 2);
    clients.set_ack_policy("subscriber", ack_policy);
    clients.publish("publisher", "t", "x", 2);
    assert_eq!(clients.heard("subscriber"), ["t=x @2"]);
    // Twice, as the state has to outlive more than one connection.
    for _ in 0..2 {
        clients.cut("subscriber");
        assert!(clients.connect(lasting("subscriber")));
        assert!(clients.heard("subscriber").is_empty());
    }
    clients.set_ack_policy("subscriber", AckPolicy::Immediate);
    clients.cut("subscriber");
    assert!(clients.connect(lasting("subscriber")));
    assert!(clients.heard("subscriber").is_empty());
    // The exchange is over: the next message has a free way.
    clients.publish("publisher", "t", "y", 2);
    assert_eq!(clients.heard("subscriber"), ["t=y @2"]);
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
fn qos_2_is_taken_once_when_the_publisher_sends_it_again(clients: &mut ScenarioClients<'_>) {
    clients.connect(lasting("publisher"));
    clients.join("subscriber");
    clients.subscribe("subscriber", "t", 2);
    let id = clients.next_id("publisher");
    let publish = Publish::new(message("t", "x", 2), Some(id));
    assert_eq!(clients.send_publish("publisher", publish.clone())[0].step, AckStep::PubRec);
    clients.cut("publisher");
    assert!(clients.connect(lasting("publisher")));
    let again = Publish { duplicate: true, ..publish.clone() };
    assert_eq!(clients.send_publish("publisher", again)[0].step, AckStep::PubRec);
    assert_eq!(clients.release("publisher", id)[0].step, AckStep::PubComp);
    assert_eq!(clients.heard("subscriber"), ["t=x @2"]);
    // Once released, the identifier names another message.
    assert_eq!(clients.send_publish("publisher", publish)[0].step, AckStep::PubRec);
    assert_eq!(clients.release("publisher", id)[0].step, AckStep::PubComp);
    assert_eq!(clients.heard("subscriber"), ["t=x @2"]);
}

/// [MQTT-4.3.3-11]
fn an_unknown_release_is_answered(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    let id = clients.next_id("publisher");
    assert_eq!(clients.release("publisher", id)[0].step, AckStep::PubComp);
}

fn a_message_without_a_subscriber_is_taken(clients: &mut ScenarioClients<'_>) {
    clients.connect(Connect::new("publisher"));
    for qos in 0..=2 {
        clients.publish("publisher", "nobody/listens", "x", qos);
    }
}
