//! Shared subscriptions [MQTT-4.8.2].

use wasmote_mqtt::broker::packet::SubscribeOptions;

use crate::broker::clients::{ScenarioClients, at, message};

scenarios! {
    the_members_of_a_group_take_turns,
    groups_and_individual_subscribers_each_get_a_copy,
    a_member_that_unsubscribes_has_no_more_turns,
    a_member_with_its_own_subscription_gets_two_copies;
    beyond_mosquitto:
    // Mosquitto accepts the subscription.
    no_local_is_refused_for_shared_subscriptions,
    // Mosquitto sends them.
    shared_subscriptions_get_no_retained_messages,
}

/// Section 4.8.2.
fn the_members_of_a_group_take_turns(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    for member in ["a", "b", "c"] {
        clients.join(member);
        clients.subscribe(member, "$share/crew/jobs/#", 1);
    }
    for n in 0..6 {
        clients.publish("publisher", "jobs/x", &n.to_string(), 1);
    }
    assert_eq!(clients.received("a"), ["jobs/x=0 @1", "jobs/x=3 @1"]);
    assert_eq!(clients.received("b"), ["jobs/x=1 @1", "jobs/x=4 @1"]);
    assert_eq!(clients.received("c"), ["jobs/x=2 @1", "jobs/x=5 @1"]);
}

fn groups_and_individual_subscribers_each_get_a_copy(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    for (client, pattern) in [("a", "$share/one/t"), ("b", "$share/two/t"), ("c", "t")] {
        clients.join(client);
        clients.subscribe(client, pattern, 0);
    }
    clients.publish("publisher", "t", "x", 0);
    for client in ["a", "b", "c"] {
        assert_eq!(clients.received(client), ["t=x @0"]);
    }
}

fn a_member_that_unsubscribes_has_no_more_turns(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    for member in ["a", "b", "c"] {
        clients.join(member);
        clients.subscribe(member, "$share/crew/t", 0);
    }
    clients.unsubscribe("a", "$share/crew/t");
    clients.disconnect("b");
    for _ in 0..4 {
        clients.publish("publisher", "t", "x", 0);
    }
    assert!(clients.received("a").is_empty());
    assert_eq!(clients.received("c").len(), 4);
}

/// Section 4.8.2: no retained messages at the time of subscribing.
fn shared_subscriptions_get_no_retained_messages(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.publish_message("publisher", message("t", "kept", 1).with_retain(true));
    clients.join("member");
    clients.subscribe("member", "$share/crew/t", 1);
    assert!(clients.received("member").is_empty());
}

fn a_member_with_its_own_subscription_gets_two_copies(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.join("member");
    clients.subscribe("member", "$share/crew/t", 0);
    clients.subscribe("member", "t", 0);
    clients.publish("publisher", "t", "x", 0);
    assert_eq!(clients.received("member").len(), 2, "one for each subscription");
}

/// [MQTT-3.8.3-4]
fn no_local_is_refused_for_shared_subscriptions(clients: &mut ScenarioClients<'_>) {
    clients.join("member");
    let options = SubscribeOptions { no_local: true, ..at(0) };
    clients.start_subscribe("member", "$share/crew/t", options, None);
    assert!(!clients.is_connected("member"));
}
