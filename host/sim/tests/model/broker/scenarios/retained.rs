//! Retained messages [MQTT-3.3.1.3].

use wasmote_mqtt::broker::packet::{RetainHandling, SubscribeOptions};

use crate::broker::clients::{ScenarioClients, at, message};

scenarios! {
    the_last_retained_message_is_sent_to_later_subscribers,
    an_empty_message_clears_the_topic,
    a_message_without_retain_keeps_the_retained_one,
    live_messages_are_not_marked_as_retained,
    retain_as_published_keeps_the_retain_flag,
    subscribing_again_sends_the_retained_message_again,
    retain_handling_1_sends_retained_messages_only_for_new_subscriptions,
    retain_handling_2_sends_no_retained_messages,
    wildcards_find_all_matching_retained_messages,
    retained_messages_have_the_lower_qos_of_both_sides,
}

fn keep(clients: &mut ScenarioClients<'_>, topic: &str, payload: &str) {
    clients.publish_message("publisher", message(topic, payload, 1).with_retain(true));
}

/// [MQTT-3.3.1-5], section 3.3.1.3.
fn the_last_retained_message_is_sent_to_later_subscribers(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    keep(clients, "t", "first");
    keep(clients, "t", "last");
    clients.disconnect("publisher");
    clients.join("subscriber");
    clients.subscribe("subscriber", "t", 1);
    assert_eq!(clients.received("subscriber"), ["t=last @1 retained"]);
}

/// [MQTT-3.3.1-6], [MQTT-3.3.1-7]
fn an_empty_message_clears_the_topic(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.join("witness");
    clients.subscribe("witness", "t", 1);
    keep(clients, "t", "x");
    keep(clients, "t", "");
    assert_eq!(
        clients.received("witness"),
        ["t=x @1", "t= @1"],
        "subscribers receive the empty message like any other"
    );
    clients.join("subscriber");
    clients.subscribe("subscriber", "t", 1);
    assert!(clients.received("subscriber").is_empty());
}

/// [MQTT-3.3.1-8]
fn a_message_without_retain_keeps_the_retained_one(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    keep(clients, "t", "kept");
    clients.publish("publisher", "t", "passing", 1);
    clients.publish("publisher", "t", "", 1);
    clients.join("subscriber");
    clients.subscribe("subscriber", "t", 1);
    assert_eq!(clients.received("subscriber"), ["t=kept @1 retained"]);
}

/// [MQTT-3.3.1-12]
fn live_messages_are_not_marked_as_retained(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.join("subscriber");
    clients.subscribe("subscriber", "t", 1);
    keep(clients, "t", "x");
    assert_eq!(clients.received("subscriber"), ["t=x @1"]);
}

/// [MQTT-3.3.1-13]
fn retain_as_published_keeps_the_retain_flag(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.join("subscriber");
    let options = SubscribeOptions { retain_as_published: true, ..at(1) };
    clients.subscribe_with("subscriber", "t", options, None);
    keep(clients, "t", "x");
    clients.publish("publisher", "t", "y", 1);
    assert_eq!(clients.received("subscriber"), ["t=x @1 retained", "t=y @1"]);
}

/// [MQTT-3.3.1-9], [MQTT-3.8.4-4]
fn subscribing_again_sends_the_retained_message_again(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    keep(clients, "t", "x");
    clients.join("subscriber");
    for _ in 0..2 {
        clients.subscribe("subscriber", "t", 1);
        assert_eq!(clients.received("subscriber"), ["t=x @1 retained"]);
    }
}

/// [MQTT-3.3.1-10]
fn retain_handling_1_sends_retained_messages_only_for_new_subscriptions(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    keep(clients, "t", "x");
    clients.join("subscriber");
    let options = SubscribeOptions { retain_handling: RetainHandling::IfNew, ..at(1) };
    clients.subscribe_with("subscriber", "t", options, None);
    assert_eq!(clients.received("subscriber"), ["t=x @1 retained"]);
    clients.subscribe_with("subscriber", "t", options, None);
    assert!(clients.received("subscriber").is_empty());
    clients.unsubscribe("subscriber", "t");
    clients.subscribe_with("subscriber", "t", options, None);
    assert_eq!(clients.received("subscriber"), ["t=x @1 retained"]);
}

/// [MQTT-3.3.1-11]
fn retain_handling_2_sends_no_retained_messages(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    keep(clients, "t", "x");
    clients.join("subscriber");
    let options = SubscribeOptions { retain_handling: RetainHandling::Never, ..at(1) };
    clients.subscribe_with("subscriber", "t", options, None);
    assert!(clients.received("subscriber").is_empty());
    clients.publish("publisher", "t", "live", 1);
    assert_eq!(clients.received("subscriber"), ["t=live @1"]);
}

fn wildcards_find_all_matching_retained_messages(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    for topic in ["plant/a/state", "plant/b/state", "plant/b/level", "office/a/state"] {
        keep(clients, topic, "x");
    }
    clients.join("subscriber");
    clients.subscribe("subscriber", "plant/+/state", 1);
    let mut received = clients.received("subscriber");
    received.sort();
    assert_eq!(received, ["plant/a/state=x @1 retained", "plant/b/state=x @1 retained"]);
}

/// [MQTT-3.8.4-8]
fn retained_messages_have_the_lower_qos_of_both_sides(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    keep(clients, "t", "x");
    clients.join("subscriber");
    for (asked, expected) in [(0, "t=x @0 retained"), (1, "t=x @1 retained"), (2, "t=x @1 retained")] {
        clients.subscribe("subscriber", "t", asked);
        assert_eq!(clients.received("subscriber"), [expected]);
    }
}
