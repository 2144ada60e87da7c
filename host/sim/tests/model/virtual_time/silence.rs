//! Effects of a silence of a device.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use wasmote_mqtt::broker::packet::Request;
use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::time::Time;
use wasmote_sim::faults::document::{FaultDocument, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::virtual_time::options::Options;

use super::world::{Script, World, add, assert_balanced, noticed, received, world};
use crate::harness::{document, fault};

const SECOND: Duration = Duration::from_secs(1);

/// One silence in every hundred seconds.
fn silence(lasting: Duration) -> FaultDocument {
    document([fault(
        json!({"kind": Kind::Silence, "every": Span(100 * SECOND), "probability": 1.0, "for": Span(lasting)}),
    )])
}

fn first_silence(world: &World, device: wasmote_sim::virtual_time::observer::DeviceIndex) -> (Time, Time) {
    let silences = noticed(world, device, |notice| match notice {
        DeviceNotice::FaultBegan(_, _, until) => Some(*until),
        _ => None,
    });
    silences[0]
}

/// Exact times of the ping, the silence, the keepalive timeout, the will, the end of the silence, the delay
/// and the reconnect, with and without a latency of the link.
#[test]
fn a_long_silence_ends_in_a_will_and_a_reconnect() {
    for latency in [Duration::ZERO, Duration::from_nanos(3_000_001)] {
        let mut world = world(Options { latency, ..Options::default() });
        let subscribes = Some(("state", Qos::AtLeastOnce));
        let none = FaultDocument::default();
        let witness = add(&mut world, "witness", Script { subscribes, ..Script::default() }, &none, 1);
        let script = Script { will: Some("state"), ..Script::default() };
        let device = add(&mut world, "device", script, &silence(30 * SECOND), 1);
        world.run_until(Time::ZERO + 135 * SECOND);

        let (silent_from, silent_until) = first_silence(&world, device);
        // The device sends only pings, every ten seconds from the connection on.
        let pings = silent_from.elapsed().as_secs() / 10;
        let last_sent = Time::ZERO + Duration::from_secs(10 * pings);
        // Latency to the broker, keepalive timeout [MQTT-3.1.2-22], and latency to the witness.
        let will_due = last_sent + latency + 15 * SECOND + latency;
        assert_eq!(received(&world, witness), [(will_due, "offline".to_owned())]);

        let lost = noticed(&world, device, |notice| match notice {
            DeviceNotice::Disconnected(end, pause) => Some((end.reason.clone(), *pause)),
            _ => None,
        });
        let [(lost_at, (reason, pause))] = &lost[..] else { panic!("{lost:?}") };
        assert_eq!(reason, "keepalive timed out");
        assert_eq!(*lost_at, silent_until, "the device detects it when it reads again");

        let connected = noticed(&world, device, |notice| match notice {
            DeviceNotice::Connected(session_present) => Some(*session_present),
            _ => None,
        });
        let back_at = *lost_at + *pause + latency + latency;
        assert_eq!(connected, [(Time::ZERO + latency + latency, false), (back_at, false)]);
        assert_balanced(&world);
    }
}

#[test]
fn a_short_silence_has_no_effect() {
    let mut world = world(Options::default());
    let subscribes = Some(("state", Qos::AtLeastOnce));
    let none = FaultDocument::default();
    let witness = add(&mut world, "witness", Script { subscribes, ..Script::default() }, &none, 1);
    let script = Script { will: Some("state"), ..Script::default() };
    let device = add(&mut world, "device", script, &silence(4 * SECOND), 1);
    world.run_until(Time::ZERO + 120 * SECOND);
    first_silence(&world, device);
    assert!(received(&world, witness).is_empty());
    let downs =
        noticed(&world, device, |notice| matches!(notice, DeviceNotice::Disconnected(..)).then_some(()));
    assert!(downs.is_empty());
    assert_eq!(world.broker().counters().wills, 0);
}

/// A subscriber is silent for four seconds while a device publishes every tenth of a second.
fn receive_through_a_silence(qos: Qos, options: Options) -> (World, Vec<(Time, String)>, (Time, Time)) {
    let mut world = world(options);
    let script = Script { subscribes: Some(("t", qos)), ..Script::default() };
    let device = add(&mut world, "device", script, &silence(4 * SECOND), 1);
    let publishes = Some(("t", qos, SECOND / 10));
    add(&mut world, "publisher", Script { publishes, ..Script::default() }, &FaultDocument::default(), 1);
    world.run_until(Time::ZERO + 120 * SECOND);
    let silence = first_silence(&world, device);
    let received = received(&world, device);
    assert_balanced(&world);
    (world, received, silence)
}

#[test]
fn packets_of_a_short_silence_are_read_at_its_end() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let (world, received, (from, until)) = receive_through_a_silence(qos, Options::default());
        assert!(!received.iter().any(|(at, _)| (from..until).contains(at)), "it reads nothing meanwhile");
        let at_its_end = received.iter().filter(|(at, _)| *at == until).count();
        assert!((40..=41).contains(&at_its_end), "{qos}: {at_its_end}");
        let counts: Vec<u64> =
            received.iter().map(|(_, payload)| payload.parse().expect("a count")).collect();
        assert!(counts.is_sorted() && counts.windows(2).all(|pair| pair[1] == pair[0] + 1), "{qos}");
        assert_eq!(world.counts().lost_down, 0);
    }
}

#[test]
fn unread_buffers_are_bounded() {
    let client = Arc::new(ClientOptions { unread: 10, ..ClientOptions::default() });
    let options = Options { client, ..Options::default() };
    let (world, received, (_, until)) = receive_through_a_silence(Qos::AtMostOnce, options);
    assert_eq!(received.iter().filter(|(at, _)| *at == until).count(), 10);
    assert!((30..=31).contains(&world.counts().lost_down));
    let counters = world.broker().counters();
    assert_eq!(counters.delivered, received.len() as u64 + world.counts().lost_down);
}

#[test]
fn an_idle_device_sends_pings_and_a_busy_one_does_not() {
    let pings = |script: Script| {
        let mut world = world(Options::default());
        add(&mut world, "device", script, &FaultDocument::default(), 1);
        world.run_until(Time::ZERO + 100 * SECOND);
        assert_eq!(world.broker().stats().connected, 1);
        let requests = &world.observer().0.requests;
        let pings = requests.iter().filter(|(.., request)| *request == Request::PingReq);
        pings.map(|(at, ..)| at.elapsed().as_secs()).collect::<Vec<_>>()
    };
    let all: Vec<u64> = (1..=10).map(|times| 10 * times).collect();
    assert_eq!(pings(Script::default()), all);
    let publishes = Some(("t", Qos::AtMostOnce, SECOND));
    assert_eq!(pings(Script { publishes, ..Script::default() }), all, "it receives no packets");
    let publishes = Some(("t", Qos::AtLeastOnce, SECOND));
    assert!(pings(Script { publishes, ..Script::default() }).is_empty());
}

#[test]
fn repeated_http_requests_do_not_stop_the_clock() {
    let mut world = world(Options::default());
    add(&mut world, "device", Script { sends_http: true, ..Script::default() }, &FaultDocument::default(), 1);
    world.run_until(Time::ZERO + SECOND);
    assert!((9_000..=10_010).contains(&world.counts().inputs), "{:?}", world.counts());
}
