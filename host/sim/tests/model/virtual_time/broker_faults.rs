//! A broker that stands still, or is not there for a while.

use std::time::Duration;

use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::ConnectionState;
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::document::{FaultDocument, FaultEntry, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::observer::DeviceIndex;
use wasmote_sim::virtual_time::options::Options;

use super::world::{Script, World, add, assert_accounts_close, noticed, received, world};
use crate::harness::{at_qos_1, document, message};

const SECOND: Duration = Duration::from_secs(1);
const MEMORY_ONLY: Failure = Failure::Restart { persistent: false };
const PERSISTENT: Failure = Failure::Restart { persistent: true };

fn script(qos: Qos, interval: Duration) -> Script {
    Script { publishes: Some(("t", qos, interval)), ..Script::default() }
}

/// A listener and a talker, connected for a while.
fn pair(listens: Qos, talker: Script, options: Options) -> (World, DeviceIndex, DeviceIndex) {
    let mut world = world(options);
    let none = FaultDocument::default();
    let listens = Script { listens: Some(("#", listens)), ..Script::default() };
    let listener = add(&mut world, "listener", listens, &none, 1);
    let talker = add(&mut world, "talker", talker, &none, 1);
    world.run_until(Time::ZERO + 20 * SECOND);
    (world, listener, talker)
}

fn fail(world: &mut World, failure: Failure, lasting: Duration) {
    world.fail_broker("by-hand".into(), failure, lasting);
}

fn lost(world: &World, device: DeviceIndex) -> Vec<(Time, String)> {
    noticed(world, device, |notice| match notice {
        DeviceNotice::Disconnected(reason, _) => Some(reason.clone()),
        _ => None,
    })
}

fn sessions_found(world: &World, device: DeviceIndex) -> Vec<bool> {
    let found = noticed(world, device, |notice| match notice {
        DeviceNotice::Connected(session_present) => Some(*session_present),
        _ => None,
    });
    found.into_iter().map(|(_, found)| found).collect()
}

/// How many of the talker's counts were heard, each once.
fn heard(world: &World, listener: DeviceIndex) -> Vec<u64> {
    let mut counts: Vec<u64> =
        received(world, listener).iter().filter_map(|(_, payload)| payload.parse().ok()).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

fn lasting_sessions() -> Options {
    let client = ClientOptions { session_expiry: 3_600, ..ClientOptions::default() };
    Options { client: client.into(), ..Options::default() }
}

#[test]
fn a_short_pause_makes_everything_late_and_loses_nothing() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let (mut world, listener, talker) = pair(qos, script(qos, SECOND / 10), Options::default());
        let from = world.now().run;
        fail(&mut world, Failure::Pause, 4 * SECOND);
        world.run_for(20 * SECOND);
        assert_accounts_close(&world);
        let until = from + 4 * SECOND;
        let times: Vec<Time> = received(&world, listener).into_iter().map(|(at, _)| at).collect();
        assert!(!times.iter().any(|at| *at > from && *at < until), "{qos}: nothing leaves it meanwhile");
        assert!(times.iter().filter(|at| **at == until).count() >= 20, "{qos}");
        let counts = heard(&world, listener);
        assert!(counts.windows(2).all(|pair| pair[1] == pair[0] + 1), "{qos}: none is missing");
        assert!(lost(&world, talker).is_empty() && lost(&world, listener).is_empty());
    }
}

/// Its timers stand still with it: a client that fell silent is given up only when it goes on.
#[test]
fn in_a_long_pause_clients_give_up_and_the_broker_is_late() {
    let (mut world, listener, talker) =
        pair(Qos::AtLeastOnce, Script { will: Some("state"), ..Script::default() }, Options::default());
    fail(&mut world, Failure::Pause, 60 * SECOND);
    let until = world.now().run + 60 * SECOND;
    world.run_for(100 * SECOND);
    assert_accounts_close(&world);
    let lost = lost(&world, talker);
    assert!(lost[0].1.contains("did not answer the keepalive"), "{lost:?}");
    assert!(lost.iter().skip(1).all(|(at, why)| *at > until || why.contains("no answer")), "{lost:?}");
    let wills = received(&world, listener);
    assert!(wills.iter().all(|(at, _)| *at >= until), "{wills:?}");
    for device in [listener, talker] {
        assert_eq!(world.device(device).expect("it is there").connection(), &ConnectionState::Up);
    }
}

#[test]
fn while_there_is_no_broker_connections_are_refused_and_all_come_back() {
    let (mut world, listener, talker) =
        pair(Qos::AtMostOnce, script(Qos::AtMostOnce, SECOND / 10), Options::default());
    let from = world.now().run;
    fail(&mut world, MEMORY_ONLY, 5 * SECOND);
    world.run_for(40 * SECOND);
    assert_accounts_close(&world);
    let lost = lost(&world, talker);
    assert_eq!(lost[0], (from, "the broker is shutting down".to_owned()));
    assert!(lost.len() >= 3, "{lost:?}");
    assert!(lost[1..].iter().all(|(at, why)| why == "there is no broker" && *at < from + 5 * SECOND));
    let times = received(&world, listener);
    assert!(!times.iter().any(|(at, _)| *at > from && *at < from + 5 * SECOND));
    assert!(times.iter().any(|(at, _)| *at > from + 30 * SECOND), "it has subscribed again");
}

