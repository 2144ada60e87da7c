//! What is published on behalf of those who vanish [MQTT-3.1.2.5].

use wasmote_sim::broker::packet::{Connect, Disconnect};
use wasmote_sim::message::Will;

use crate::broker::stage::{Stage, lasting, message};

scenarios! {
    a_lost_connection_publishes_the_will,
    a_clean_farewell_takes_the_will_away,
    a_farewell_may_ask_for_the_will,
    a_will_can_be_kept,
    a_delayed_will_waits,
    a_delayed_will_is_cancelled_by_coming_back,
    a_delayed_will_does_not_outlive_its_session,
    a_takeover_publishes_a_will_without_delay,
    a_takeover_that_goes_on_with_the_session_cancels_a_delayed_will;
    beyond_mosquitto:
    // Mosquitto forgets the will with the session.
    a_clean_start_ends_the_old_session_and_so_publishes_its_will,
}

fn with_will(connect: Connect, delay: u32) -> Connect {
    let will = Will { message: message("state", "offline", 1), delay };
    Connect { will: Some(will), ..connect }
}

fn witness(stage: &mut Stage<'_>) {
    stage.join("witness");
    stage.subscribe("witness", "state", 1);
}

const OFFLINE: [&str; 1] = ["state=offline @1"];

/// [MQTT-3.1.2-8]
fn a_lost_connection_publishes_the_will(stage: &mut Stage<'_>) {
    witness(stage);
    stage.connect(with_will(Connect::new("device"), 0));
    assert!(stage.heard("witness").is_empty());
    stage.cut("device");
    assert_eq!(stage.heard("witness"), OFFLINE);
}

/// [MQTT-3.14.4-3]
fn a_clean_farewell_takes_the_will_away(stage: &mut Stage<'_>) {
    witness(stage);
    stage.connect(with_will(lasting("device"), 0));
    stage.leave("device");
    stage.wait(2);
    assert!(stage.heard("witness").is_empty());
}

/// Reason 0x04, section 3.14.2.1.
fn a_farewell_may_ask_for_the_will(stage: &mut Stage<'_>) {
    witness(stage);
    stage.connect(with_will(Connect::new("device"), 0));
    stage.leave_with("device", Disconnect { with_will: true, ..Disconnect::default() });
    assert_eq!(stage.heard("witness"), OFFLINE);
}

/// [MQTT-3.1.2-15]
fn a_will_can_be_kept(stage: &mut Stage<'_>) {
    let will = Will { message: message("state", "offline", 1).with_retain(true), delay: 0 };
    stage.connect(Connect { will: Some(will), ..Connect::new("device") });
    stage.cut("device");
    stage.join("late");
    stage.subscribe("late", "state", 1);
    assert_eq!(stage.heard("late"), ["state=offline @1 retained"]);
}

/// [MQTT-3.1.3-9]
fn a_delayed_will_waits(stage: &mut Stage<'_>) {
    witness(stage);
    stage.connect(with_will(lasting("device"), 6));
    stage.cut("device");
    stage.wait(1);
    assert!(stage.heard("witness").is_empty());
    stage.wait(8);
    assert_eq!(stage.heard("witness"), OFFLINE);
}

/// [MQTT-3.1.3-9]
fn a_delayed_will_is_cancelled_by_coming_back(stage: &mut Stage<'_>) {
    witness(stage);
    stage.connect(with_will(lasting("device"), 6));
    stage.cut("device");
    stage.wait(1);
    assert!(stage.connect(lasting("device")));
    stage.wait(8);
    assert!(stage.heard("witness").is_empty());
}

/// [MQTT-3.1.3-9]: whichever is first, the delay or the end of the session.
fn a_delayed_will_does_not_outlive_its_session(stage: &mut Stage<'_>) {
    witness(stage);
    let short = Connect { session_expiry: 6, ..lasting("device") };
    stage.connect(with_will(short, 60));
    stage.cut("device");
    assert!(stage.heard("witness").is_empty());
    stage.wait(9);
    assert_eq!(stage.heard("witness"), OFFLINE);
}

fn a_clean_start_ends_the_old_session_and_so_publishes_its_will(stage: &mut Stage<'_>) {
    witness(stage);
    stage.connect(with_will(lasting("device"), 60));
    stage.cut("device");
    stage.wait(1);
    assert!(!stage.connect(Connect { clean_start: true, ..lasting("device") }));
    assert_eq!(stage.heard("witness"), OFFLINE);
}

/// [MQTT-3.1.4-3]
fn a_takeover_publishes_a_will_without_delay(stage: &mut Stage<'_>) {
    witness(stage);
    stage.connect(with_will(Connect::new("device"), 0));
    stage.join("device");
    assert!(stage.was_replaced("device"));
    assert_eq!(stage.heard("witness"), OFFLINE);
}

/// [MQTT-3.1.3-9]
fn a_takeover_that_goes_on_with_the_session_cancels_a_delayed_will(stage: &mut Stage<'_>) {
    witness(stage);
    stage.connect(with_will(lasting("device"), 2));
    assert!(stage.connect(lasting("device")));
    assert!(stage.was_replaced("device"));
    stage.wait(4);
    assert!(stage.heard("witness").is_empty());
}
