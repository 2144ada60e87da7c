//! The same seed, the same history; and accounts that close at its end.

use std::time::Duration;

use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::message::Qos;
use wasmote_sim::time::Time;
use wasmote_sim::virtual_time::observer::DeviceIndex;
use wasmote_sim::virtual_time::options::Options;

use super::world::{Script, World, add, assert_accounts_close, world};

const SECOND: Duration = Duration::from_secs(1);

/// Fifty devices for twenty minutes in a realistic world, with one that listens to all.
fn twenty_minutes(seed: u64) -> World {
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

#[test]
fn the_same_seed_gives_the_same_history() {
    let digest = |seed| twenty_minutes(seed).observer().1.to_string();
    let first = digest(7);
    assert_eq!(first, digest(7));
    assert_ne!(first, digest(8));
}

#[test]
fn every_message_of_a_realistic_world_is_accounted_for() {
    let world = twenty_minutes(1);
    assert_accounts_close(&world);
    let (counts, tally) = (world.counts(), world.broker().tally());
    // From the devices to the broker: nothing is under way now, as the link takes no time.
    let sent: u64 = world.devices().map(|device| device.ledger().sent).sum();
    assert_eq!(sent + tally.wills, tally.received + counts.lost_up);
    // And from the broker to the monitor.
    let monitor = world.device(DeviceIndex(0)).expect("it was added first").ledger();
    assert_eq!(monitor.arrived + counts.lost_down, tally.delivered);
    // The world was realistic: there were losses, silences and wills.
    let faults = world.devices().fold((0, 0), |(dropped, outages), device| {
        let total = device.ledger().fault_total();
        (dropped + total.dropped(), outages + total.outages)
    });
    assert!(faults.0 > 5_000 && faults.1 > 50 && tally.wills > 50, "{faults:?}, {} wills", tally.wills);
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
