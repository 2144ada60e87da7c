//! Distributions of delay, loss and other faults, with a million draws each.
//!
//! Seeds are fixed, so that the results are reproducible. The bounds are those of a test at a significance of
//! one in a thousand.

mod bandwidth;
mod bursts;
mod clocks;
mod delays;
mod reorder;

use std::time::Duration;

use serde_json::json;
use wasmote_mqtt::budget::ByteBudget;
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_sim::faults::document::{FaultDocument, Kind};
use wasmote_sim::faults::injector::Injector;
use wasmote_sim::faults::span::Span;
use wasmote_sim::faults::{Direction, Directions};
use wasmote_sim::ledger::Ledger;
use wasmote_sim::rng::Seed;

use crate::harness::{document, fault, message};

const DRAWS: usize = 1_000_000;
/// Two-sided normal quantile at one in a thousand.
const Z: f64 = 3.29;
/// Kolmogorov-Smirnov quantile at one in a thousand, times the root of the number of draws.
const KS: f64 = 1.95;

fn identity(id: &str) -> Identity {
    Identity {
        id: DeviceId::new(id).unwrap(),
        client_id: None,
        group: "west".into(),
        index: 0,
        count: 1,
        topic_root: "wasmote".into(),
        peers: None,
    }
}

struct World {
    injector: Injector,
    ledger: Ledger,
    now: Time,
}

impl World {
    fn new(document: FaultDocument, device: &str) -> Self {
        let mut ledger = Ledger::default();
        let faults = document.faults().unwrap();
        let (identity, seed) = (identity(device), Seed::new(42));
        let injector =
            Injector::new(ByteBudget::default(), &faults, &identity, seed, Time::ZERO, &mut ledger);
        Self { injector, ledger, now: Time::ZERO }
    }

    fn pass(&mut self, message: &Message) -> Vec<(Message, Duration)> {
        let mut passed = Vec::new();
        self.injector.judge(Direction::Out, message.clone(), self.now, &mut self.ledger, &mut passed);
        while self.injector.release(self.now, &mut self.ledger, &mut passed).is_some() {}
        passed
    }
}

fn assert_proportion(hits: usize, expected: f64) {
    let n = DRAWS as f64;
    let deviation = (hits as f64 - n * expected).abs() / (n * expected * (1.0 - expected)).sqrt();
    assert!(deviation < Z, "{hits} of {DRAWS} is {deviation:.2} standard deviations from {expected}");
}

/// Largest distance between the empirical distribution and the uniform one on [0, 1].
fn ks_distance(mut sample: Vec<f64>) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let distances = sample.iter().enumerate().map(|(i, x)| (x - i as f64 / n).max((i + 1) as f64 / n - x));
    distances.fold(0.0, f64::max)
}

/// Chi-squared statistic of observed and expected counts.
fn chi_squared(counts: impl IntoIterator<Item = (usize, f64)>) -> f64 {
    let off =
        |(found, expected): (usize, f64)| (found as f64 - expected) * (found as f64 - expected) / expected;
    counts.into_iter().map(off).sum()
}

#[test]
fn the_delays_of_realistic_are_uniform_from_10_to_500_ms() {
    let mut world = World::new(document([FaultDocument::realistic().faults[0].clone()]), "a");
    let tick = message("t", "x");
    let delays: Vec<f64> = (0..DRAWS).map(|_| world.pass(&tick)[0].1.as_secs_f64()).collect();
    let unit: Vec<f64> = delays.iter().map(|delay| (delay - 0.010) / 0.490).collect();
    assert!(unit.iter().all(|x| (0.0..=1.0).contains(x)), "no delay is outside of the range");
    let distance = ks_distance(unit);
    assert!(distance < KS / (DRAWS as f64).sqrt(), "Kolmogorov-Smirnov distance {distance}");
}

#[test]
fn the_losses_of_realistic_are_one_in_ten_and_independent() {
    let mut world = World::new(document([FaultDocument::realistic().faults[1].clone()]), "a");
    let tick = message("t", "x");
    let lost: Vec<bool> = (0..DRAWS).map(|_| world.pass(&tick).is_empty()).collect();
    assert_proportion(lost.iter().filter(|&&lost| lost).count(), 0.1);
    // Independence: both of two messages are lost with a probability of 1 in 100, at any distance.
    for lag in [1, 2, 10] {
        let both = lost.iter().zip(&lost[lag..]).filter(|(a, b)| **a && **b).count();
        assert_proportion(both, 0.01);
    }
    let counted: Vec<u64> = world.ledger.faults().map(|(_, counts)| counts.dropped()).collect();
    assert_eq!(counted, [lost.iter().filter(|&&lost| lost).count() as u64]);
}

#[test]
fn two_devices_lose_messages_independently() {
    let loss = document([fault(json!({"kind": "loss", "probability": 0.1}))]);
    let (mut left, mut right) = (World::new(loss.clone(), "a"), World::new(loss, "b"));
    let tick = message("t", "x");
    let both = (0..DRAWS).filter(|_| left.pass(&tick).is_empty() & right.pass(&tick).is_empty()).count();
    assert_proportion(both, 0.01);
}

#[test]
fn duplicates_have_the_configured_probability() {
    let entry = fault(json!({"kind": Kind::Duplicate, "probability": 0.2, "copies": 2}));
    let mut world = World::new(document([entry]), "a");
    let tick = message("t", "x");
    let tripled = (0..DRAWS).filter(|_| world.pass(&tick).len() == 3).count();
    assert_proportion(tripled, 0.2);
}

#[test]
fn a_corrupted_payload_differs_in_one_uniformly_drawn_bit() {
    let entry = fault(json!({"kind": Kind::Corrupt, "probability": 1.0}));
    let mut world = World::new(document([entry]), "a");
    let zeros = message("t", "\0\0\0\0\0\0\0\0");
    let mut hits = [0_usize; 64];
    for _ in 0..DRAWS {
        let altered = world.pass(&zeros)[0].0.payload.clone();
        let bits = u64::from_le_bytes(altered[..].try_into().unwrap());
        assert_eq!(bits.count_ones(), 1);
        hits[bits.trailing_zeros() as usize] += 1;
    }
    let expected = DRAWS as f64 / 64.0;
    let chi_squared = chi_squared(hits.iter().map(|&hit| (hit, expected)));
    // 63 degrees of freedom: 103.4 at one in a thousand.
    assert!(chi_squared < 103.4, "chi squared {chi_squared:.1}");
}

#[test]
fn a_chance_below_one_delays_that_share_of_messages() {
    let entry = fault(json!({
        "kind": Kind::Delay,
        "probability": 0.3,
        "min": Span(Duration::from_millis(1)),
        "max": Span(Duration::from_millis(2)),
    }));
    let mut world = World::new(document([entry]), "a");
    let tick = message("t", "x");
    assert_proportion((0..DRAWS).filter(|_| !world.pass(&tick)[0].1.is_zero()).count(), 0.3);
}

#[test]
fn an_inbound_fault_does_not_affect_outbound_messages() {
    let entry = fault(json!({"kind": "loss", "probability": 1.0, "direction": Directions::In}));
    let mut world = World::new(document([entry]), "a");
    assert_eq!(world.pass(&message("t", "x")).len(), 1);
    let mut passed = Vec::new();
    world.injector.judge(Direction::In, message("t", "x"), world.now, &mut world.ledger, &mut passed);
    assert!(passed.is_empty());
}
