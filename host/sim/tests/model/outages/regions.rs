//! Simultaneous outages of many devices.

use std::time::Duration;

use serde_json::json;
use wasmote_sim::action::Action;
use wasmote_sim::faults::document::{FaultDocument, Kind};
use wasmote_sim::notice::DeviceNotice;

use super::outage;
use crate::harness::{Harness, idle, with};

fn together(id: &str, probability: f64) -> FaultDocument {
    let mut faults = outage(Kind::Disconnect, 60, probability, 10);
    let entry = faults.faults.remove(0);
    faults.faults.push(with(entry, json!({"together": true, "id": id})));
    faults
}

/// End times of a device's outages in ten hours.
fn ends(device: &str, faults: FaultDocument) -> Vec<u64> {
    let mut harness = Harness::named(device, "west", idle, faults, 3);
    harness.run(Duration::from_secs(36_000));
    let ends = harness.actions.iter().filter_map(|action| match action {
        Action::Notice(DeviceNotice::FaultBegan(_, _, until)) => Some(until.as_nanos()),
        _ => None,
    });
    ends.collect()
}

#[test]
fn a_region_fails_together_with_the_configured_frequency() {
    let first = ends("west-0", together("storm", 0.3));
    for n in 1..20 {
        assert_eq!(ends(&format!("west-{n}"), together("storm", 0.3)), first);
    }
    // 600 trials: 180 expected, with a standard deviation of 11.2.
    assert!((143..=217).contains(&first.len()), "{}", first.len());
}

#[test]
fn two_regions_fail_independently() {
    let storm = ends("west-0", together("storm", 0.3));
    let flood = ends("east-0", together("flood", 0.3));
    let phase = |ends: &[u64]| ends[0] % 60_000_000_000;
    assert_ne!(phase(&storm), phase(&flood), "not in the same instants");
    let recurrence = |ends: &[u64]| -> Vec<u64> { ends.iter().map(|end| end / 60_000_000_000).collect() };
    assert_ne!(recurrence(&storm), recurrence(&flood), "and not in the same minutes");
}

#[test]
fn a_device_that_joins_late_is_in_step() {
    let from_the_start = ends("west-0", together("storm", 0.3));
    let mut late = Harness::named("west-1", "west", idle, FaultDocument::default(), 3);
    late.run(Duration::from_secs(18_000));
    late.put(wasmote_sim::device::Input::SetFaults(together("storm", 0.3).faults().unwrap().into()));
    late.run(Duration::from_secs(18_000));
    let late_ends = late.notices(|notice| match notice {
        DeviceNotice::FaultBegan(_, _, until) => Some(until.as_nanos()),
        _ => None,
    });
    let half = from_the_start.len() - late_ends.len();
    assert_eq!(late_ends, from_the_start[half..]);
    assert!(late_ends.len() > 50);
}
