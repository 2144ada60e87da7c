//! Repeated crashes.

use std::time::Duration;

use serde_json::json;
use wasmote_sim::faults::document::{FaultDocument, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::notice::DeviceNotice;

use super::outage;
use crate::harness::{Harness, ticker, with};

/// Three crashes in a row every 100 s, 2 s off and 4 s on.
fn loops() -> FaultDocument {
    let mut faults = outage(Kind::Crash, 100, 1.0, 2);
    let entry = faults.faults.remove(0);
    faults.faults.push(with(entry, json!({"times": 3, "uptime": Span(Duration::from_secs(4))})));
    faults
}

#[test]
fn a_reboot_loop_has_the_configured_crashes_and_uptimes() {
    let mut harness = Harness::new(ticker, loops());
    while harness.device.is_running() {
        harness.run(Duration::from_millis(1));
    }
    let mut runs = String::new();
    for _ in 0..18 {
        harness.run(Duration::from_secs(1));
        runs.push(if harness.device.is_running() { '#' } else { '.' });
    }
    // The crash is less than a second before the first sample.
    assert_eq!(runs, ".####..####..#####");
    assert!(harness.closes());
}

#[test]
fn each_trial_starts_the_whole_loop() {
    let mut harness = Harness::new(ticker, loops());
    harness.run(Duration::from_secs(1_014));
    let crashes = harness.notices(|notice| matches!(notice, DeviceNotice::Crashed(_)).then_some(()));
    assert!((30..=33).contains(&crashes.len()), "{}", crashes.len());
    assert_eq!(harness.device.ledger().fault_total().outages, crashes.len() as u64);
}
