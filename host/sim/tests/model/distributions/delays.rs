//! Every distribution of delays, with and without correlation.

use std::f64::consts::{PI, SQRT_2};
use std::time::Duration;

use serde_json::json;
use wasmote_sim::faults::document::{DelayKind, FaultEntry, FaultSpec, Kind};
use wasmote_sim::faults::span::Span;

use super::{DRAWS, KS, World, Z, ks_distance};
use crate::harness::{document, fault, message, with};

fn millis(n: u64) -> Option<Span> {
    Some(Span(Duration::from_millis(n)))
}

fn delay(distribution: DelayKind) -> FaultEntry {
    fault(json!({"kind": Kind::Delay, "distribution": distribution}))
}

fn normal() -> FaultEntry {
    with(delay(DelayKind::Normal), json!({"mean": millis(100), "std": millis(80)}))
}

fn log_normal() -> FaultEntry {
    with(delay(DelayKind::LogNormal), json!({"mean": millis(100), "std": millis(80)}))
}

fn pareto() -> FaultEntry {
    with(delay(DelayKind::Pareto), json!({"min": millis(20), "shape": 2.5}))
}

fn uniform() -> FaultEntry {
    with(delay(DelayKind::Uniform), json!({"min": millis(10), "max": millis(500)}))
}

/// Drawn delays in milliseconds.
fn draw(entry: FaultEntry, draws: usize) -> Vec<f64> {
    let mut world = World::new(document([entry]), "a");
    let tick = message("t", "x");
    (0..draws).map(|_| world.pass(&tick)[0].1.as_secs_f64() * 1e3).collect()
}

fn below(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

fn distribution(entry: &FaultEntry) -> DelayKind {
    let FaultSpec::Delay(delay) = &entry.spec else { panic!("it is a delay") };
    delay.distribution.unwrap()
}

/// Share of delays below `x` milliseconds.
fn share_below(entry: &FaultEntry, x: f64) -> f64 {
    match distribution(entry) {
        DelayKind::Normal => {
            let below_zero = below(-100.0 / 80.0);
            (below((x - 100.0) / 80.0) - below_zero) / (1.0 - below_zero)
        }
        DelayKind::LogNormal => {
            let variance = libm::log(1.0 + 0.8 * 0.8);
            below((libm::log(x) - libm::log(100.0) + variance / 2.0) / variance.sqrt())
        }
        DelayKind::Pareto => 1.0 - libm::pow(20.0 / x, 2.5),
        DelayKind::Uniform => (x - 10.0) / 490.0,
        DelayKind::Constant => unreachable!("not tested as a distribution"),
    }
}

fn assert_follows(entry: &FaultEntry, delays: Vec<f64>) {
    let bound = KS / (delays.len() as f64).sqrt();
    let distance = ks_distance(delays.into_iter().map(|x| share_below(entry, x)).collect());
    assert!(distance < bound, "{:?}: Kolmogorov-Smirnov distance {distance}", distribution(entry));
}

#[test]
fn delays_follow_their_distribution() {
    for entry in [normal(), log_normal(), pareto()] {
        assert_follows(&entry, draw(entry.clone(), DRAWS));
    }
}

#[test]
fn correlation_does_not_change_the_distribution() {
    for entry in [uniform(), normal(), log_normal(), pareto()] {
        let entry = with(entry, json!({"correlation": 0.8}));
        // The test assumes independent draws: at a distance of sixty, the correlation is negligible.
        let apart = draw(entry.clone(), DRAWS).into_iter().step_by(60).collect();
        assert_follows(&entry, apart);
    }
}

/// Correlation of the values at this lag.
fn correlation(values: &[f64], lag: usize) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    let shared = values.iter().zip(&values[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    shared / (n - lag as f64) / variance
}

#[test]
fn the_correlation_decays_with_the_lag() {
    for memory in [0.0_f64, 0.5, 0.9] {
        let entry = with(uniform(), json!({"correlation": memory}));
        let delays = draw(entry, DRAWS);
        // Bartlett's formula gives the error of the estimate for a process with this correlation.
        let squared = memory * memory;
        let error = ((1.0 + squared) / (1.0 - squared) / DRAWS as f64).sqrt();
        let mut behind = 1.0;
        for lag in 1..=4 {
            behind *= memory;
            // Correlation of uniform numbers that are derived from Gaussian ones (Pearson, 1907).
            let expected = 6.0 / PI * libm::asin(behind / 2.0);
            let found = correlation(&delays, lag);
            assert!((found - expected).abs() < Z * error, "{memory}, {lag} behind: {found}, not {expected}");
        }
    }
}

#[test]
fn the_mean_and_the_deviation_of_a_lognormal_delay_are_its_own() {
    let delays = draw(log_normal(), DRAWS);
    let n = DRAWS as f64;
    let mean = delays.iter().sum::<f64>() / n;
    let deviation = (delays.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
    assert!((mean - 100.0).abs() < Z * 80.0 / n.sqrt(), "{mean}");
    // The fourth moment of such a tail is large: one percent is about three standard errors.
    assert!((deviation - 80.0).abs() < 0.8, "{deviation}");
}

#[test]
fn constant_and_fully_correlated_delays_do_not_vary() {
    let constant = with(delay(DelayKind::Constant), json!({"mean": millis(7)}));
    assert!(draw(constant, 1_000).iter().all(|&x| x == 7.0));
    let stuck = draw(with(normal(), json!({"correlation": 1.0})), 1_000);
    assert!(stuck.iter().all(|&x| x == stuck[0]));
}

#[test]
fn delays_are_the_same_to_the_nanosecond_everywhere() {
    // Recorded on x86-64. Other platforms and other versions of libm must give the same numbers.
    let first = |entry: FaultEntry| {
        let mut world = World::new(document([with(entry, json!({"correlation": 0.5}))]), "a");
        let tick = message("t", "x");
        [(); 3].map(|()| world.pass(&tick)[0].1.as_nanos())
    };
    let found = [uniform(), normal(), log_normal(), pareto()].map(first);
    let written_down = [
        [365_719_168, 98_551_244, 121_665_545],
        [155_201_809, 50_313_700, 60_209_981],
        [119_137_055, 41_096_472, 46_212_672],
        [33_566_249, 21_659_897, 22_179_823],
    ];
    assert_eq!(found, written_down);
}
