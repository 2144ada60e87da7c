//! The same seed, the same history; and accounts that close at its end.

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::Input;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::virtual_time::observer::DeviceIndex;
use wasmote_sim::virtual_time::options::Options;

use super::world::{Script, World, add, assert_accounts_close, world};
use crate::ledger::everything;

const SECOND: Duration = Duration::from_secs(1);

/// Fifty devices for twenty minutes in a realistic world, with one that listens to all.
pub fn twenty_minutes(seed: u64) -> World {
    let mut world = world(Options::default());
    let listens = Some(("#", Qos::AtMostOnce));
    add(&mut world, "monitor", Script { listens, ..Script::default() }, &FaultDocument::default(), seed);
    let publishes = Some(("wasmote/heartbeat", Qos::AtMostOnce, SECOND));
    let heartbeat = Script { publishes, will: Some("wasmote/state"), ..Script::default() };
    for n in 0..50 {
        add(&mut world, &format!("heartbeat-{n}"), heartbeat, &FaultDocument::realistic(), seed);
    }
    world.run_until(Time::ZERO + 1_200 * SECOND);
    world
}

/// Two dozen devices for five minutes with everything that can go wrong, each of which hears the others in
/// several ways, at every QoS and over sessions that outlive connections. Whatever holds many of a kind (of
/// subscribers, sessions, messages that wait) holds many here, so that its order shows.
pub fn crowd(seed: u64) -> World {
    let client = Arc::new(ClientOptions { session_expiry: 30, ..ClientOptions::default() });
    let mut world = world(Options { client, latency: SECOND / 100, ..Options::default() });
    let filters = ["wasmote/#", "wasmote/+", "$share/half/wasmote/+", "#"];
    let topics = ["wasmote/a", "wasmote/b", "wasmote/c", "wasmote/d", "wasmote/e", "wasmote/f"];
    let qos = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
    let devices = (0..24).map(|n| {
        let script = Script {
            listens: Some((filters[n % 4], qos[n / 2 % 3])),
            listens_also: &["other/a", "other/b", "other/c"],
            retains: n % 2 == 0,
            publishes: Some((topics[n % 6], qos[n % 3], SECOND + Duration::from_millis(17 * n as u64))),
            will: Some("wasmote/state"),
            calls_out: n == 5,
        };
        add(&mut world, &format!("west-{n}"), script, &everything(), seed)
    });
    let devices: Vec<DeviceIndex> = devices.collect();
    for _ in 0..30 {
        world.run_for(10 * SECOND);
        // Where a battery is empty, somebody brings another.
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
fn a_crowd_in_a_world_of_all_faults_is_accounted_for() {
    let world = crowd(1);
    assert_accounts_close(&world);
    let counters = world.broker().counters();
    assert!(
        counters.delivered > 1_000 && counters.wills > 10,
        "the crowd talks, or its history shows little: {counters:?}"
    );
}

#[test]
fn every_message_of_a_realistic_world_is_accounted_for() {
    let world = twenty_minutes(1);
    assert_accounts_close(&world);
    let (counts, counters) = (world.counts(), world.broker().counters());
    // From the devices to the broker: nothing is under way now, as the link takes no time.
    let sent: u64 = world.devices().map(|device| device.ledger().sent).sum();
    assert_eq!(sent + counters.wills, counters.received + counts.lost_up);
    // And from the broker to the monitor.
    let monitor = world.device(DeviceIndex(0)).expect("it was added first").ledger();
    assert_eq!(monitor.arrived + counts.lost_down, counters.delivered);
    // The world was realistic: there were losses, silences and wills.
    let faults = world.devices().fold((0, 0), |(dropped, outages), device| {
        let total = device.ledger().fault_total();
        (dropped + total.dropped(), outages + total.outages)
    });
    assert!(faults.0 > 5_000 && faults.1 > 50 && counters.wills > 50, "{faults:?}, {} wills", counters.wills);
}

/// Time may pass in one go or in many, and is the same.
#[test]
fn where_a_run_is_interrupted_makes_no_difference() {
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
