//! Equal seeds give equal histories, and the message counts balance.

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::Input;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::virtual_time::observer::DeviceIndex;
use wasmote_sim::virtual_time::options::Options;

use super::world::{Script, World, add, assert_balanced, world};
use crate::ledger::every_fault;

const SECOND: Duration = Duration::from_secs(1);

/// Fifty devices for twenty minutes with realistic faults, and a subscriber to all topics.
pub fn twenty_minutes(seed: u64) -> World {
    let mut world = world(Options::default());
    let subscribes = Some(("#", Qos::AtMostOnce));
    add(&mut world, "monitor", Script { subscribes, ..Script::default() }, &FaultDocument::default(), seed);
    let publishes = Some(("wasmote/heartbeat", Qos::AtMostOnce, SECOND));
    let heartbeat = Script { publishes, will: Some("wasmote/state"), ..Script::default() };
    for n in 0..50 {
        add(&mut world, &format!("heartbeat-{n}"), heartbeat, &FaultDocument::realistic(), seed);
    }
    world.run_until(Time::ZERO + 1_200 * SECOND);
    world
}

/// 24 devices for five minutes with all faults. Each subscribes to the others with several filters, at every
/// QoS and with persistent sessions. Every collection (of subscribers, sessions, queued messages) has many
/// items, so that its order affects the history.
pub fn crowd(seed: u64) -> World {
    let client = Arc::new(ClientOptions { session_expiry: 30, ..ClientOptions::default() });
    let mut world = world(Options { client, latency: SECOND / 100, ..Options::default() });
    let filters = ["wasmote/#", "wasmote/+", "$share/half/wasmote/+", "#"];
    let topics = ["wasmote/a", "wasmote/b", "wasmote/c", "wasmote/d", "wasmote/e", "wasmote/f"];
    let qos = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
    let devices = (0..24).map(|n| {
        let script = Script {
            subscribes: Some((filters[n % 4], qos[n / 2 % 3])),
            also_subscribes: &["other/a", "other/b", "other/c"],
            retains: n % 2 == 0,
            publishes: Some((topics[n % 6], qos[n % 3], SECOND + Duration::from_millis(17 * n as u64))),
            will: Some("wasmote/state"),
            sends_http: n == 5,
        };
        add(&mut world, &format!("west-{n}"), script, &every_fault(), seed)
    });
    let devices: Vec<DeviceIndex> = devices.collect();
    for _ in 0..30 {
        world.run_for(10 * SECOND);
        // Devices with an empty battery are started again.
        devices.iter().for_each(|device| world.put(*device, Input::Start));
    }
    world
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for history in [twenty_minutes, crowd] {
        let digest = |seed| history(seed).observer().1.to_string();
        let first = digest(7);
        assert_eq!(first, digest(7));
        assert_ne!(first, digest(8));
    }
}

#[test]
fn every_message_is_accounted_for_with_all_faults() {
    let world = crowd(1);
    assert_balanced(&world);
    let counters = world.broker().counters();
    assert!(
        counters.delivered > 1_000 && counters.wills > 10,
        "the history has enough messages: {counters:?}"
    );
}

#[test]
fn every_message_is_accounted_for_with_realistic_faults() {
    let world = twenty_minutes(1);
    assert_balanced(&world);
    let (counts, counters) = (world.counts(), world.broker().counters());
    // From the devices to the broker: no message is in flight, because the link has no latency.
    let sent: u64 = world.devices().map(|device| device.ledger().sent).sum();
    assert_eq!(sent + counters.wills, counters.received + counts.lost_up);
    // From the broker to the monitor.
    let monitor = world.device(DeviceIndex(0)).expect("it was added first").ledger();
    assert_eq!(monitor.arrived + counts.lost_down, counters.delivered);
    // The faults had effects: there were losses, silences and wills.
    let faults = world.devices().fold((0, 0), |(dropped, outages), device| {
        let total = device.ledger().fault_total();
        (dropped + total.dropped(), outages + total.outages)
    });
    assert!(faults.0 > 5_000 && faults.1 > 50 && counters.wills > 50, "{faults:?}, {} wills", counters.wills);
}

/// The step size does not affect the result.
#[test]
fn the_step_size_does_not_affect_the_result() {
    let run = |step: Duration| {
        let mut world = world(Options::default());
        let publishes = Some(("t", Qos::AtLeastOnce, Duration::from_millis(700)));
        add(&mut world, "a", Script { publishes, ..Script::default() }, &FaultDocument::realistic(), 1);
        while world.now().run < Time::ZERO + 300 * SECOND {
            world.run_for(step);
        }
        world.observer().1.to_string()
    };
    assert_eq!(run(300 * SECOND), run(SECOND / 4));
}
