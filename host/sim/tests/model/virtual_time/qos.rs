//! QoS 1 and 2 from end to end, over connections that break.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::Input;
use wasmote_sim::faults::document::{FaultDocument, FaultEntry, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::virtual_time::options::Options;

use super::world::{Script, World, add, assert_accounts_close, received, world};
use crate::harness::document;

const SECOND: Duration = Duration::from_secs(1);

/// Both ends lose their connections again and again, and are silent in between.
fn broken() -> FaultDocument {
    let outage = |kind, every: u32, lasting: u32| FaultEntry {
        kind,
        every: Some(Span(every * SECOND)),
        probability: Some(0.5),
        lasting: Some(Span(lasting * SECOND)),
        ..FaultEntry::default()
    };
    document([outage(Kind::Disconnect, 7, 2), outage(Kind::Silence, 31, 17)])
}

/// Messages every 150 ms for five minutes over a link of 60 ms, then a minute of peace.
fn talk(qos: Qos, seed: u64) -> (World, u64, Vec<u64>) {
    let latency = Duration::from_millis(60);
    let client = Arc::new(ClientOptions { session_expiry: 3_600, ..ClientOptions::default() });
    let mut world = world(Options { latency, client, ..Options::default() });
    let listens = Some(("t", qos));
    let listener = add(&mut world, "listener", Script { listens, ..Script::default() }, &broken(), seed);
    let publishes = Some(("t", qos, Duration::from_millis(150)));
    let talker = add(&mut world, "talker", Script { publishes, ..Script::default() }, &broken(), seed);
    world.run_until(Time::ZERO + 300 * SECOND);
    for device in [listener, talker] {
        world.put(device, Input::SetFaults(Vec::new().into()));
    }
    world.run_for(60 * SECOND);
    assert_accounts_close(&world);
    let ledger = world.device(talker).expect("it is there").ledger().clone();
    let heard = received(&world, listener);
    let counts = heard.iter().map(|(_, payload)| payload.parse().expect("a count")).collect();
    assert!(world.counts().lost_down > 0, "the connections broke with messages on them");
    (world, ledger.generated - ledger.refused_full, counts)
}

#[test]
fn qos_1_arrives_at_least_once_and_qos_2_exactly_once() {
    for seed in 0..5 {
        let (_, generated, heard) = talk(Qos::AtLeastOnce, seed);
        let once: BTreeSet<u64> = heard.iter().copied().collect();
        // The last of them may still be under way.
        assert!(generated - once.len() as u64 <= 1, "seed {seed}: {} of {generated}", once.len());
        assert!(heard.len() > once.len(), "seed {seed}: some came twice, or the test shows nothing");

        let (_, generated, heard) = talk(Qos::ExactlyOnce, seed);
        assert!(heard.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: in order, none twice");
        assert!(generated - heard.len() as u64 <= 1, "seed {seed}: {} of {generated}", heard.len());
    }
}
