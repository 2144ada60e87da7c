//! Clients that are not heard of [MQTT-3.1.2.10].

use wasmote_sim::broker::packet::Connect;
use wasmote_sim::message::Will;

use crate::broker::stage::{Stage, message};

scenarios! {
    a_client_that_falls_silent_is_given_up_and_its_will_published,
    pings_keep_a_connection,
    messages_keep_a_connection,
    without_a_keepalive_silence_is_allowed,
}

fn device(keep_alive: u16) -> Connect {
    let will = Will { message: message("state", "offline", 0), delay: 0 };
    Connect { keep_alive, will: Some(will), ..Connect::new("device") }
}

fn witness(stage: &mut Stage<'_>) {
    stage.join("witness");
    stage.subscribe("witness", "state", 0);
}

/// [MQTT-3.1.2-22]
fn a_client_that_falls_silent_is_given_up_and_its_will_published(stage: &mut Stage<'_>) {
    witness(stage);
    stage.connect(device(4));
    stage.wait(2);
    assert!(stage.heard("witness").is_empty(), "it has one and a half times its keepalive");
    // Mosquitto looks every six seconds.
    stage.wait(12);
    assert_eq!(stage.heard("witness"), ["state=offline @0"]);
    assert!(!stage.is_connected("device"));
}

/// [MQTT-3.12.4-1]
fn pings_keep_a_connection(stage: &mut Stage<'_>) {
    witness(stage);
    stage.connect(device(4));
    for _ in 0..4 {
        stage.wait(2);
        stage.ping("device");
    }
    assert!(stage.is_connected("device"));
    assert!(stage.heard("witness").is_empty());
}

fn messages_keep_a_connection(stage: &mut Stage<'_>) {
    witness(stage);
    stage.connect(device(4));
    for _ in 0..4 {
        stage.wait(2);
        stage.publish("device", "t", "x", 0);
    }
    assert!(stage.heard("witness").is_empty());
}

fn without_a_keepalive_silence_is_allowed(stage: &mut Stage<'_>) {
    witness(stage);
    stage.connect(device(0));
    stage.wait(6);
    assert!(stage.heard("witness").is_empty());
    assert!(stage.is_connected("device"));
}
