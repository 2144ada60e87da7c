//! Shared subscriptions [MQTT-4.8.2].

use wasmote_sim::broker::packet::SubscribeOptions;

use crate::broker::stage::{Stage, at, message};

scenarios! {
    the_members_of_a_group_take_turns,
    groups_and_those_alone_each_have_a_copy,
    who_leaves_the_group_has_no_more_turns,
    one_member_is_one_copy_even_with_a_subscription_of_its_own;
    beyond_mosquitto:
    // Mosquitto does not mind.
    a_group_cannot_leave_out_own_messages,
    // Mosquitto sends them.
    kept_messages_are_not_for_groups,
}

/// Section 4.8.2.
fn the_members_of_a_group_take_turns(stage: &mut Stage<'_>) {
    stage.join("publisher");
    for member in ["a", "b", "c"] {
        stage.join(member);
        stage.subscribe(member, "$share/crew/jobs/#", 1);
    }
    for n in 0..6 {
        stage.publish("publisher", "jobs/x", &n.to_string(), 1);
    }
    assert_eq!(stage.heard("a"), ["jobs/x=0 @1", "jobs/x=3 @1"]);
    assert_eq!(stage.heard("b"), ["jobs/x=1 @1", "jobs/x=4 @1"]);
    assert_eq!(stage.heard("c"), ["jobs/x=2 @1", "jobs/x=5 @1"]);
}

fn groups_and_those_alone_each_have_a_copy(stage: &mut Stage<'_>) {
    stage.join("publisher");
    for (client, pattern) in [("a", "$share/one/t"), ("b", "$share/two/t"), ("c", "t")] {
        stage.join(client);
        stage.subscribe(client, pattern, 0);
    }
    stage.publish("publisher", "t", "x", 0);
    for client in ["a", "b", "c"] {
        assert_eq!(stage.heard(client), ["t=x @0"]);
    }
}

fn who_leaves_the_group_has_no_more_turns(stage: &mut Stage<'_>) {
    stage.join("publisher");
    for member in ["a", "b", "c"] {
        stage.join(member);
        stage.subscribe(member, "$share/crew/t", 0);
    }
    stage.unsubscribe("a", "$share/crew/t");
    stage.leave("b");
    for _ in 0..4 {
        stage.publish("publisher", "t", "x", 0);
    }
    assert!(stage.heard("a").is_empty());
    assert_eq!(stage.heard("c").len(), 4);
}

/// Section 4.8.2: no kept messages at the time of subscribing.
fn kept_messages_are_not_for_groups(stage: &mut Stage<'_>) {
    stage.join("publisher");
    stage.publish_message("publisher", message("t", "kept", 1).with_retain(true));
    stage.join("member");
    stage.subscribe("member", "$share/crew/t", 1);
    assert!(stage.heard("member").is_empty());
}

fn one_member_is_one_copy_even_with_a_subscription_of_its_own(stage: &mut Stage<'_>) {
    stage.join("publisher");
    stage.join("member");
    stage.subscribe("member", "$share/crew/t", 0);
    stage.subscribe("member", "t", 0);
    stage.publish("publisher", "t", "x", 0);
    assert_eq!(stage.heard("member").len(), 2, "one for each subscription");
}

/// [MQTT-3.8.3-4]
fn a_group_cannot_leave_out_own_messages(stage: &mut Stage<'_>) {
    stage.join("member");
    let options = SubscribeOptions { no_local: true, ..at(0) };
    stage.start_subscribe("member", "$share/crew/t", options, None);
    assert!(!stage.is_connected("member"));
}
