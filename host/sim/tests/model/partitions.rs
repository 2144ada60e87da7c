//! One way and two ways, from the broker and from each other.

use std::time::Duration;

use wasmote_sim::device::Input;
use wasmote_sim::faults::Directions;
use wasmote_sim::faults::document::{FaultDocument, FaultEntry, Kind};
use wasmote_sim::faults::span::Span;

use crate::harness::{Harness, document, idle, message, ticker};

fn cut(direction: Directions, peers: &[&str]) -> FaultDocument {
    document([FaultEntry {
        kind: Kind::Partition,
        group: Some("west".into()),
        direction: Some(direction),
        peers: (!peers.is_empty()).then(|| peers.iter().map(ToString::to_string).collect()),
        ..FaultEntry::default()
    }])
}

/// How many of three messages each gets through: west's own, those it hears from east, and those that
/// east hears from west.
fn traffic(faults: &FaultDocument) -> (usize, u64, u64) {
    let mut west = Harness::named("west-0", "west", idle, faults.clone(), 1);
    let mut east = Harness::named("east-0", "east", idle, faults.clone(), 1);
    for _ in 0..3 {
        west.put(Input::Publish(message("t", "x")));
        west.hear("east-0");
        east.hear("west-0");
    }
    assert!(west.closes() && east.closes());
    (west.published(), west.device.ledger().received, east.device.ledger().received)
}

#[test]
fn without_peers_the_broker_is_on_the_other_side() {
    assert_eq!(traffic(&FaultDocument::default()), (3, 3, 3));
    assert_eq!(traffic(&cut(Directions::Out, &[])), (0, 3, 3));
    assert_eq!(traffic(&cut(Directions::In, &[])), (3, 0, 3));
    assert_eq!(traffic(&cut(Directions::Both, &[])), (0, 0, 3));
}

#[test]
fn with_peers_only_their_traffic_is_cut() {
    assert_eq!(traffic(&cut(Directions::In, &["east-*"])), (3, 0, 3));
    assert_eq!(traffic(&cut(Directions::Out, &["east-*"])), (3, 3, 0));
    assert_eq!(traffic(&cut(Directions::Both, &["east-*"])), (3, 0, 0));
    assert_eq!(traffic(&cut(Directions::Both, &["north-*"])), (3, 3, 3));
}

#[test]
fn both_sides_of_a_partition_that_comes_and_goes_agree_on_when() {
    let mut faults = cut(Directions::Both, &["east-*"]);
    let entry = &mut faults.faults[0];
    entry.every = Some(Span(Duration::from_secs(10)));
    entry.lasting = Some(Span(Duration::from_secs(10)));
    entry.probability = Some(0.5);
    let mut west = Harness::named("west-0", "west", ticker, faults.clone(), 5);
    let mut east = Harness::named("east-0", "east", ticker, faults, 5);
    let mut changes = 0;
    let mut cut_before = false;
    for _ in 0..200 {
        west.run(Duration::from_secs(5));
        east.run(Duration::from_secs(5));
        let (heard_west, heard_east) = (west.device.ledger().received, east.device.ledger().received);
        west.hear("east-0");
        east.hear("west-0");
        let cut_west = west.device.ledger().received == heard_west;
        let cut_east = east.device.ledger().received == heard_east;
        assert_eq!(cut_west, cut_east);
        changes += u32::from(cut_west != cut_before);
        cut_before = cut_west;
    }
    assert!(changes > 10, "it came and went {changes} times");
}
