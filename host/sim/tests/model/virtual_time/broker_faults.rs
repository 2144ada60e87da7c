//! Failures of the broker.

use std::time::Duration;

use serde_json::json;
use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::ConnectionState;
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::document::{FaultDocument, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::observer::DeviceIndex;
use wasmote_sim::virtual_time::options::Options;

use super::world::{Script, World, add, assert_balanced, noticed, received, world};
use crate::harness::{at_qos_1, document, fault, message};

const SECOND: Duration = Duration::from_secs(1);
const MEMORY_ONLY: Failure = Failure::Restart { persistent: false };
const PERSISTENT: Failure = Failure::Restart { persistent: true };

fn script(qos: Qos, interval: Duration) -> Script {
    Script { publishes: Some(("t", qos, interval)), ..Script::default() }
}

/// A subscriber and a publisher, connected for a while.
fn pair(subscribes: Qos, publisher: Script, options: Options) -> (World, DeviceIndex, DeviceIndex) {
    let mut world = world(options);
    let none = FaultDocument::default();
    let subscribes = Script { subscribes: Some(("#", subscribes)), ..Script::default() };
    let subscriber = add(&mut world, "listener", subscribes, &none, 1);
    let publisher = add(&mut world, "talker", publisher, &none, 1);
    world.run_until(Time::ZERO + 20 * SECOND);
    (world, subscriber, publisher)
}

fn fail(world: &mut World, failure: Failure, lasting: Duration) {
    world.fail_broker("by-hand".into(), failure, lasting);
}

fn lost(world: &World, device: DeviceIndex) -> Vec<(Time, String)> {
    noticed(world, device, |notice| match notice {
        DeviceNotice::Disconnected(end, _) => Some(end.reason.clone()),
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

/// Counts that the subscriber received, each once.
fn received_counts(world: &World, subscriber: DeviceIndex) -> Vec<u64> {
    let mut counts: Vec<u64> =
        received(world, subscriber).iter().filter_map(|(_, payload)| payload.parse().ok()).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

fn lasting_sessions() -> Options {
    let client = ClientOptions { session_expiry: 3_600, ..ClientOptions::default() };
    Options { client: client.into(), ..Options::default() }
}

#[test]
fn a_short_pause_delays_messages_without_loss() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let (mut world, subscriber, publisher) = pair(qos, script(qos, SECOND / 10), Options::default());
        let from = world.now().run;
        fail(&mut world, Failure::Pause, 4 * SECOND);
        world.run_for(20 * SECOND);
        assert_balanced(&world);
        let until = from + 4 * SECOND;
        let times: Vec<Time> = received(&world, subscriber).into_iter().map(|(at, _)| at).collect();
        assert!(
            !times.iter().any(|at| *at > from && *at < until),
            "{qos}: the broker sends nothing meanwhile"
        );
        assert!(times.iter().filter(|at| **at == until).count() >= 20, "{qos}");
        let counts = received_counts(&world, subscriber);
        assert!(counts.windows(2).all(|pair| pair[1] == pair[0] + 1), "{qos}: none is missing");
        assert!(lost(&world, publisher).is_empty() && lost(&world, subscriber).is_empty());
    }
}

/// The broker's timers are suspended too: it detects silent clients only after the pause.
#[test]
fn in_a_long_pause_clients_disconnect_and_the_broker_is_late() {
    let (mut world, subscriber, publisher) =
        pair(Qos::AtLeastOnce, Script { will: Some("state"), ..Script::default() }, Options::default());
    fail(&mut world, Failure::Pause, 60 * SECOND);
    let until = world.now().run + 60 * SECOND;
    world.run_for(100 * SECOND);
    assert_balanced(&world);
    let lost = lost(&world, publisher);
    assert!(lost[0].1.contains("did not answer the keepalive"), "{lost:?}");
    assert!(lost.iter().skip(1).all(|(at, why)| *at > until || why.contains("no answer")), "{lost:?}");
    let wills = received(&world, subscriber);
    assert!(wills.iter().all(|(at, _)| *at >= until), "{wills:?}");
    for device in [subscriber, publisher] {
        assert_eq!(world.device(device).expect("it is there").connection(), &ConnectionState::Up);
    }
}

#[test]
fn while_the_broker_is_down_connections_are_refused() {
    let (mut world, subscriber, publisher) =
        pair(Qos::AtMostOnce, script(Qos::AtMostOnce, SECOND / 10), Options::default());
    let from = world.now().run;
    fail(&mut world, MEMORY_ONLY, 5 * SECOND);
    world.run_for(40 * SECOND);
    assert_balanced(&world);
    let lost = lost(&world, publisher);
    assert_eq!(lost[0], (from, "the broker is shutting down".to_owned()));
    assert!(lost.len() >= 3, "{lost:?}");
    assert!(lost[1..].iter().all(|(at, why)| why == "there is no broker" && *at < from + 5 * SECOND));
    let times = received(&world, subscriber);
    assert!(!times.iter().any(|(at, _)| *at > from && *at < from + 5 * SECOND));
    assert!(times.iter().any(|(at, _)| *at > from + 30 * SECOND), "the subscription is restored");
}

#[test]
fn only_a_broker_with_persistence_keeps_its_state() {
    for (failure, remembers) in [(PERSISTENT, true), (MEMORY_ONLY, false)] {
        let (mut world, subscriber, _) = pair(Qos::AtLeastOnce, Script::default(), lasting_sessions());
        world.publish(message("kept", "retained").with_retain(true));
        world.run_for(SECOND);
        fail(&mut world, failure, 5 * SECOND);
        world.run_for(5 * SECOND);
        // The broker is up again, and the subscriber has not reconnected, or only just.
        world.publish(at_qos_1("news", "after"));
        world.run_for(60 * SECOND);
        assert_balanced(&world);
        assert_eq!(sessions_found(&world, subscriber), [false, remembers]);
        let stats = world.broker().stats();
        assert_eq!((stats.retained, stats.subscriptions), (usize::from(remembers), 1));
        let news = received(&world, subscriber).iter().filter(|(_, payload)| payload == "after").count();
        assert_eq!(news, usize::from(remembers), "the message is queued in the session");
    }
}

#[test]
fn at_qos_1_no_message_is_lost_over_restarts_with_persistence() {
    let (mut world, subscriber, _) =
        pair(Qos::AtLeastOnce, script(Qos::AtLeastOnce, SECOND / 2), lasting_sessions());
    for _ in 0..5 {
        fail(&mut world, PERSISTENT, 3 * SECOND);
        world.run_for(60 * SECOND);
    }
    assert_balanced(&world);
    let counts = received_counts(&world, subscriber);
    assert!(counts.len() > 500 && counts.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

/// Wills of the closed connections: a broker with persistence may publish them after its restart, unless
/// their devices have reconnected.
#[test]
fn wills_survive_a_restart_with_persistence() {
    for (failure, wills) in [(PERSISTENT, 1), (MEMORY_ONLY, 0)] {
        let script = Script { will: Some("state"), ..Script::default() };
        let (mut world, _, _) = pair(Qos::AtMostOnce, script, Options::default());
        fail(&mut world, failure, 5 * SECOND);
        world.run_for(60 * SECOND);
        assert_eq!(world.broker().counters().wills, wills);
        assert_balanced(&world);
    }
}

#[test]
fn a_document_sets_the_recurrence_of_broker_faults() {
    let (mut world, subscriber, _) =
        pair(Qos::AtMostOnce, script(Qos::AtMostOnce, SECOND), Options::default());
    let entry = fault(json!({
        "kind": Kind::BrokerRestart,
        "every": Span(100 * SECOND),
        "probability": 1.0,
        "for": Span(10 * SECOND),
    }));
    let faults = document([entry]).faults().expect("valid");
    world.set_broker_faults(&faults, Seed::new(1));
    world.run_for(1_000 * SECOND);
    assert_balanced(&world);
    let shut_down = lost(&world, subscriber).iter().filter(|(_, why)| why.contains("shutting down")).count();
    assert_eq!(shut_down, 10);
}

/// Repeated pauses and restarts of both kinds, with messages at QoS 0 in both directions over a link with
/// latency. Every message is received or counted as lost.
#[test]
fn every_message_is_accounted_for_through_failures_of_the_broker() {
    let latency = SECOND / 20;
    let (mut world, subscriber, publisher) =
        pair(Qos::AtMostOnce, script(Qos::AtMostOnce, SECOND / 8), Options { latency, ..Options::default() });
    let failures = [Failure::Pause, PERSISTENT, MEMORY_ONLY];
    for round in 0..120 {
        fail(&mut world, failures[round % 3], Duration::from_millis(700 * (1 + round as u64 % 17)));
        // Connections stand for long enough to reset the pause before the next reconnect.
        world.run_for(45 * SECOND);
        assert_balanced(&world);
    }
    world.put(publisher, wasmote_sim::device::Input::Stop(wasmote_sim::event::StopReason::Requested));
    world.run_for(60 * SECOND);
    assert_balanced(&world);
    let (counts, counters) = (world.counts(), world.broker().counters().clone());
    let publisher = world.device(publisher).expect("it is there").ledger();
    assert_eq!(publisher.sent, counters.received + counts.lost_up);
    let subscriber = world.device(subscriber).expect("it is there").ledger();
    assert_eq!(subscriber.arrived + counts.lost_down, counters.delivered);
    assert!(counts.lost_up > 10 && subscriber.received > 1_000, "{counts:?} {subscriber:?}");
}
