//! Partitions in one direction and in both, from the broker and between devices.

use std::time::Duration;

use serde_json::json;
use wasmote_sim::device::Input;
use wasmote_sim::faults::Directions;
use wasmote_sim::faults::document::{FaultDocument, Kind};
use wasmote_sim::faults::span::Span;

use crate::harness::{Harness, document, fault, idle, message, ticker, with};

fn cut(direction: Directions, peers: &[&str]) -> FaultDocument {
    document([fault(json!({
        "kind": Kind::Partition,
        "group": "west",
        "direction": direction,
        "peers": (!peers.is_empty()).then(|| peers.iter().map(ToString::to_string).collect::<Vec<_>>()),
    }))])
}

/// Of three messages each: west's own that are sent, those that west receives from east, and those that east
/// receives from west.
fn traffic(faults: &FaultDocument) -> (usize, u64, u64) {
    let mut west = Harness::named("west-0", "west", idle, faults.clone(), 1);
    let mut east = Harness::named("east-0", "east", idle, faults.clone(), 1);
    for _ in 0..3 {
        west.put(Input::Publish(message("t", "x")));
        west.deliver_from("east-0");
        east.deliver_from("west-0");
    }
    assert!(west.closes() && east.closes());
    (west.published(), west.device.ledger().received, east.device.ledger().received)
}

#[test]
fn without_peers_the_device_is_cut_off_from_the_broker() {
    assert_eq!(traffic(&FaultDocument::default()), (3, 3, 3));
    assert_eq!(traffic(&cut(Directions::Out, &[])), (0, 3, 3));
    assert_eq!(traffic(&cut(Directions::In, &[])), (3, 0, 3));
    assert_eq!(traffic(&cut(Directions::Both, &[])), (0, 0, 3));
}

#[test]
fn with_peers_only_their_traffic_is_dropped() {
    assert_eq!(traffic(&cut(Directions::In, &["east-*"])), (3, 0, 3));
    assert_eq!(traffic(&cut(Directions::Out, &["east-*"])), (3, 3, 0));
    assert_eq!(traffic(&cut(Directions::Both, &["east-*"])), (3, 0, 0));
    assert_eq!(traffic(&cut(Directions::Both, &["north-*"])), (3, 3, 3));
}

#[test]
fn both_sides_agree_on_the_times_of_a_recurring_partition() {
    let mut faults = cut(Directions::Both, &["east-*"]);
    let entry = faults.faults.remove(0);
    let ten = Span(Duration::from_secs(10));
    faults.faults.push(with(entry, json!({"every": ten, "for": ten, "probability": 0.5})));
    let mut west = Harness::named("west-0", "west", ticker, faults.clone(), 5);
    let mut east = Harness::named("east-0", "east", ticker, faults, 5);
    let mut changes = 0;
    let mut cut_before = false;
    for _ in 0..200 {
        west.run(Duration::from_secs(5));
        east.run(Duration::from_secs(5));
        let (heard_west, heard_east) = (west.device.ledger().received, east.device.ledger().received);
        west.deliver_from("east-0");
        east.deliver_from("west-0");
        let cut_west = west.device.ledger().received == heard_west;
        let cut_east = east.device.ledger().received == heard_east;
        assert_eq!(cut_west, cut_east);
        changes += u32::from(cut_west != cut_before);
        cut_before = cut_west;
    }
    assert!(changes > 10, "{changes} changes");
}