#[test]
fn a_broker_with_persistence_knows_what_one_without_has_forgotten() {
    for (failure, remembers) in [(PERSISTENT, true), (MEMORY_ONLY, false)] {
        let (mut world, listener, _) = pair(Qos::AtLeastOnce, Script::default(), lasting_sessions());
        world.publish(message("kept", "retained").with_retain(true));
        world.run_for(SECOND);
        fail(&mut world, failure, 5 * SECOND);
        world.run_for(5 * SECOND);
        // It is back, and the listener is not yet, or has just come.
        world.publish(at_qos_1("news", "after"));
        world.run_for(60 * SECOND);
        assert_accounts_close(&world);
        assert_eq!(sessions_found(&world, listener), [false, remembers]);
        let stats = world.broker().stats();
        assert_eq!((stats.retained, stats.subscriptions), (usize::from(remembers), 1));
        let news = received(&world, listener).iter().filter(|(_, payload)| payload == "after").count();
        assert_eq!(news, usize::from(remembers), "what is published to the absent waits in its session");
    }
}

#[test]
fn at_qos_1_nothing_is_missing_after_a_persistent_broker_restarts() {
    let (mut world, listener, _) =
        pair(Qos::AtLeastOnce, script(Qos::AtLeastOnce, SECOND / 2), lasting_sessions());
    for _ in 0..5 {
        fail(&mut world, PERSISTENT, 3 * SECOND);
        world.run_for(60 * SECOND);
    }
    assert_accounts_close(&world);
    let counts = heard(&world, listener);
    assert!(counts.len() > 500 && counts.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

/// The wills of the connections that ended with it: a broker that has written them down may publish them when
/// it is back, as long as their devices are not.
#[test]
fn wills_outlive_a_broker_that_writes_them_down() {
    for (failure, wills) in [(PERSISTENT, 1), (MEMORY_ONLY, 0)] {
        let script = Script { will: Some("state"), ..Script::default() };
        let (mut world, _, _) = pair(Qos::AtMostOnce, script, Options::default());
        fail(&mut world, failure, 5 * SECOND);
        world.run_for(60 * SECOND);
        assert_eq!(world.broker().counters().wills, wills);
        assert_accounts_close(&world);
    }
}

#[test]
fn a_document_sets_the_recurrence_of_broker_faults() {
    let (mut world, listener, _) = pair(Qos::AtMostOnce, script(Qos::AtMostOnce, SECOND), Options::default());
    let entry = FaultEntry {
        kind: Kind::BrokerRestart,
        every: Some(Span(100 * SECOND)),
        probability: Some(1.0),
        lasting: Some(Span(10 * SECOND)),
        ..FaultEntry::default()
    };
    let faults = document([entry]).faults().expect("valid");
    world.set_broker_faults(&faults, Seed::new(1));
    world.run_for(1_000 * SECOND);
    assert_accounts_close(&world);
    let shut_down = lost(&world, listener).iter().filter(|(_, why)| why.contains("shutting down")).count();
    assert_eq!(shut_down, 10);
}

/// Pauses and restarts of both sorts, again and again, with messages at QoS 0 to and fro over a link that takes
/// its time: whatever is sent is received, or lost at a place that is counted.
#[test]
fn every_message_is_accounted_for_through_failures_of_the_broker() {
    let latency = SECOND / 20;
    let (mut world, listener, talker) =
        pair(Qos::AtMostOnce, script(Qos::AtMostOnce, SECOND / 8), Options { latency, ..Options::default() });
    let failures = [Failure::Pause, PERSISTENT, MEMORY_ONLY];
    for round in 0..120 {
        fail(&mut world, failures[round % 3], Duration::from_millis(700 * (1 + round as u64 % 17)));
        world.run_for(7 * SECOND);
        assert_accounts_close(&world);
    }
    world.put(talker, wasmote_sim::device::Input::Stop(wasmote_sim::event::StopReason::Requested));
    world.run_for(60 * SECOND);
    assert_accounts_close(&world);
    let (counts, counters) = (world.counts(), world.broker().counters().clone());
    let talker = world.device(talker).expect("it is there").ledger();
    assert_eq!(talker.sent - talker.returned, counters.received + counts.lost_up);
    let listener = world.device(listener).expect("it is there").ledger();
    assert_eq!(listener.arrived + counts.lost_down, counters.delivered);
    assert!(counts.lost_up > 10 && listener.received > 1_000, "{counts:?} {listener:?}");
}
