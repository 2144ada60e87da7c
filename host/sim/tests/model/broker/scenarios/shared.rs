//! Shared subscriptions [MQTT-4.8.2].

use wasmote_mqtt::broker::packet::SubscribeOptions;

use crate::broker::clients::{ScenarioClients, at, message};

scenarios! {
    the_members_of_a_group_take_turns,
    groups_and_those_alone_each_have_a_copy,
    a_member_that_unsubscribes_has_no_more_turns,
    one_member_is_one_copy_even_with_a_subscription_of_its_own;
    beyond_mosquitto:
    // Mosquitto does not mind.
    a_group_cannot_leave_out_own_messages,
    // Mosquitto sends them.
    retained_messages_are_not_for_groups,
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
    assert_eq!(clients.heard("a"), ["jobs/x=0 @1", "jobs/x=3 @1"]);
    assert_eq!(clients.heard("b"), ["jobs/x=1 @1", "jobs/x=4 @1"]);
    assert_eq!(clients.heard("c"), ["jobs/x=2 @1", "jobs/x=5 @1"]);
}

fn groups_and_those_alone_each_have_a_copy(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    for (client, pattern) in [("a", "$share/one/t"), ("b", "$share/two/t"), ("c", "t")] {
        clients.join(client);
        clients.subscribe(client, pattern, 0);
    }
    clients.publish("publisher", "t", "x", 0);
    for client in ["a", "b", "c"] {
        assert_eq!(clients.heard(client), ["t=x @0"]);
    }
}

fn a_member_that_unsubscribes_has_no_more_turns(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    for member in ["a", "b", "c"] {
        clients.join(member);
        clients.subscribe(member, "$share/crew/t", 0);
    }
    clients.unsubscribe("a", "$share/crew/t");
    clients.leave("b");
    for _ in 0..4 {
        clients.publish("publisher", "t", "x", 0);
    }
    assert!(clients.heard("a").is_empty());
    assert_eq!(clients.heard("c").len(), 4);
}

/// Section 4.8.2: no kept messages at the time of subscribing.
fn retained_messages_are_not_for_groups(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.publish_message("publisher", message("t", "kept", 1).with_retain(true));
    clients.join("member");
    clients.subscribe("member", "$share/crew/t", 1);
    assert!(clients.heard("member").is_empty());
}

fn one_member_is_one_copy_even_with_a_subscription_of_its_own(clients: &mut ScenarioClients<'_>) {
    clients.join("publisher");
    clients.join("member");
    clients.subscribe("member", "$share/crew/t", 0);
    clients.subscribe("member", "t", 0);
    clients.publish("publisher", "t", "x", 0);
    assert_eq!(clients.heard("member").len(), 2, "one for each subscription");
}

/// [MQTT-3.8.3-4]
fn a_group_cannot_leave_out_own_messages(clients: &mut ScenarioClients<'_>) {
    clients.join("member");
    let options = SubscribeOptions { no_local: true, ..at(0) };
    clients.start_subscribe("member", "$share/crew/t", options, None);
    assert!(!clients.is_connected("member"));
}
