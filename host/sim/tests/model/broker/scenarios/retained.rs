//! Messages that the broker keeps [MQTT-3.3.1.3].

use wasmote_sim::broker::packet::{RetainHandling, SubscribeOptions};

use crate::broker::stage::{Stage, at, message};

scenarios! {
    the_last_kept_message_greets_who_subscribes_later,
    an_empty_message_clears_the_topic,
    a_message_that_is_not_to_be_kept_leaves_the_kept_one_alone,
    live_messages_are_not_marked_as_kept,
    live_messages_keep_their_mark_where_that_is_asked_for,
    subscribing_again_brings_the_kept_message_again,
    a_subscriber_may_want_kept_messages_only_the_first_time,
    a_subscriber_may_want_no_kept_messages,
    wildcards_bring_all_that_they_match,
    kept_messages_have_the_lower_qos_of_both_sides,
}

fn keep(stage: &mut Stage<'_>, topic: &str, payload: &str) {
    stage.publish_message("publisher", message(topic, payload, 1).with_retain(true));
}

/// [MQTT-3.3.1-5], section 3.3.1.3.
fn the_last_kept_message_greets_who_subscribes_later(stage: &mut Stage<'_>) {
    stage.join("publisher");
    keep(stage, "t", "first");
    keep(stage, "t", "last");
    stage.leave("publisher");
    stage.join("subscriber");
    stage.subscribe("subscriber", "t", 1);
    assert_eq!(stage.heard("subscriber"), ["t=last @1 retained"]);
}

/// [MQTT-3.3.1-6], [MQTT-3.3.1-7]
fn an_empty_message_clears_the_topic(stage: &mut Stage<'_>) {
    stage.join("publisher");
    stage.join("witness");
    stage.subscribe("witness", "t", 1);
    keep(stage, "t", "x");
    keep(stage, "t", "");
    assert_eq!(stage.heard("witness"), ["t=x @1", "t= @1"], "subscribers hear the empty one as any other");
    stage.join("subscriber");
    stage.subscribe("subscriber", "t", 1);
    assert!(stage.heard("subscriber").is_empty());
}

/// [MQTT-3.3.1-8]
fn a_message_that_is_not_to_be_kept_leaves_the_kept_one_alone(stage: &mut Stage<'_>) {
    stage.join("publisher");
    keep(stage, "t", "kept");
    stage.publish("publisher", "t", "passing", 1);
    stage.publish("publisher", "t", "", 1);
    stage.join("subscriber");
    stage.subscribe("subscriber", "t", 1);
    assert_eq!(stage.heard("subscriber"), ["t=kept @1 retained"]);
}

/// [MQTT-3.3.1-12]
fn live_messages_are_not_marked_as_kept(stage: &mut Stage<'_>) {
    stage.join("publisher");
    stage.join("subscriber");
    stage.subscribe("subscriber", "t", 1);
    keep(stage, "t", "x");
    assert_eq!(stage.heard("subscriber"), ["t=x @1"]);
}

/// [MQTT-3.3.1-13]
fn live_messages_keep_their_mark_where_that_is_asked_for(stage: &mut Stage<'_>) {
    stage.join("publisher");
    stage.join("subscriber");
    let options = SubscribeOptions { retain_as_published: true, ..at(1) };
    stage.subscribe_with("subscriber", "t", options, None);
    keep(stage, "t", "x");
    stage.publish("publisher", "t", "y", 1);
    assert_eq!(stage.heard("subscriber"), ["t=x @1 retained", "t=y @1"]);
}

/// [MQTT-3.3.1-9], [MQTT-3.8.4-4]
fn subscribing_again_brings_the_kept_message_again(stage: &mut Stage<'_>) {
    stage.join("publisher");
    keep(stage, "t", "x");
    stage.join("subscriber");
    for _ in 0..2 {
        stage.subscribe("subscriber", "t", 1);
        assert_eq!(stage.heard("subscriber"), ["t=x @1 retained"]);
    }
}

/// [MQTT-3.3.1-10]
fn a_subscriber_may_want_kept_messages_only_the_first_time(stage: &mut Stage<'_>) {
    stage.join("publisher");
    keep(stage, "t", "x");
    stage.join("subscriber");
    let options = SubscribeOptions { retain_handling: RetainHandling::IfNew, ..at(1) };
    stage.subscribe_with("subscriber", "t", options, None);
    assert_eq!(stage.heard("subscriber"), ["t=x @1 retained"]);
    stage.subscribe_with("subscriber", "t", options, None);
    assert!(stage.heard("subscriber").is_empty());
    stage.unsubscribe("subscriber", "t");
    stage.subscribe_with("subscriber", "t", options, None);
    assert_eq!(stage.heard("subscriber"), ["t=x @1 retained"]);
}

/// [MQTT-3.3.1-11]
fn a_subscriber_may_want_no_kept_messages(stage: &mut Stage<'_>) {
    stage.join("publisher");
    keep(stage, "t", "x");
    stage.join("subscriber");
    let options = SubscribeOptions { retain_handling: RetainHandling::Never, ..at(1) };
    stage.subscribe_with("subscriber", "t", options, None);
    assert!(stage.heard("subscriber").is_empty());
    stage.publish("publisher", "t", "live", 1);
    assert_eq!(stage.heard("subscriber"), ["t=live @1"]);
}

fn wildcards_bring_all_that_they_match(stage: &mut Stage<'_>) {
    stage.join("publisher");
    for topic in ["plant/a/state", "plant/b/state", "plant/b/level", "office/a/state"] {
        keep(stage, topic, "x");
    }
    stage.join("subscriber");
    stage.subscribe("subscriber", "plant/+/state", 1);
    let mut heard = stage.heard("subscriber");
    heard.sort();
    assert_eq!(heard, ["plant/a/state=x @1 retained", "plant/b/state=x @1 retained"]);
}

/// [MQTT-3.8.4-8]
fn kept_messages_have_the_lower_qos_of_both_sides(stage: &mut Stage<'_>) {
    stage.join("publisher");
    keep(stage, "t", "x");
    stage.join("subscriber");
    for (asked, expected) in [(0, "t=x @0 retained"), (1, "t=x @1 retained"), (2, "t=x @1 retained")] {
        stage.subscribe("subscriber", "t", asked);
        assert_eq!(stage.heard("subscriber"), [expected]);
    }
}
