//! QoS 1 and 2 end to end, over broken connections.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::Input;
use wasmote_sim::faults::document::{FaultDocument, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::virtual_time::options::Options;

use super::world::{Script, World, add, assert_balanced, received, world};
use crate::harness::{document, fault};

const SECOND: Duration = Duration::from_secs(1);

/// Repeated disconnects and silences at both ends.
fn broken() -> FaultDocument {
    let outage = |kind, every: u32, lasting: u32| {
        fault(json!({
            "kind": kind,
            "every": Span(every * SECOND),
            "probability": 0.5,
            "for": Span(lasting * SECOND),
        }))
    };
    document([outage(Kind::Disconnect, 7, 2), outage(Kind::Silence, 31, 17)])
}

/// Messages every 150 ms for five minutes over a link of 60 ms, then a minute without faults.
fn publish_through_faults(qos: Qos, seed: u64) -> (World, u64, Vec<u64>) {
    let latency = Duration::from_millis(60);
    let client = Arc::new(ClientOptions { session_expiry: 3_600, ..ClientOptions::default() });
    let mut world = world(Options { latency, client, ..Options::default() });
    let subscribes = Some(("t", qos));
    let listener = add(&mut world, "listener", Script { subscribes, ..Script::default() }, &broken(), seed);
    let publishes = Some(("t", qos, Duration::from_millis(150)));
    let publisher = add(&mut world, "talker", Script { publishes, ..Script::default() }, &broken(), seed);
    world.run_until(Time::ZERO + 300 * SECOND);
    for device in [listener, publisher] {
        world.put(device, Input::SetFaults(Vec::new().into()));
    }
    world.run_for(60 * SECOND);
    assert_balanced(&world);
    let ledger = world.device(publisher).expect("it is there").ledger().clone();
    let arrivals = received(&world, listener);
    let counts = arrivals.iter().map(|(_, payload)| payload.parse().expect("a count")).collect();
    assert!(world.counts().lost_down > 0, "the connections broke with messages on them");
    (world, ledger.generated - ledger.refused.total(), counts)
}

#[test]
fn qos_1_arrives_at_least_once_and_qos_2_exactly_once() {
    for seed in 0..5 {
        let (_, generated, counts) = publish_through_faults(Qos::AtLeastOnce, seed);
        let once: BTreeSet<u64> = counts.iter().copied().collect();
        // The last message may still be in flight.
        assert!(generated - once.len() as u64 <= 1, "seed {seed}: {} of {generated}", once.len());
        assert!(counts.len() > once.len(), "seed {seed}: some messages must arrive twice");

        let (_, generated, counts) = publish_through_faults(Qos::ExactlyOnce, seed);
        assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: in order, none twice");
        assert!(generated - counts.len() as u64 <= 1, "seed {seed}: {} of {generated}", counts.len());
    }
}
