//! Matching of topics and subscriptions [MQTT-4.7], [MQTT-3.8].

use wasmote_mqtt::broker::packet::{Connect, SubscribeOptions};
use wasmote_mqtt::protocol::Protocol;

use crate::broker::clients::{ScenarioClients, at, filter, message};

scenarios! {
    wildcards_match_levels,
    leading_wildcards_do_not_match_topics_with_a_dollar,
    subscribing_again_replaces_the_subscription,
    unsubscribing_ends_deliveries,
    overlapping_subscriptions_give_a_copy_each_on_mqtt_5,
    no_local_excludes_own_messages,
    without_no_local_a_client_receives_its_own_messages;
    beyond_mosquitto:
    // Mosquitto delivers one copy at the QoS of the first subscription that it finds.
    overlapping_subscriptions_give_one_copy_at_the_highest_qos_on_mqtt_3,
}

/// [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.7.3-4]
fn wildcards_match_levels(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    let filters = ["a/b/c", "a/+/c", "a/#", "#", "+/b/+", "+", "/+", "a/b/c/#"];
    let topics = ["a/b/c", "a/x/c", "a", "a/b/c/d", "/a", "b"];
    for pattern in filters {
        clients.join(pattern);
        clients.subscribe(pattern, pattern, 0);
    }
    for topic in topics {
        clients.publish("publisher", topic, "x", 0);
        for pattern in filters {
            let expected = filter(pattern).matches(&message(topic, "x", 0).topic);
            assert_eq!(!clients.received(pattern).is_empty(), expected, "{pattern} and {topic}");
        }
    }
}

/// [MQTT-4.7.2-1]
fn leading_wildcards_do_not_match_topics_with_a_dollar(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    for pattern in ["#", "+/own", "$house/#", "$house/+"] {
        clients.join(pattern);
        clients.subscribe(pattern, pattern, 0);
    }
    clients.publish("publisher", "$house/own", "x", 0);
    for (pattern, copies) in [("#", 0), ("+/own", 0), ("$house/#", 1), ("$house/+", 1)] {
        assert_eq!(clients.received(pattern).len(), copies, "{pattern}");
    }
}

/// [MQTT-3.8.4-3]
fn subscribing_again_replaces_the_subscription(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.join("subscriber");
    clients.subscribe("subscriber", "t", 0);
    clients.subscribe("subscriber", "t", 2);
    clients.publish("publisher", "t", "x", 2);
    assert_eq!(clients.received("subscriber"), ["t=x @2"]);
}

/// [MQTT-3.10.4-1], [MQTT-3.10.4-2]
fn unsubscribing_ends_deliveries(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.join("subscriber");
    clients.subscribe("subscriber", "t/+", 1);
    assert!(!clients.unsubscribe("subscriber", "t/a"), "filters are compared character by character");
    clients.publish("publisher", "t/a", "x", 1);
    assert_eq!(clients.received("subscriber"), ["t/a=x @1"]);
    assert!(clients.unsubscribe("subscriber", "t/+"));
    clients.publish("publisher", "t/a", "y", 1);
    assert!(clients.received("subscriber").is_empty());
}

/// [MQTT-3.3.4-2], [MQTT-3.3.4-5]: the standard leaves the choice; this is Mosquitto's.
fn overlapping_subscriptions_give_a_copy_each_on_mqtt_5(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.join("subscriber");
    clients.subscribe_with("subscriber", "t/#", at(1), Some(7));
    clients.subscribe_with("subscriber", "t/+", at(2), Some(8));
    clients.publish("publisher", "t/a", "x", 2);
    let mut received = clients.received("subscriber");
    received.sort();
    assert_eq!(received, ["t/a=x @1 for 7", "t/a=x @2 for 8"]);
}

/// [MQTT-3.3.5-1] of 3.1.1.
fn overlapping_subscriptions_give_one_copy_at_the_highest_qos_on_mqtt_3(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.connect(Connect { protocol: Protocol::V4, ..Connect::new("subscriber") });
    clients.subscribe("subscriber", "t/a", 0);
    clients.subscribe("subscriber", "t/+", 2);
    clients.subscribe("subscriber", "t/#", 1);
    clients.publish("publisher", "t/a", "x", 2);
    assert_eq!(clients.received("subscriber"), ["t/a=x @2"]);
}

/// [MQTT-3.8.3-3]
fn no_local_excludes_own_messages(clients: &mut ScenarioClients<'_>) {
    clients.join("other");
    clients.join("device");
    clients.subscribe_with("device", "t", SubscribeOptions { no_local: true, ..at(1) }, None);
    clients.publish("device", "t", "own", 1);
    clients.publish("other", "t", "foreign", 1);
    assert_eq!(clients.received("device"), ["t=foreign @1"]);
}

fn without_no_local_a_client_receives_its_own_messages(clients: &mut ScenarioClients<'_>) {
    clients.join("device");
    clients.subscribe("device", "t", 1);
    clients.publish("device", "t", "own", 1);
    assert_eq!(clients.received("device"), ["t=own @1"]);
}
